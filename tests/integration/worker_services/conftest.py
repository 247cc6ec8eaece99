"""A project, what services are told and tell, and somebody who receives webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from postgrest import AsyncPostgrestClient
from storage3 import AsyncStorageClient

from support.stack import TestStack

from .harness import Bench, Receiver, Store, Told, receiver


@pytest.fixture
async def bench(stack: TestStack) -> AsyncIterator[Bench]:
    if not isinstance(stack, TestStack):
        pytest.skip("these tests arrange rows by SQL, and --supabase was given")
    key = stack.keys.secret_key
    headers = {"apikey": key, "authorization": f"Bearer {key}"}
    admin = await asyncpg.connect(**stack.database.connect_kwargs("postgres"))
    try:
        async with (
            httpx.AsyncClient() as http,
            AsyncPostgrestClient(f"{stack.url}/rest/v1", headers=headers) as db,
        ):
            yield Bench(
                stack,
                admin,
                http,
                Store(http, stack.url, key),
                AsyncStorageClient(f"{stack.url}/storage/v1/", headers, http_client=http),
                db,
            )
    finally:
        await admin.execute("delete from headway.notification_endpoints where all_tenants")
        await admin.close()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def hook(bench: Bench) -> AsyncIterator[Receiver]:
    """A receiver on this machine, which this project admits."""
    await bench.admin.execute("update headway.notification_settings set allow_loopback = true where id")
    try:
        async with receiver() as made:
            yield made
    finally:
        await bench.admin.execute("update headway.notification_settings set allow_loopback = false where id")
