"""Conditions that Python decides, and those it leaves to Postgres."""

from __future__ import annotations

from typing import Any

import pytest

from headway.local.realtime.changes.filters import Filter
from headway.local.realtime.changes.predicates import Comparison, build_predicate
from headway.local.realtime.wal.pgoutput import UNCHANGED

INT, TEXT, BOOL, NUMERIC, FLOAT, UUID, TIMESTAMPTZ, MOOD = 23, 25, 16, 1700, 701, 2950, 1184, 20002


def passes(
    op: str, type_oid: int, written: list[str | None], value: str | None, *, negated: bool = False
) -> Any:
    condition = Filter("c", op, "as written", negated)
    predicate = build_predicate(condition, type_oid, written, type_oid == MOOD)
    return predicate.passes(None if value is None else value.encode())


@pytest.mark.parametrize(
    ("op", "type_oid", "written", "value", "expected"),
    [
        ("eq", INT, ["5"], "5", True),
        ("eq", INT, ["5"], "6", False),
        ("neq", INT, ["5"], "6", True),
        ("lt", INT, ["10"], "9", True),
        ("lt", INT, ["10"], "-11", True),
        ("gte", INT, ["10"], "9", False),
        ("eq", TEXT, ["a"], "a", True),
        ("in", TEXT, ["a", "b"], "b", True),
        ("in", TEXT, ["a", None], "b", False),
        ("eq", BOOL, ["true"], "t", True),
        ("in", BOOL, ["false"], "t", False),
        ("eq", NUMERIC, ["1.50"], "1.5", True),
        ("gt", NUMERIC, ["1e10"], "10000000000.1", True),
        ("eq", FLOAT, ["0"], "-0", True),
        ("lte", FLOAT, ["1e+20"], "100000000000000000000", True),
        ("eq", UUID, ["a0000000-0000-4000-8000-000000000000"], "a0000000-0000-4000-8000-000000000000", True),
        ("gt", TIMESTAMPTZ, ["2024-01-01 00:00:00+00"], "2024-01-01 00:00:00.5+00", True),
        ("lt", TIMESTAMPTZ, ["2024-01-01 00:00:00.55+00"], "2024-01-01 00:00:00.5+00", True),
        ("eq", MOOD, ["happy"], "happy", True),
        ("is", TEXT, ["null"], None, True),
        ("is", TEXT, ["null"], "x", False),
        ("is", BOOL, ["true"], "t", True),
        ("is", BOOL, ["unknown"], None, True),
        ("is", BOOL, ["false"], None, False),
        ("isdistinct", INT, ["1"], None, True),
        ("isdistinct", INT, ["1"], "1", False),
    ],
)
def test_decided_here(
    op: str, type_oid: int, written: list[str | None], value: str | None, expected: bool
) -> None:
    assert passes(op, type_oid, written, value) is expected
    if (value is not None or op in ("is", "isdistinct")) and None not in written:
        assert passes(op, type_oid, written, value, negated=True) is not expected


@pytest.mark.parametrize("op", ["eq", "neq", "lt", "in"])
@pytest.mark.parametrize("negated", [False, True])
def test_null_passes_neither_a_condition_nor_its_negation(op: str, negated: bool) -> None:
    assert passes(op, INT, ["5"], None, negated=negated) is False


def test_a_missing_null_among_values_leaves_it_open() -> None:
    assert passes("in", TEXT, ["a", None], "b", negated=True) is False
    assert passes("in", TEXT, ["a", None], "a", negated=True) is False


@pytest.mark.parametrize(
    ("op", "type_oid", "written", "value"),
    [
        ("like", TEXT, ["%a%"], "bar"),
        ("ilike", TEXT, ["%A%"], "bar"),
        ("match", TEXT, ["^b"], "bar"),
        ("lt", TEXT, ["b"], "a"),
        ("eq", NUMERIC, ["NaN"], "NaN"),
        ("gt", FLOAT, ["1"], "Infinity"),
        ("eq", TIMESTAMPTZ, ["infinity"], "infinity"),
        ("lt", TIMESTAMPTZ, ["0044-03-15 00:00:00+00 BC"], "2024-01-01 00:00:00+00"),
        ("eq", 1042, ["a"], "a  "),
        ("in", NUMERIC, ["1"], "1.0"),
    ],
)
def test_left_to_postgres(op: str, type_oid: int, written: list[str | None], value: str) -> None:
    question = passes(op, type_oid, written, value, negated=True)
    assert question == Comparison(op, type_oid, value, "as written", True)


def test_a_value_that_the_log_does_not_hold_passes_nothing() -> None:
    predicate = build_predicate(Filter("c", "is", "null"), TEXT, ["null"], False)
    assert predicate.passes(UNCHANGED) is False


@pytest.mark.parametrize(
    ("op", "type_oid", "negated", "equals"),
    [
        ("eq", INT, False, "5"),
        ("eq", INT, True, None),
        ("neq", INT, False, None),
        ("eq", NUMERIC, False, None),
    ],
)
def test_only_plain_equality_can_be_looked_up(
    op: str, type_oid: int, negated: bool, equals: str | None
) -> None:
    assert build_predicate(Filter("c", op, "5", negated), type_oid, ["5"], False).equals == equals
