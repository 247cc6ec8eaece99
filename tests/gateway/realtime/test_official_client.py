"""The official Python client, unmodified, over real sockets."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from realtime import AsyncRealtimeChannel, RealtimeSubscribeStates
from realtime.types import RealtimePostgresChangesListenEvent as On
from supabase import AsyncClient, acreate_client
from supabase.lib.client_options import AsyncClientOptions

from .harness import RealtimeStack

Db = asyncpg.Connection
PATIENCE_S = 30


@asynccontextmanager
async def official(
    realtime: RealtimeStack, token: str | None = None, *, key: str | None = None
) -> AsyncIterator[AsyncClient]:
    """A client as an app has it: the publishable key, and a user's token."""
    client = await acreate_client(
        realtime.url, key or realtime.keys.publishable_key, AsyncClientOptions(auto_refresh_token=False)
    )
    if token is not None:
        await client.realtime.set_auth(token)
    try:
        yield client
    finally:
        await client.realtime.close()


class States:
    """What the subscribe callback was told."""

    def __init__(self) -> None:
        self.seen: asyncio.Queue[tuple[RealtimeSubscribeStates, Exception | None]] = asyncio.Queue()

    def __call__(self, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        self.seen.put_nowait((state, error))

    async def until(self, state: RealtimeSubscribeStates) -> Exception | None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                seen, error = await self.seen.get()
                if seen is state:
                    return error


async def subscribed(channel: AsyncRealtimeChannel) -> States:
    states = States()
    await channel.subscribe(states)
    await states.until(RealtimeSubscribeStates.SUBSCRIBED)
    return states


def queue() -> tuple[asyncio.Queue[Any], Callable[[Any], None]]:
    received: asyncio.Queue[Any] = asyncio.Queue()
    return received, received.put_nowait


async def take(received: asyncio.Queue[Any]) -> Any:
    return await asyncio.wait_for(received.get(), PATIENCE_S)


async def test_changes_of_ones_own_rows(realtime: RealtimeStack, db: Db) -> None:
    user = str(uuid.uuid4())
    async with official(realtime, realtime.token(user)) as client:
        changes, on_change = queue()
        systems, on_system = queue()
        channel = client.channel("notes")
        channel.on_postgres_changes(On.All, on_change, table="notes", filter=f"owner=eq.{user}")
        channel.on_system(on_system)
        await subscribed(channel)
        assert (await take(systems)).message == "Subscribed to PostgreSQL"
        await db.execute("insert into public.notes (owner, body) values ($1, 'theirs')", str(uuid.uuid4()))
        await db.execute("insert into public.notes (owner, body) values ($1, 'mine')", user)
        await db.execute("update public.notes set done = true where owner = $1", user)
        inserted, updated = await take(changes), await take(changes)
        assert inserted["data"]["type"] == "INSERT"
        assert inserted["data"]["record"]["body"] == "mine"
        assert updated["data"]["record"]["done"] is True
        assert changes.empty()


async def test_broadcast_and_presence_between_two_clients(realtime: RealtimeStack) -> None:
    async with official(realtime) as ann, official(realtime) as bob:
        heard, on_broadcast = queue()
        came, on_join = queue()
        left, on_leave = queue()
        a = ann.channel("lobby", {"config": {"presence": {"key": "ann", "enabled": True}}})
        b = bob.channel("lobby", {"config": {"presence": {"key": "bob", "enabled": True}}})
        a.on_broadcast("moved", on_broadcast)
        a.on_presence_join(lambda key, current, new: on_join((key, new)))
        a.on_presence_leave(lambda key, current, gone: on_leave((key, gone)))
        await subscribed(a)
        await subscribed(b)
        await b.send_broadcast("moved", {"x": 1})
        assert (await take(heard))["payload"] == {"x": 1}
        await b.track({"status": "here"})
        key, new = await take(came)
        assert key == "bob"
        assert new[0]["status"] == "here"
        assert "bob" in a.presence_state()
        await b.untrack()
        assert (await take(left))[0] == "bob"


async def test_http_send(realtime: RealtimeStack) -> None:
    async with official(realtime, realtime.token()) as client:
        heard, on_broadcast = queue()
        channel = client.channel("hall:http", {"config": {"private": True}})
        channel.on_broadcast("e", on_broadcast)
        await subscribed(channel)
        await channel.http_send("e", {"n": 1})
        assert (await take(heard))["payload"] == {"n": 1}


async def test_private_channels_and_messages_of_the_database(realtime: RealtimeStack, db: Db) -> None:
    user = str(uuid.uuid4())
    async with official(realtime, realtime.token(user)) as client:
        heard, on_broadcast = queue()
        mine = client.channel(f"user:{user}", {"config": {"private": True}})
        mine.on_broadcast("progress", on_broadcast)
        await subscribed(mine)
        await db.execute("select realtime.send('{\"percent\": 5}', 'progress', $1, true)", f"user:{user}")
        message = await take(heard)
        assert message["payload"]["percent"] == 5
        theirs = client.channel(f"user:{uuid.uuid4()}", {"config": {"private": True}})
        states = States()
        await theirs.subscribe(states)
        error = await states.until(RealtimeSubscribeStates.CHANNEL_ERROR)
        assert "You do not have permissions to read" in str(error)
        await theirs.unsubscribe()


async def test_an_expired_token_errors_and_closes_the_channel(realtime: RealtimeStack) -> None:
    async with official(realtime, realtime.token(lasts_s=1.5)) as client:
        channel = client.channel("hall:expiry", {"config": {"private": True}})
        states = await subscribed(channel)
        await states.until(RealtimeSubscribeStates.CHANNEL_ERROR)
        await states.until(RealtimeSubscribeStates.CLOSED)
        again = client.channel("hall:again", {"config": {"private": True}})
        await client.realtime.set_auth(realtime.token())
        await subscribed(again)


# The client logs a deprecated attribute; as an error that would end its reader for good.
@pytest.mark.filterwarnings("ignore:ConnectionClosed:DeprecationWarning")
async def test_a_dropped_socket_is_rejoined(realtime: RealtimeStack, db: Db) -> None:
    async with official(realtime, realtime.token()) as client:
        heard, on_broadcast = queue()
        channel = client.channel("hall:drop", {"config": {"private": True}})
        channel.on_broadcast("e", on_broadcast)
        states = await subscribed(channel)
        assert realtime.call(lambda: realtime.service.drop_sockets(topic="hall:drop")) == 1
        await states.until(RealtimeSubscribeStates.CHANNEL_ERROR)
        await states.until(RealtimeSubscribeStates.SUBSCRIBED)
        await db.execute("select realtime.send('{}', 'e', 'hall:drop', true)")
        await take(heard)


async def test_replay(realtime: RealtimeStack, db: Db) -> None:
    await db.execute("select realtime.send('{\"n\": 1}', 'e', 'hall:official:replay', true)")
    async with official(realtime, realtime.token()) as client:
        heard, on_broadcast = queue()
        config: Any = {"private": True, "broadcast": {"replay": {"since": 1, "limit": 5}}}
        channel = client.channel("hall:official:replay", {"config": config})
        channel.on_broadcast("e", on_broadcast)
        await subscribed(channel)
        message = await take(heard)
        assert message["payload"]["n"] == 1
        assert message["meta"]["replayed"] is True


@pytest.mark.parametrize("key", ["secret_key", "service_role_key"])
async def test_a_worker_needs_its_key_only(realtime: RealtimeStack, db: Db, key: str) -> None:
    async with official(realtime, key=getattr(realtime.keys, key)) as client:
        changes, on_change = queue()
        systems, on_system = queue()
        channel = client.channel("worker", {"config": {"private": True}})
        channel.on_postgres_changes(On.Insert, on_change, table="notes").on_system(on_system)
        await subscribed(channel)
        await take(systems)
        await db.execute("insert into public.notes (owner, body) values ($1, 'any')", str(uuid.uuid4()))
        assert (await take(changes))["data"]["record"]["body"] == "any"
