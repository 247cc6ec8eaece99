"""Realtime as a part of the whole stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import websockets

from support.stack import TestStack, running_stack

from .client import Client


async def connected_to(stack: TestStack) -> Client:
    url = stack.url.replace("http", "ws", 1)
    key = stack.keys.secret_key
    connection = await websockets.connect(f"{url}/realtime/v1/websocket?apikey={key}", compression=None)
    return Client(connection, "1.0.0")


async def hears_both_sources(stack: TestStack, client: Client) -> None:
    binding: dict[str, Any] = {"event": "INSERT", "schema": "public", "table": "in_the_stack"}
    db = await stack.database.connect("postgres")
    try:
        await db.execute(
            "create table public.in_the_stack (id int primary key);"
            " grant select on public.in_the_stack to service_role;"
            " alter publication supabase_realtime add table public.in_the_stack"
        )
        await client.watch("stack", binding, private=True)
        await db.execute("insert into public.in_the_stack values (1)")
        assert (await client.change())["data"]["record"] == {"id": 1}
        await db.execute("select realtime.send('{}', 'e', 'stack', true)")
        await client.next("broadcast")
    finally:
        await db.close()


async def test_a_reset_closes_the_sockets_and_the_new_database_is_followed(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        client = await connected_to(stack)
        await hears_both_sources(stack, client)
        stack.run(stack.stack.reset())
        told = await client.next("system", "realtime:stack", extension="system")
        assert told.payload["message"] == "Server requested disconnect"
        assert await client.closed_with() == 1001
        again = await connected_to(stack)
        await hears_both_sources(stack, again)
        assert stack.stack.status()["services"]["realtime"]["connections"] == 1
        await again.connection.close()
