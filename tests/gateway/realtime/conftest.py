"""Realtime, its database and its clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import pytest

from support.postgres import TestCluster

from .client import Client, connected
from .harness import RealtimeStack, running_realtime

SETUP = """
create table public.notes (
  id bigint generated always as identity primary key, owner uuid, body text,
  done boolean not null default false
);
alter table public.notes enable row level security;
create policy own on public.notes for select to authenticated using (owner = (select auth.uid()));
create table public.board (id integer primary key, title text, secret text);
grant select on public.notes, public.board to authenticated, service_role;
alter publication supabase_realtime add table public.notes, public.board;

create policy read_own on realtime.messages for select to authenticated
  using ((select realtime.topic()) = 'user:' || (select auth.uid())::text);
create policy write_own on realtime.messages for insert to authenticated
  with check ((select realtime.topic()) = 'user:' || (select auth.uid())::text);
create policy read_hall on realtime.messages for select to authenticated
  using ((select realtime.topic()) like 'hall:%');
create policy write_hall on realtime.messages for insert to authenticated
  with check ((select realtime.topic()) like 'hall:%');
create policy only_broadcast on realtime.messages for select to authenticated
  using ((select realtime.topic()) like 'listen:%' and extension = 'broadcast');
create policy only_presence on realtime.messages for all to authenticated
  using ((select realtime.topic()) like 'see:%' and extension = 'presence')
  with check ((select realtime.topic()) like 'see:%' and extension = 'presence');
"""


@pytest.fixture(scope="session")
def _realtime(cluster: TestCluster) -> Iterator[RealtimeStack]:
    async def set_up(stack: RealtimeStack) -> None:
        connection = await stack.database.connect("postgres")
        try:
            await connection.execute(SETUP)
        finally:
            await connection.close()

    with (
        cluster.clone(cluster.template("bootstrapped", lambda _: None)) as database,
        running_realtime(database) as stack,
    ):
        stack.run(set_up(stack))
        yield stack


@pytest.fixture
def realtime(_realtime: RealtimeStack) -> Iterator[RealtimeStack]:
    """A running service, healthy and without limits; shared by the process's tests."""
    try:
        yield _realtime
    finally:
        _realtime.reset()


@pytest.fixture
async def db(realtime: RealtimeStack) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection as ``postgres``."""
    connection = await realtime.database.connect("postgres")
    try:
        yield connection
    finally:
        await connection.close()


Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def connect(realtime: RealtimeStack) -> Connect:
    """Opens clients: ``async with connect(key, vsn=...) as client``."""

    def opening(key: str | None = None, **options: Any) -> AbstractAsyncContextManager[Client]:
        return connected(realtime, key, **options)

    return opening


@pytest.fixture(params=["1.0.0", "2.0.0"])
async def client(request: pytest.FixtureRequest, realtime: RealtimeStack) -> AsyncIterator[Client]:
    """A client with the publishable key, once per serializer."""
    async with connected(realtime, vsn=request.param) as client:
        yield client


@pytest.fixture
async def service(realtime: RealtimeStack) -> AsyncIterator[Client]:
    """A client with the secret key."""
    async with connected(realtime, realtime.keys.secret_key) as client:
        yield client
