"""Row level security of changes: who sees which row, and what an attacker does not."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import asyncpg
import pytest

from .client import Client
from .conftest import Connect
from .harness import RealtimeStack

Db = asyncpg.Connection
NOTES = {"event": "*", "schema": "public", "table": "notes"}


async def note(db: Db, owner: str, body: str = "note") -> int:
    number: int = await db.fetchval(
        "insert into public.notes (owner, body) values ($1, $2) returning id", owner, body
    )
    return number


async def test_everyone_sees_their_own_rows_and_no_others(
    connect: Connect, realtime: RealtimeStack, service: Client, db: Db
) -> None:
    ann, bob = str(uuid.uuid4()), str(uuid.uuid4())
    async with connect() as a, connect() as b:
        await a.watch("a", NOTES, token=realtime.token(ann))
        await b.watch("b", NOTES, token=realtime.token(bob))
        await service.watch("all", NOTES)
        first, second, third = await note(db, ann), await note(db, bob), await note(db, ann)
        assert [(await a.change())["data"]["record"]["id"] for _ in range(2)] == [first, third]
        assert (await b.change())["data"]["record"]["id"] == second
        assert [(await service.change())["data"]["record"]["id"] for _ in range(3)] == [first, second, third]
        assert not a.waiting("postgres_changes")
        assert not b.waiting("postgres_changes")


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"filter": "owner=eq.{victim}"},
        {"filter": "owner=not.is.null"},
        {"filter": "body=like.%"},
        {"table": "*"},
        {"schema": "*", "table": "*"},
        {"select": ["body"]},
        {"event": "INSERT"},
    ],
)
async def test_no_binding_shows_anothers_row(
    connect: Connect, realtime: RealtimeStack, db: Db, more: dict[str, Any]
) -> None:
    victim, attacker = str(uuid.uuid4()), str(uuid.uuid4())
    binding = {**NOTES, **more}
    if "filter" in binding:
        binding["filter"] = binding["filter"].format(victim=victim)
    async with connect() as client:
        await client.watch("attack", binding, token=realtime.token(attacker))
        await client.watch("mine", NOTES, token=realtime.token(attacker))
        await note(db, victim, "secret")
        await note(db, attacker)
        await client.change("mine", type="INSERT")
        seen = [m.payload["data"].get("record") for m in client.waiting("postgres_changes")]
        assert all(record.get("body") != "secret" for record in seen)


@pytest.mark.parametrize("key", ["publishable_key", None])
async def test_without_a_user_there_is_nothing_to_see(
    connect: Connect, realtime: RealtimeStack, service: Client, db: Db, key: str | None
) -> None:
    await service.watch("all", NOTES)
    async with connect() as client:
        token = None if key else realtime.token(sub=None, role="anon")
        await client.watch("anon", NOTES, token=token)
        await note(db, str(uuid.uuid4()))
        await service.change()
        seen = await client.change()
        # anon has no grant on the table: that something happened is all that the real server tells.
        assert seen["data"]["errors"] == ["Error 401: Unauthorized"]
        assert seen["data"]["record"] is None


async def test_an_update_shows_the_new_row_to_whom_it_is_visible_now(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    ann, bob = str(uuid.uuid4()), str(uuid.uuid4())
    async with connect() as a, connect() as b:
        await a.watch("a", NOTES, token=realtime.token(ann))
        await b.watch("b", NOTES, token=realtime.token(bob))
        number = await note(db, ann)
        await a.change(type="INSERT")
        await db.execute("update public.notes set owner = $1 where id = $2", bob, number)
        assert (await b.change(type="UPDATE"))["data"]["record"]["id"] == number
        last = await note(db, ann)
        assert (await a.change())["data"]["record"]["id"] == last


async def test_deletes_go_to_everybody_with_the_key_only(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    victim = str(uuid.uuid4())
    number = await note(db, victim, "secret")
    async with connect() as client:
        await client.watch("deletes", NOTES, token=realtime.token())
        await client.watch("filtered", {**NOTES, "filter": "body=eq.secret"}, token=realtime.token())
        await client.watch("by_id", {**NOTES, "filter": f"id=eq.{number}"}, token=realtime.token())
        await db.execute("delete from public.notes where id = $1", number)
        assert (await client.change("deletes"))["data"]["old_record"] == {"id": number}
        assert (await client.change("by_id"))["data"]["old_record"] == {"id": number}
        await client.heartbeat()
        assert not client.waiting("postgres_changes")  # a filter on what is not there fails closed


async def test_row_level_security_counts_from_when_it_is_switched_on(
    connect: Connect, realtime: RealtimeStack, service: Client, db: Db
) -> None:
    await db.execute(
        "create table public.opened (id int primary key); grant select on public.opened to authenticated,"
        " service_role; alter publication supabase_realtime add table public.opened"
    )
    opened = {**NOTES, "table": "opened"}
    try:
        async with connect() as client:
            await client.watch("user", opened, token=realtime.token())
            await service.watch("all", opened)
            await db.execute("insert into public.opened values (1)")
            assert (await client.change())["data"]["record"] == {"id": 1}
            await db.execute("alter table public.opened enable row level security")
            await db.execute("insert into public.opened values (2)")
            await service.change(record={"id": 2})
            await db.execute("create policy all_rows on public.opened for select using (id > 2)")
            await db.execute("insert into public.opened values (3)")
            assert (await client.change())["data"]["record"] == {"id": 3}
            await db.execute("drop policy all_rows on public.opened")
            await db.execute("insert into public.opened values (4)")
            await service.change(record={"id": 4})
            await client.heartbeat()
            assert not client.waiting("postgres_changes")
    finally:
        await db.execute("drop table public.opened")


async def test_a_new_token_changes_whose_rows_are_seen(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    ann, bob = str(uuid.uuid4()), str(uuid.uuid4())
    async with connect() as client:
        await client.watch("switch", NOTES, token=realtime.token(ann))
        await client.send("realtime:switch", "access_token", {"access_token": realtime.token(bob)})
        told = await client.next("system", "realtime:switch")
        assert told.payload["message"] == "Subscribed to PostgreSQL"
        await note(db, ann, "no longer mine")
        number = await note(db, bob)
        assert (await client.change())["data"]["record"]["id"] == number


async def test_no_row_comes_after_the_token_has_expired(
    connect: Connect, realtime: RealtimeStack, service: Client, db: Db
) -> None:
    ann = str(uuid.uuid4())
    await service.watch("all", NOTES)
    async with connect() as client:
        await client.watch("expires", NOTES, token=realtime.token(ann, lasts_s=1.5))
        await client.next("phx_close", "realtime:expires")
        number = await note(db, ann)
        while (await service.change())["data"].get("record", {}).get("id") != number:
            pass
        await client.heartbeat()
        assert not client.waiting("postgres_changes")


async def test_claims_beyond_the_user_count(
    connect: Connect, realtime: RealtimeStack, service: Client, db: Db
) -> None:
    await db.execute(
        "create table public.teams (id int primary key, team text);"
        " alter table public.teams enable row level security;"
        " grant select on public.teams to authenticated, service_role;"
        " create policy team on public.teams for select to authenticated"
        "   using (team = (auth.jwt() -> 'app_metadata' ->> 'team'));"
        " alter publication supabase_realtime add table public.teams"
    )
    teams = {**NOTES, "table": "teams"}
    try:
        async with connect() as red, connect() as blue:
            user = str(uuid.uuid4())
            await red.watch("red", teams, token=realtime.token(user, app_metadata={"team": "red"}))
            await blue.watch("blue", teams, token=realtime.token(user, app_metadata={"team": "blue"}))
            await db.execute("insert into public.teams values (1, 'red'), (2, 'blue')")
            assert (await red.change())["data"]["record"]["id"] == 1
            assert (await blue.change())["data"]["record"]["id"] == 2
            assert not red.waiting("postgres_changes")
    finally:
        await db.execute("drop table public.teams")


async def test_a_policy_that_raises_for_one_does_not_hide_rows_from_others(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    await db.execute(
        "create table public.touchy (id int primary key);"
        " alter table public.touchy enable row level security;"
        " grant select on public.touchy to authenticated;"
        " create policy touchy on public.touchy for select to authenticated"
        "   using (1 / (auth.jwt() ->> 'divisor')::int = 1);"
        " alter publication supabase_realtime add table public.touchy"
    )
    touchy = {**NOTES, "table": "touchy"}
    try:
        async with connect() as broken, connect() as fine:
            await broken.watch("broken", touchy, token=realtime.token(divisor=0))
            await fine.watch("fine", touchy, token=realtime.token(divisor=1))
            await db.execute("insert into public.touchy values (1)")
            assert (await fine.change())["data"]["record"] == {"id": 1}
            await broken.heartbeat()
            assert not broken.waiting("postgres_changes")
    finally:
        await db.execute("drop table public.touchy")


async def test_many_users_see_theirs_and_only_theirs(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    users = [str(uuid.uuid4()) for _ in range(40)]
    async with connect() as client:
        await asyncio.gather(*(client.watch(user, NOTES, token=realtime.token(user)) for user in users))
        await db.executemany(
            "insert into public.notes (owner, body) values ($1, $2)",
            [(user, f"{user}:{n}") for n in range(3) for user in users],
        )
        for user in users:
            bodies = [(await client.change(user))["data"]["record"]["body"] for _ in range(3)]
            assert bodies == [f"{user}:{n}" for n in range(3)]
        assert not client.waiting("postgres_changes")


async def test_a_row_that_has_gone_again_is_not_told_to_those_who_cannot_be_checked(
    connect: Connect, realtime: RealtimeStack, db: Db
) -> None:
    ann = str(uuid.uuid4())
    async with connect() as client:
        await client.watch("gone", {**NOTES, "event": "INSERT"}, token=realtime.token(ann))
        async with db.transaction():
            number = await note(db, ann)
            await db.execute("delete from public.notes where id = $1", number)
        last = await note(db, ann, "last")
        ids = []
        while not ids or ids[-1] != last:
            ids.append((await client.change())["data"]["record"]["id"])
        assert number not in ids
