"""``postgres_changes``: what is told of a row, in which form."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from .client import Client
from .conftest import Connect
from .harness import RealtimeStack

Db = asyncpg.Connection
MakeTable = Callable[..., Awaitable[str]]


@pytest.fixture
async def make_table(db: Db) -> AsyncIterator[MakeTable]:
    """Makes published tables that the service role may read: ``await make_table("id int primary key")``."""
    made: list[str] = []

    async def make(columns: str, *, published: bool = True) -> str:
        name = f"t_{secrets.token_hex(5)}"
        await db.execute(f"create table public.{name} ({columns})")
        await db.execute(f"grant select on public.{name} to service_role")
        if published:
            await db.execute(f"alter publication supabase_realtime add table public.{name}")
        made.append(name)
        return name

    yield make
    for name in made:
        await db.execute(f"drop table if exists public.{name} cascade")


def on(table: str, event: str = "*", **more: Any) -> dict[str, Any]:
    return {"event": event, "schema": "public", "table": table, **more}


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_insert_update_delete(connect: Connect, realtime: RealtimeStack, db: Db, vsn: str) -> None:
    async with connect(realtime.keys.secret_key, vsn=vsn) as client:
        (change_id,) = await client.watch("room", on("board"))
        await db.execute("insert into public.board values (1, 'a', 's')")
        await db.execute("update public.board set title = 'b' where id = 1")
        await db.execute("update public.board set id = 2 where id = 1")
        await db.execute("delete from public.board where id = 2")
        inserted, updated, moved, deleted = [
            await client.next("postgres_changes", "realtime:room") for _ in range(4)
        ]
        assert inserted.ref is None
        payload = inserted.payload
        assert payload["ids"] == [change_id]
        data = payload["data"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", data.pop("commit_timestamp"))
        assert data == {
            "schema": "public",
            "table": "board",
            "type": "INSERT",
            "columns": [
                {"name": "id", "type": "int4"},
                {"name": "title", "type": "text"},
                {"name": "secret", "type": "text"},
            ],
            "record": {"id": 1, "title": "a", "secret": "s"},
            "errors": None,
        }
        assert updated.payload["data"]["record"] == {"id": 1, "title": "b", "secret": "s"}
        assert updated.payload["data"]["old_record"] == {"id": 1}
        assert moved.payload["data"]["old_record"] == {"id": 1}
        assert moved.payload["data"]["record"]["id"] == 2
        assert deleted.payload["data"]["old_record"] == {"id": 2}
        assert "record" not in deleted.payload["data"]


@pytest.mark.parametrize("event", ["INSERT", "UPDATE", "DELETE"])
async def test_only_what_was_asked_for(service: Client, db: Db, make_table: MakeTable, event: str) -> None:
    table, last = await make_table("id int primary key, v int"), await make_table("id int primary key")
    await service.watch("room", on(table, event.lower()))
    await db.execute(f"insert into {table} values (1, 1)")
    await db.execute(f"update {table} set v = 2")
    await db.execute(f"delete from {table}")
    await service.watch("sentinel", on(last))
    await db.execute(f"insert into {last} values (1)")
    await service.change("sentinel")
    kinds = [m.payload["data"]["type"] for m in service.waiting("postgres_changes")]
    assert kinds == [event]


async def test_bindings_of_one_channel_share_a_frame_and_channels_have_their_own(
    service: Client, db: Db, make_table: MakeTable
) -> None:
    table = await make_table("id int primary key")
    ids = await service.watch("one", on(table), on(table, "INSERT"), on(table, "UPDATE"))
    await service.watch("two", on(table))
    await db.execute(f"insert into {table} values (1)")
    assert (await service.change("one"))["ids"] == ids[:2]
    assert len((await service.change("two"))["ids"]) == 1
    assert not service.waiting("postgres_changes")


TYPES = {
    "i2 int2": ("-5", -5),
    "i8 int8": ("9223372036854775807", 9223372036854775807),
    "n numeric": ("'12345678901234567890.50'", 12345678901234567890.50),
    "nan numeric": ("'NaN'", None),
    "f4 real": ("0.1", 0.1),
    "f8 double precision": ("1e300", 1e300),
    "inf double precision": ("'Infinity'", None),
    "b bool": ("true", True),
    "t text": ("E'quote \" tab\\t ü 🚀'", 'quote " tab\t ü 🚀'),
    "vc varchar(9)": ("'abc'", "abc"),
    "ch char(4)": ("'ab'", "ab  "),
    "u uuid": ("'A0000000-0000-4000-8000-000000000000'", "a0000000-0000-4000-8000-000000000000"),
    "j json": ("""'{"b": [1, {"c": null}]}'""", {"b": [1, {"c": None}]}),
    "jb jsonb": ("""'[true, "x"]'""", [True, "x"]),
    "by bytea": (r"'\x00ff'", "00ff"),
    "d date": ("'2024-02-29'", "2024-02-29"),
    "ti time": ("'10:00'", "10:00:00"),
    "ts timestamp": ("'2024-01-02 03:04:05.5'", "2024-01-02T03:04:05.5"),
    "tz timestamptz": ("'2024-01-02 03:04:05+02'", "2024-01-02T01:04:05+00:00"),
    "iv interval": ("'1 day 2 hours'", "1 day 02:00:00"),
    "ip inet": ("'10.0.0.1/8'", "10.0.0.1/8"),
    "ia int[]": ("'{1,NULL,3}'", [1, None, 3]),
    "ta text[]": ("""'{"a,b",NULL,"x\\"y"}'""", ["a,b", None, 'x"y']),
    "tza timestamptz[]": ("'{\"2024-01-01 00:00:00+00\"}'", ["2024-01-01T00:00:00+00:00"]),
    "nested int[][]": ("'{{1,2},{3,4}}'", [[1, 2], [3, 4]]),
    "r int4range": ("'[1,5)'", "[1,5)"),
    "bit bit(3)": ("'101'", "101"),
    "mood mood": ("'happy'", "happy"),
    "moods mood[]": ("'{happy,sad}'", ["happy", "sad"]),
    "amount amount": ("3.5", 3.5),
    "pt pair": ("'(1,\"a b\")'", {"n": 1, "t": "a b"}),
    "pts pair[]": ("array['(1,x)'::pair]", [{"n": 1, "t": "x"}]),
    "nul text": ("null", None),
}


async def test_values_have_the_real_forms(service: Client, db: Db, make_table: MakeTable) -> None:
    await db.execute(
        """
        create type mood as enum ('happy', 'sad');
        create type pair as (n int, t text);
        create domain amount as numeric check (value > 0);
        """
    )
    try:
        table = await make_table("id int primary key, " + ", ".join(TYPES))
        await service.watch("types", on(table))
        await db.execute(f"insert into {table} values (1, {', '.join(sql for sql, _ in TYPES.values())})")
        data = (await service.change("types"))["data"]
        record = data["record"]
        for column, (_, expected) in TYPES.items():
            name = column.split()[0]
            assert record[name] == expected, name
        # All but bytea and what JSON cannot write is what to_jsonb makes of it.
        row = json.loads(await db.fetchval(f"select to_jsonb(whole)::text from {table} as whole"))
        for name in ("by", "nan", "inf"):
            del row[name], record[name]
        row["f8"] = float(row["f8"])
        assert record == row
        names = {c["name"]: c["type"] for c in data["columns"]}
        assert (names["ia"], names["mood"], names["ch"], names["f8"]) == ("_int4", "mood", "bpchar", "float8")
        await db.execute(f"drop table {table}")
    finally:
        await db.execute("drop type if exists mood, pair cascade; drop domain if exists amount cascade")


async def test_a_full_replica_identity_tells_the_whole_former_row(
    service: Client, db: Db, make_table: MakeTable
) -> None:
    table = await make_table("id int primary key, v text, w text")
    await db.execute(f"alter table {table} replica identity full")
    await service.watch("full", on(table, filter="v=eq.b"))
    await db.execute(f"insert into {table} values (1, 'a', null)")
    await db.execute(f"update {table} set v = 'b'")
    updated = (await service.change("full", type="UPDATE"))["data"]
    assert updated["old_record"] == {"id": 1, "v": "a", "w": None}
    await db.execute(f"delete from {table}")
    deleted = (await service.change("full", type="DELETE"))["data"]
    assert deleted["old_record"] == {"id": 1, "v": "b", "w": None}


async def test_with_row_level_security_a_deleted_row_is_its_key(
    service: Client, db: Db, make_table: MakeTable
) -> None:
    table = await make_table("id int primary key, v text")
    await db.execute(
        f"alter table {table} replica identity full; alter table {table} enable row level security"
    )
    await service.watch("key", on(table, "DELETE"))
    await db.execute(f"insert into {table} values (1, 'a'); delete from {table}")
    assert (await service.change("key"))["data"]["old_record"] == {"id": 1}


async def test_an_unchanged_toasted_value_is_missing_unless_the_identity_is_full(
    service: Client, db: Db, make_table: MakeTable
) -> None:
    table = await make_table("id int primary key, v int, large text")
    await db.execute(f"alter table {table} alter large set storage external")
    await service.watch("toast", on(table, "UPDATE"), on(table, "UPDATE", filter="large=like.x%"))
    await db.execute(f"insert into {table} values (1, 1, repeat('x', 9000))")
    await db.execute(f"update {table} set v = 2")
    change = await service.change("toast")
    assert change["data"]["record"] == {"id": 1, "v": 2}
    assert len(change["ids"]) == 1  # nothing can be said of a value that is not there
    await db.execute(f"alter table {table} replica identity full")
    await db.execute(f"update {table} set v = 3")
    assert (await service.change("toast"))["data"]["record"] == {"id": 1, "v": 3, "large": "x" * 9000}


async def test_a_row_that_is_too_large_keeps_its_short_values(
    service: Client, db: Db, make_table: MakeTable
) -> None:
    table = await make_table("id int primary key, short text, exact text, large text, missing text")
    await service.watch("large", on(table))
    await db.execute(
        f"insert into {table} values (1, 'kept', repeat('y', 62), repeat('x', 1100000), null),"
        f" (2, 'kept', repeat('y', 63), repeat('x', 1100000), null)"
    )
    first = (await service.change("large"))["data"]
    assert first["errors"] == ["Error 413: Payload Too Large"]
    assert first["record"] == {"id": 1, "short": "kept", "exact": "y" * 62}
    assert len(first["columns"]) == 5
    assert (await service.change("large"))["data"]["record"] == {"id": 2, "short": "kept"}


async def test_a_table_without_a_primary_key_is_an_error(
    service: Client, db: Db, make_table: MakeTable
) -> None:
    table = await make_table("v int")
    await db.execute(f"alter table {table} replica identity full")
    await service.watch("nokey", on(table, filter="v=eq.5"))
    await db.execute(f"insert into {table} values (1)")
    assert (await service.change("nokey"))["data"] == {
        "schema": "public",
        "table": table,
        "type": "INSERT",
        "commit_timestamp": None,
        "columns": None,
        "record": None,
        "errors": ["Error 400: Bad Request, no primary key"],
    }


async def test_columns_are_those_that_the_role_may_select(
    connect: Connect, realtime: RealtimeStack, db: Db, make_table: MakeTable
) -> None:
    table = await make_table("id int primary key, open text, hidden text")
    await db.execute(f"grant select (id, open) on {table} to authenticated")
    async with connect() as client:
        await client.watch("columns", on(table), token=realtime.token())
        await db.execute(f"insert into {table} values (1, 'a', 'b')")
        data = (await client.change("columns"))["data"]
        assert data["record"] == {"id": 1, "open": "a"}
        assert [c["name"] for c in data["columns"]] == ["id", "open"]
        await db.execute(f"revoke select (open) on {table} from authenticated")
        await db.execute(f"update {table} set open = 'c'")
        assert (await client.change("columns"))["data"]["record"] == {"id": 1}
        await db.execute(f"revoke select (id) on {table} from authenticated")
        await db.execute(f"update {table} set open = 'd'")
        refused = (await client.change("columns"))["data"]
        assert refused["errors"] == ["Error 401: Unauthorized"]
        assert refused["columns"] is refused["record"] is refused["old_record"] is None


async def test_selected_columns_and_always_the_key(service: Client, db: Db, make_table: MakeTable) -> None:
    table = await make_table("id int primary key, a text, b text")
    some, everything = await service.watch("select", on(table, select=["a"]), on(table))
    await db.execute(f"insert into {table} values (1, 'x', 'y')")
    frames = [await service.change("select") for _ in range(2)]
    by_id = {frame["ids"][0]: frame["data"] for frame in frames}
    assert by_id[some]["record"] == {"id": 1, "a": "x"}
    assert [c["name"] for c in by_id[some]["columns"]] == ["id", "a"]
    assert by_id[everything]["record"] == {"id": 1, "a": "x", "b": "y"}


async def test_generated_columns_are_in_the_record(service: Client, db: Db, make_table: MakeTable) -> None:
    table = await make_table("id int primary key, a int, twice int generated always as (a * 2) stored")
    await service.watch("generated", on(table))
    await db.execute(f"insert into {table} values (1, 4), (2, null)")
    assert (await service.change("generated"))["data"]["record"] == {"id": 1, "a": 4, "twice": 8}
    assert (await service.change("generated"))["data"]["record"] == {"id": 2, "a": None, "twice": None}


async def test_truncate_is_not_told(service: Client, db: Db, make_table: MakeTable) -> None:
    table = await make_table("id int primary key")
    await service.watch("truncate", on(table))
    await db.execute(f"insert into {table} values (1); truncate {table}; insert into {table} values (2)")
    assert [(await service.change("truncate"))["data"]["type"] for _ in range(2)] == ["INSERT", "INSERT"]


async def test_changes_come_in_the_order_of_the_log_across_tables(
    service: Client, db: Db, make_table: MakeTable
) -> None:
    one, two = await make_table("id int primary key"), await make_table("id int primary key")
    await service.watch("order", on(one), on(two))
    await db.execute(
        f"do $$ begin for n in 1..300 loop execute format('insert into %I values (%s)',"
        f" case n % 2 when 0 then '{one}' else '{two}' end, n); end loop; end $$"
    )
    assert [(await service.change("order"))["data"]["record"]["id"] for _ in range(300)] == [*range(1, 301)]


async def test_a_rolled_back_row_is_not_told(service: Client, db: Db, make_table: MakeTable) -> None:
    table = await make_table("id int primary key")
    await service.watch("rollback", on(table))
    await db.execute(f"begin; insert into {table} values (1); rollback; insert into {table} values (2)")
    assert (await service.change("rollback"))["data"]["record"] == {"id": 2}


async def test_wildcards_cover_tables_that_are_published_later(
    service: Client, db: Db, make_table: MakeTable
) -> None:
    await service.watch("later", {"event": "INSERT", "schema": "public"})
    table, other = await make_table("id int primary key"), await make_table("id int primary key")
    await db.execute(f"insert into {table} values (1)")
    assert (await service.change("later", table=table))["data"]["record"] == {"id": 1}
    await db.execute(f"alter publication supabase_realtime drop table {table}")
    await db.execute(f"insert into {table} values (2); insert into {other} values (3)")
    await service.change("later", table=other)
    assert not service.waiting("postgres_changes")
    await db.execute(f"alter publication supabase_realtime add table {table}")
    await db.execute(f"insert into {table} values (4)")
    assert (await service.change("later", table=table))["data"]["record"] == {"id": 4}


async def test_names_are_matched_as_the_real_server_does(
    service: Client, db: Db, make_table: MakeTable
) -> None:
    table = await make_table("id int primary key")
    await service.watch("like", on("t%"), {"event": "*", "schema": "*", "table": table})
    await db.execute(f"insert into {table} values (1)")
    assert len((await service.change("like", table=table))["ids"]) == 2


async def test_a_table_that_is_made_anew_goes_on(service: Client, db: Db, make_table: MakeTable) -> None:
    table = await make_table("id int primary key, a int")
    await service.watch("anew", on(table, filter="a=gt.5"))
    await db.execute(
        f"drop table {table}; create table {table} (id int primary key, b text, a bigint);"
        f" grant select on {table} to service_role; alter publication supabase_realtime add table {table}"
    )
    await db.execute(f"insert into {table} values (1, 'x', 5), (2, 'y', 6)")
    assert (await service.change("anew"))["data"]["record"] == {"id": 2, "b": "y", "a": 6}


async def test_a_changed_table_is_seen_as_it_is_now(service: Client, db: Db, make_table: MakeTable) -> None:
    table = await make_table("id int primary key, a int")
    await service.watch("altered", on(table, filter="a=eq.5"))
    await db.execute(f"insert into {table} values (1, 5)")
    await service.change("altered")
    await db.execute(f"alter table {table} add b text default 'new'; alter table {table} alter a type text")
    await db.execute(f"insert into {table} values (2, '5'), (3, '05')")
    data = (await service.change("altered", type="INSERT"))["data"]
    assert data["record"] == {"id": 2, "a": "5", "b": "new"}
    assert not service.waiting("postgres_changes")


async def test_odd_names_do_no_harm(service: Client, db: Db) -> None:
    await db.execute(
        """
        create schema "odd;schema";
        grant usage on schema "odd;schema" to service_role;
        create table "odd;schema"."ta'b$judge$""le" ("i d" int, "k'ey" text, "va""l" text,
                                                     primary key ("i d", "k'ey"));
        alter table "odd;schema"."ta'b$judge$""le" enable row level security;
        grant select on all tables in schema "odd;schema" to service_role;
        alter publication supabase_realtime add table "odd;schema"."ta'b$judge$""le";
        """
    )
    try:
        binding = {"event": "*", "schema": "odd;schema", "table": "ta'b$judge$\"le"}
        await service.watch("odd", {**binding, "filter": "va\"l=eq.x'; drop"})
        await db.execute("""insert into "odd;schema"."ta'b$judge$""le" values (1, 'k''', 'x''; drop')""")
        assert (await service.change("odd"))["data"]["record"] == {"i d": 1, "k'ey": "k'", 'va"l': "x'; drop"}
    finally:
        await db.execute('drop schema "odd;schema" cascade')


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        (
            {"event": "*", "schema": "public", "table": "nowhere"},
            "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the "
            "given connect parameters: "
            "[event: *, schema: public, table: nowhere, filters: [], select: nil]",
        ),
        (on("board", filter="id=foo.1"), 'Error parsing `filter` params: ["foo", "1"]'),
        (
            {"event": "*"},
            "No subscription params provided. Please provide at least a `schema` or `table` "
            'to subscribe to: %{"event" => "*"}',
        ),
        (on("board", filter="nosuch=eq.1"), "invalid column for filter nosuch"),
        (on("board", filter="id=eq.text"), "invalid input syntax for type integer"),
        (on("board", filter=f"id=in.({','.join(map(str, range(101)))})"), "too many values for `in` filter"),
        (on("board", filter="id=is.maybe"), "invalid value for is filter"),
        (on("board", filter="title=is.true"), "is true filter requires a boolean column, got text"),
        (
            on("board", filter="id=like.1%"),
            "operator like requires a text-compatible column type, got integer",
        ),
        (on("board", filter="title=match.("), "invalid regular expression for match filter"),
        (on("board", select=["nosuch"]), "invalid column for select nosuch"),
    ],
)
async def test_what_cannot_be_subscribed_is_told_and_the_channel_stays(
    service: Client, binding: dict[str, Any], message: str
) -> None:
    response = await service.join("refused", {"postgres_changes": [binding]})
    assert len(response["postgres_changes"]) == 1
    system = (await service.next("system", "realtime:refused")).payload
    assert (system["extension"], system["status"], system["channel"]) == (
        "postgres_changes",
        "error",
        "refused",
    )
    assert message in system["message"]
    assert (await service.call("realtime:refused", "presence", {})).payload["status"] == "ok"


async def test_a_large_transaction_neither_blocks_others_nor_is_lost(
    service: Client, connect: Connect, realtime: RealtimeStack, db: Db, make_table: MakeTable
) -> None:
    table = await make_table("id int primary key, body text")
    await service.watch("bulk", on(table))
    async with connect() as other:
        await other.join("hall:bulk", {"private": True}, token=realtime.token())
        writing = asyncio.create_task(
            db.execute(f"insert into {table} select n, repeat('x', 100) from generate_series(1, 8000) as n")
        )
        # Heartbeats of others go on while the rows do.
        while not service.waiting("postgres_changes"):
            await other.heartbeat()
        await other.heartbeat()
        await writing
        ids = [(await service.next("postgres_changes")).payload["data"]["record"]["id"] for _ in range(8000)]
        assert ids == list(range(1, 8001))
    assert realtime.call(realtime.service.status)["changes"]["waiting"] == 0
