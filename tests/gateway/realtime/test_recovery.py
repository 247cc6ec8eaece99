"""Lost replication connections, a restarted Postgres, and a stopped service: what clients see of it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from headway.local.database import Database
from support.postgres import TestCluster

from .client import Client, connected
from .conftest import SETUP, Connect
from .harness import RealtimeStack, running_realtime

Db = asyncpg.Connection
BOARD = {"event": "INSERT", "schema": "public", "table": "board"}


async def streams_are_up(realtime: RealtimeStack) -> None:
    async with asyncio.timeout(30):
        while True:
            status = realtime.call(realtime.service.status)
            if status["changes"]["streaming"] and status["messages"]["streaming"]:
                return
            await asyncio.sleep(0.01)


async def test_lost_streams_are_made_anew_and_subscribers_are_told(
    service: Client, realtime: RealtimeStack, db: Db
) -> None:
    await service.watch("recover", BOARD, private=True)
    realtime.call(realtime.service.break_streams)
    told = await service.next("system", "realtime:recover")
    assert told.payload["message"] == "Subscribed to PostgreSQL"
    await streams_are_up(realtime)
    await db.execute("insert into public.board values (5001, 'after')")
    assert (await service.change())["data"]["record"]["id"] == 5001
    await db.execute("select realtime.send('{}', 'after', 'recover', true)")
    await service.next("broadcast")


async def test_a_killed_walsender_is_replaced(service: Client, realtime: RealtimeStack, db: Db) -> None:
    await service.watch("killed", BOARD)
    admin = await realtime.database.connect("supabase_admin")
    try:
        killed = await admin.fetchval(
            "select count(pg_terminate_backend(active_pid)) from pg_replication_slots"
            " where database = current_database()"
        )
        assert killed == 2
        await service.next("system", "realtime:killed", status="ok")
        await db.execute("insert into public.board values (5002, 'after')")
        assert (await service.change())["data"]["record"]["id"] == 5002
    finally:
        await admin.close()


async def test_every_lost_connection_is_replaced(connect: Connect, realtime: RealtimeStack, db: Db) -> None:
    async with connect() as client:
        binding = {"event": "INSERT", "schema": "public", "table": "notes"}
        user = "99999999-0000-4000-8000-000000000000"
        await client.watch("lost", binding, token=realtime.token(user))
        await db.execute("insert into public.notes (owner) values ($1)", user)
        await client.change()
        admin = await realtime.database.connect("supabase_admin")
        try:
            await admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name like 'realtime%' and datname = current_database()"
            )
        finally:
            await admin.close()
        await client.next("system", "realtime:lost", status="ok")
        # The connection that checks rows is noticed lost by its use; rows of that batch are checked anew.
        await db.execute("insert into public.notes (owner, body) values ($1, 'after')", user)
        assert (await client.change())["data"]["record"]["body"] == "after"
        await client.join("hall:lost", {"private": True}, token=realtime.token())


async def test_a_publication_that_is_dropped_and_made_again(
    service: Client, realtime: RealtimeStack, db: Db
) -> None:
    await service.watch("republished", BOARD)
    await db.execute("drop publication supabase_realtime")
    await db.execute("insert into public.board values (5003, 'unpublished')")
    await db.execute("create publication supabase_realtime for table public.notes, public.board")
    try:
        await service.next("system", "realtime:republished", status="ok")
        await db.execute("insert into public.board values (5004, 'published')")
        assert (await service.change())["data"]["record"]["id"] == 5004
    finally:
        await db.execute("alter publication supabase_realtime owner to postgres")


async def test_a_table_that_leaves_the_publication_ends_its_subscriptions_with_an_error(
    service: Client, realtime: RealtimeStack, db: Db
) -> None:
    await db.execute(
        "create table public.fleeting (id int primary key); grant select on public.fleeting to service_role;"
        " alter publication supabase_realtime add table public.fleeting"
    )
    try:
        await service.watch("fleeting", {**BOARD, "table": "fleeting"})
        await db.execute("alter publication supabase_realtime drop table public.fleeting")
        told = await service.next("system", "realtime:fleeting")
        assert told.payload["status"] == "error"
        assert told.payload["message"].startswith("Unable to subscribe to changes with given parameters.")
    finally:
        await db.execute("drop table public.fleeting")


async def test_an_open_transaction_delays_the_subscription_and_nothing_is_missed(
    service: Client, realtime: RealtimeStack, db: Db
) -> None:
    """A replication slot waits for open writers; what they commit afterwards is still told."""
    realtime.call(realtime.service.break_streams)
    await streams_are_up(realtime)
    writer = await realtime.database.connect("postgres")
    try:
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute("insert into public.board values (5010, 'open')")
        realtime.call(realtime.service.break_streams)
        await service.join("waits", {"postgres_changes": [BOARD]})
        await service.heartbeat()
        await transaction.commit()
        await service.next("system", "realtime:waits", status="ok")
        await db.execute("insert into public.board values (5011, 'after')")
        assert await service.change(record={"id": 5011, "title": "after", "secret": None})
    finally:
        await writer.close()


@pytest.fixture
def own_cluster() -> Iterator[TestCluster]:
    """A Postgres that the test may stop."""
    directory = Path(tempfile.mkdtemp(prefix="headway-realtime-"))
    try:
        cluster = TestCluster(directory)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(directory)


@pytest.fixture
async def own(own_cluster: TestCluster) -> AsyncIterator[RealtimeStack]:
    connection = await own_cluster.database.connect("postgres")
    try:
        await connection.execute(SETUP)
    finally:
        await connection.close()
    with running_realtime(own_cluster.database) as stack:
        yield stack


async def test_a_restart_of_postgres_is_survived(own: RealtimeStack, own_cluster: TestCluster) -> None:
    async with connected(own, own.keys.secret_key) as client:
        await client.watch("restart", BOARD, private=True)
        own_cluster.run(own_cluster.server.stop())
        await client.heartbeat()
        refused = await client.try_join("hall:down", {"private": True}, token=own.token())
        assert refused.payload["response"]["reason"] == (
            "UnableToConnectToProject: Realtime was unable to connect to the project database"
        )
        await client.join("public:still:works")
        own_cluster.run(own_cluster.server.start())
        await client.next("system", "realtime:restart", status="ok")
        await streams_are_up(own)
        db = await own.database.connect("postgres")
        try:
            await db.execute("insert into public.board values (1, 'back')")
            assert (await client.change())["data"]["record"]["title"] == "back"
            await db.execute("select realtime.send('{}', 'back', 'restart', true)")
            await client.next("broadcast")
            await client.join("hall:up", {"private": True}, token=own.token())
        finally:
            await db.close()


async def test_stopping_tells_and_closes_every_socket_and_starting_again_works(
    database: Database,
) -> None:
    with running_realtime(database) as own:
        async with connected(own) as client:
            await client.join("room")
            own.run(own.service.stop())
            told = await client.next("system", "realtime:room")
            assert told.payload["message"] == "Server requested disconnect"
            assert told.payload["status"] == "ok"
            assert await client.closed_with() == 1001
        own.run(own.service.stop())
        assert own.service.status() == {}
        own.run(own.service.start())
        async with connected(own) as client:
            await client.join("room")
