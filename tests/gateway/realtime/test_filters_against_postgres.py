"""What Python decides of a filter is what Postgres would have said."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import asyncpg
import pytest

from headway.local.realtime.changes.filters import Filter
from headway.local.realtime.changes.predicates import Comparison, build_predicate
from headway.local.realtime.database.sessions import connect

from .client import Client
from .harness import RealtimeStack

Db = asyncpg.Connection

ORDERED = ("eq", "neq", "lt", "lte", "gt", "gte", "isdistinct")
PATTERNS = ("like", "ilike", "match", "imatch")
COLUMNS = {
    "integer": ("0", "-1", "1", "10", "9", "2147483647"),
    "bigint": ("0", "-9223372036854775808", "9223372036854775807"),
    "boolean": ("t", "f"),
    "text": ("", "a", "A", "b", "ab", "é", "%"),
    "varchar": ("a", "a "),
    "bpchar": ("a", "a  ", "b"),
    "uuid": ("a0000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000"),
    "numeric": ("1", "1.0", "1.00", "-0.5", "1e3", "1000", "NaN", "Infinity"),
    "real": ("0", "-0", "0.1", "1e10", "NaN", "-Infinity"),
    "double precision": ("0", "-0", "0.1", "1e300", "NaN", "Infinity"),
    "date": ("2024-01-01", "2024-12-31", "infinity", "0044-03-15 BC", "10000-01-01"),
    "timestamp": ("2024-01-01 00:00:00", "2024-01-01 00:00:00.5", "2024-01-01 00:00:00.55", "-infinity"),
    "timestamptz": ("2024-01-01 00:00:00+00", "2024-01-01 01:00:00+01", "2024-01-01 00:00:00.5+00"),
    "realtime.equality_op": ("eq", "neq", "in"),
    "jsonb": ('{"a": 1}', '{"a":1}'),
    "inet": ("10.0.0.1", "10.0.0.1/32", "10.0.0.0/8"),
}


@pytest.fixture
async def session(realtime: RealtimeStack) -> AsyncIterator[Db]:
    connection = await connect(realtime.database)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("column_type", COLUMNS)
async def test_every_comparison_agrees(session: Db, column_type: str) -> None:
    values = COLUMNS[column_type]
    await session.execute(f"create temporary table compared (c {column_type})")
    entity = await session.fetchval("select 'compared'::regclass::oid")
    outputs = [await session.fetchval(f"select format('%s', $1::text::{column_type})", v) for v in values]
    rows: list[str | None] = [*outputs, None]
    conditions = [Filter("c", op, value) for op in ORDERED for value in values]
    quoted = ",".join('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values[:2])
    conditions += [Filter("c", "in", f"{{{quoted}}}"), Filter("c", "in", "{NULL}"), Filter("c", "is", "null")]
    if column_type == "boolean":
        conditions += [Filter("c", "is", word) for word in ("true", "false", "unknown")]
    if column_type == "text":
        conditions += [Filter("c", op, pattern) for op in PATTERNS for pattern in ("a%", "^a", "A", "_")]
    decided: list[tuple[Comparison, bool]] = []
    for condition in conditions:
        try:
            found = await session.fetchrow(
                "select * from pg_temp.check_filter($1, 'supabase_admin', 'c', $2, $3)",
                entity,
                condition.op,
                condition.value,
            )
        except asyncpg.UndefinedFunctionError:
            continue
        assert found is not None
        for negated, row in itertools.product((False, True), rows):
            asked = Filter("c", condition.op, condition.value, negated)
            is_enum = column_type == "realtime.equality_op"
            predicate = build_predicate(asked, found["type_oid"], found["written"], is_enum)
            verdict = predicate.passes(None if row is None else row.encode())
            if isinstance(verdict, bool):
                question = Comparison(asked.op, found["type_oid"], row, asked.value, negated)
                decided.append((question, verdict))
    questions = [question for question, _ in decided]
    answers = await session.fetchval(
        "select pg_temp.filters_hold($1, $2, $3, $4, $5)",
        [q.op for q in questions],
        [q.type_oid for q in questions],
        [q.left for q in questions],
        [q.right for q in questions],
        [q.negated for q in questions],
    )
    wrong = [(q, said, is_so) for (q, said), is_so in zip(decided, answers, strict=True) if said != is_so]
    assert not wrong
    assert decided  # is.null at least


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("n=gt.1,n=lt.4", [2, 3]),
        ("n=in.(1,3)", [1, 3]),
        ("n=not.in.(1,3)", [2, 4]),
        ("t=like.b%", [2]),
        ("t=ilike.B%", [2]),
        ("t=match.^[ab]$", [1, 2]),
        ("t=not.imatch.^A", [2, 3]),
        ("t=is.null", [4]),
        ("t=not.is.null", [1, 2, 3]),
        ("t=isdistinct.a", [2, 3, 4]),
        ("t=not.isdistinct.a", [1]),
        ("t=lt.b", [1]),
        ("done=is.true", [1]),
        ("done=eq.false,t=neq.b", [3]),
        ("at=gte.2024-01-02", [2, 3, 4]),
        ('t=eq."c,d"', [3]),
    ],
)
async def test_filters_of_subscriptions(service: Client, db: Db, condition: str, expected: list[int]) -> None:
    table = "filtered"
    await db.execute(
        f"create table {table} (id int primary key, n int, t text, done boolean, at timestamptz);"
        f" grant select on {table} to service_role; alter publication supabase_realtime add table {table}"
    )
    try:
        binding = {"event": "*", "schema": "public", "table": table}
        filtered, everything = await service.watch("f", {**binding, "filter": condition}, binding)
        await db.execute(
            f"insert into {table} values (1, 1, 'a', true, '2024-01-01'), (2, 2, 'b', false, '2024-01-02'),"
            " (3, 3, 'c,d', false, '2024-01-03'), (4, 4, null, null, 'infinity')"
        )
        changes = [await service.change("f") for _ in range(4)]
        assert [c["data"]["record"]["id"] for c in changes if filtered in c["ids"]] == expected
        assert all(everything in c["ids"] for c in changes)
    finally:
        await db.execute(f"drop table {table}")
