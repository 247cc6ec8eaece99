"""Bindings and filters, in the real server's grammar and words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.realtime.changes.filters import (
    OPERATORS,
    BindingInvalid,
    Filter,
    Wanted,
    parse_binding,
    parse_filter,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("   ", ()),
        ("subject=eq.hey", (Filter("subject", "eq", "hey"),)),
        ("id=not.eq.5", (Filter("id", "eq", "5", True),)),
        ("id=gt.0,id=lt.100", (Filter("id", "gt", "0"), Filter("id", "lt", "100"))),
        ("id=gt.0 , id=lt.100", (Filter("id", "gt", "0"), Filter("id", "lt", "100"))),
        ("s=in.(a,b)", (Filter("s", "in", "{a,b}"),)),
        ("s=not.in.(a,b),x=is.null", (Filter("s", "in", "{a,b}", True), Filter("x", "is", "null"))),
        ('s=in.("a,b",c)', (Filter("s", "in", '{"a,b",c}'),)),
        ('s=eq."a,b=c"', (Filter("s", "eq", "a,b=c"),)),
        (r's=eq."a\"b\\c"', (Filter("s", "eq", 'a"b\\c'),)),
        ('s=eq."a"b', (Filter("s", "eq", '"a"b'),)),
        ("s=eq.a.b.c", (Filter("s", "eq", "a.b.c"),)),
        ("s=eq.", (Filter("s", "eq", ""),)),
        ("s=eq.f(a,b)", (Filter("s", "eq", "f(a,b)"),)),
        ("s=like.%x%", (Filter("s", "like", "%x%"),)),
        ("s=eq.not.x", (Filter("s", "eq", "not.x"),)),
        ("s=in.()", (Filter("s", "in", "{}"),)),
    ],
)
def test_filters(text: str, expected: tuple[Filter, ...]) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("subject=foo.hey", 'Error parsing `filter` params: ["foo","hey"]'),
        ("undefined", 'Error parsing `filter` params: ["undefined"]'),
        ("id=5", 'Error parsing `filter` params: ["5"]'),
        ("id=in.5", "Error parsing `filter` params: `in` filter value must be wrapped by parentheses"),
        (
            "id=eq.1,",
            "Error parsing `filter` params: filter must not contain empty segments (check for extra commas)",
        ),
    ],
)
def test_malformed_filters_are_named(text: str, reason: str) -> None:
    with pytest.raises(BindingInvalid) as refused:
        parse_filter(text)
    assert str(refused.value).replace('", "', '","') == reason


@given(st.text())
def test_a_filter_is_read_or_refused(text: str) -> None:
    try:
        conditions = parse_filter(text)
    except BindingInvalid:
        return
    assert all(condition.op in OPERATORS for condition in conditions)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
            st.sampled_from(sorted(OPERATORS - {"in"})),
            st.text(),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_quoted_value_comes_through_whatever_is_in_it(parts: list[tuple[str, str, str, bool]]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = ",".join(f"{c}={'not.' if n else ''}{op}.{quoted(value)}" for c, op, value, n in parts)
    assert parse_filter(text) == tuple(Filter(c, op, value, n) for c, op, value, n in parts)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"schema": "public", "table": "t"}, Wanted("*", "public", "t")),
        ({"event": "insert", "schema": "public", "table": "t"}, Wanted("INSERT", "public", "t")),
        ({"event": "nonsense", "schema": "public"}, Wanted("*", "public", "*")),
        ({"table": "t"}, Wanted("*", "public", "t")),
        ({"schema": "*"}, Wanted("*", "*", "*")),
        ({"schema": "s", "table": "t", "select": ["a", 1]}, Wanted("*", "s", "t", (), ("a",))),
        ({"schema": "s", "table": "t", "select": []}, Wanted("*", "s", "t")),
    ],
)
def test_bindings(params: dict[str, Any], expected: Wanted) -> None:
    assert parse_binding(params) == expected


@pytest.mark.parametrize(
    ("params", "beginning"),
    [
        (
            {},
            "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to",
        ),
        ({"schema": 1}, "No subscription params provided."),
        ({"schema": "s", "table": None}, "No subscription params provided."),
        ({"schema": "s", "filter": "a=eq.1"}, "No subscription params provided."),
        ({"schema": "s", "table": "t", "filter": None}, "No subscription params provided."),
        ({"schema": "s", "table": "t", "select": "a"}, "Error parsing `select` params: expected a list"),
        ({"schema": "s", "table": "*", "select": ["a"]}, "Column selection is not supported for wildcard"),
        ({"schema": "s", "select": ["a"]}, "Column selection is not supported for wildcard"),
    ],
)
def test_bindings_that_cannot_be_served(params: dict[str, Any], beginning: str) -> None:
    with pytest.raises(BindingInvalid) as refused:
        parse_binding(params)
    assert str(refused.value).startswith(beginning)


def test_a_token_is_not_repeated() -> None:
    with pytest.raises(BindingInvalid) as refused:
        parse_binding({"user_token": "secret"})
    assert "secret" not in str(refused.value)


def test_a_binding_is_described_as_the_real_server_does() -> None:
    wanted = parse_binding({"event": "UPDATE", "schema": "public", "table": "t", "filter": 'a=not.eq."x"'})
    assert wanted.described() == (
        'event: UPDATE, schema: public, table: t, filters: [{"a", "eq", "x", true}], select: nil'
    )
