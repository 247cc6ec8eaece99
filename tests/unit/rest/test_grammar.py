"""What query strings mean, and the words with which they are refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.rest.errors import RestError
from headway.local.rest.request import grammar
from headway.local.rest.request.ast import (
    Embed,
    Field,
    Filter,
    FullText,
    In,
    Is,
    IsDistinct,
    JsonStep,
    Logic,
    OrderTerm,
    Plain,
    Quantified,
    SelectField,
)
from headway.local.rest.request.grammar_filters import operation
from headway.local.rest.request.parsec import parse

from .schema import refusal

ID = SelectField(Field("id"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("*", (SelectField(Field("*")),)),
        ("id", (ID,)),
        (" id , name ", (ID, SelectField(Field("name")))),
        ("a:id::text", (SelectField(Field("id"), alias="a", cast="text"),)),
        ("id::double precision", (SelectField(Field("id"), cast="double precision"),)),
        ("with-dash and space", (SelectField(Field("with-dash and space")),)),
        ('"a,b(c)"', (SelectField(Field("a,b(c)")),)),
        ('"say \\"hi\\""', (SelectField(Field('say "hi"')),)),
        ("ünïcödé", (SelectField(Field("ünïcödé")),)),
        (
            "d->k->>0",
            (SelectField(Field("d", (JsonStep(False, "k", False), JsonStep(True, "+0", True)))),),
        ),
        ("d->-2", (SelectField(Field("d", (JsonStep(False, "-2", True),))),)),
        ("d->0x", (SelectField(Field("d", (JsonStep(False, "0x", False),))),)),
        ("count()", (SelectField(Field("*"), aggregate="count"),)),
        ("n:id.sum()::int", (SelectField(Field("id"), "sum", "int", alias="n"),)),
        ("id::int.max()", (SelectField(Field("id"), "max", cast="int"),)),
        ("count", (SelectField(Field("count")),)),
        ("t(id)", (Embed("t", (ID,)),)),
        ("t()", (Embed("t", ()),)),
        ("a:t!fk!inner(id)", (Embed("t", (ID,), "a", "fk", "inner"),)),
        ("t!left(id)", (Embed("t", (ID,), join="left"),)),
        ("...t!fk(id)", (Embed("t", (ID,), hint="fk", spread=True),)),
        ("t(u(id),id),id", (Embed("t", (Embed("u", (ID,)), ID)), ID)),
    ],
)
def test_select(text: str, expected: Any) -> None:
    assert grammar.parse_select(text) == expected


@pytest.mark.parametrize(
    ("text", "negated", "expected"),
    [
        ("eq.5", False, Quantified("=", None, "5")),
        ("not.eq.5", True, Quantified("=", None, "5")),
        ("eq.", False, Quantified("=", None, "")),
        ("eq.a.b(c)", False, Quantified("=", None, "a.b(c)")),
        ("like(any).{a,b}", False, Quantified("like", "any", "{a,b}")),
        ("imatch(all).x", False, Quantified("~*", "all", "x")),
        ("neq.x", False, Plain("<>", "x")),
        ("adj.[1,2)", False, Plain("-|-", "[1,2)")),
        ("in.(a,b)", False, In(("a", "b"))),
        ('in.("a,b",c)', False, In(("a,b", "c"))),
        ("in.()", False, In(("",))),
        ('in.("a"b,c)', False, In(('"a"b', "c"))),
        ("is.null", False, Is("NULL")),
        ("is.Not_Null", False, Is("NOT NULL")),
        ("not.is.TRUE", True, Is("TRUE")),
        ("isdistinct.5", False, IsDistinct("5")),
        ("fts.x", False, FullText("to_tsquery", None, "x")),
        ("wfts(english).a b", False, FullText("websearch_to_tsquery", "english", "a b")),
    ],
)
def test_operations(text: str, negated: bool, expected: Any) -> None:
    assert grammar.parse_operation(text) == (negated, expected)


def test_logic() -> None:
    five = Filter(Field("a"), False, Quantified("=", None, "5"))
    assert grammar.parse_logic("or", "(a.eq.5,a.eq.5)") == Logic(False, "OR", (five, five))
    nested = grammar.parse_logic("not.and", '(a.eq."5",or(a.not.in.(1,2),b->>c.cs.{x,y}))')
    assert nested == Logic(
        True,
        "AND",
        (
            five,
            Logic(
                False,
                "OR",
                (
                    Filter(Field("a"), True, In(("1", "2"))),
                    Filter(Field("b", (JsonStep(True, "c", False),)), False, Plain("@>", "{x,y}")),
                ),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("or", ((), "or")),
        ("not.or", ((), "not.or")),
        ("rel.and", (("rel",), "and")),
        ("rel.sub.not.and", (("rel", "sub"), "not.and")),
    ],
)
def test_logic_paths(name: str, expected: Any) -> None:
    assert grammar.parse_logic_path(name) == expected


def test_order() -> None:
    assert grammar.parse_order("a.desc.nullslast, b ,r(c).asc") == (
        OrderTerm(Field("a"), "DESC", "NULLS LAST"),
        OrderTerm(Field("b")),
        OrderTerm(Field("c"), "ASC", None, "r"),
    )
    assert grammar.parse_order("a.nullsfirst") == (OrderTerm(Field("a"), None, "NULLS FIRST"),)


def test_paths() -> None:
    assert grammar.parse_path("a.b.c->d") == (("a", "b"), Field("c", (JsonStep(False, "d", False),)))
    assert grammar.parse_path('"a.b".c') == (("a.b",), Field("c"))
    assert grammar.parse_columns("columns", '"a","b c",d') == ("a", "b c", "d")


NAME = 'letter, digit, "-", "->>", "->"'


@pytest.mark.parametrize(
    ("parse_it", "text", "what", "column", "details"),
    [
        (grammar.parse_select, "id,c(n[])", "select parameter", 7, f"unexpected '[' expecting {NAME}"),
        (
            grammar.parse_select,
            "name::",
            "select parameter",
            7,
            "unexpected end of input expecting letter or digit",
        ),
        (grammar.parse_select, "d->>-78xy", "select parameter", 8, "unexpected 'x' expecting digit"),
        (grammar.parse_select, "t(id", "select parameter", 5, "unexpected end of input expecting letter"),
        (
            grammar.parse_operation,
            "noop.0",
            "filter",
            1,
            'unexpected "o" expecting "not" or operator (eq, gt, ...)',
        ),
        (grammar.parse_operation, "eq().x", "filter", 4, 'unexpected ")" expecting operator (eq, gt, ...)'),
        (grammar.parse_operation, "in.1,2", "filter", 4, 'unexpected "1" expecting "("'),
        (
            grammar.parse_operation,
            "is.nothing",
            "filter",
            7,
            'unexpected "h" expecting isVal: (null, not_null, true, false, unknown)',
        ),
        (
            grammar.parse_order,
            "id.ac",
            "order",
            4,
            'unexpected "c" expecting "asc", "desc", "nullsfirst" or "nullslast"',
        ),
        (
            grammar.parse_order,
            "id.nullslasttt",
            "order",
            13,
            "unexpected 't' expecting \",\" or end of input",
        ),
        (
            grammar.parse_path,
            ":",
            "tree path",
            1,
            'unexpected ":" expecting field name (* or [a..z0..9_$])',
        ),
        (lambda text: grammar.parse_columns("columns", text), ",", "columns parameter", 1, 'unexpected ","'),
    ],
)
def test_refusals(parse_it: Callable[[str], object], text: str, what: str, column: int, details: str) -> None:
    with pytest.raises(RestError) as refused:
        parse_it(text)
    error = refused.value
    assert (error.status, error.code) == (400, "PGRST100")
    assert error.message == f'"failed to parse {what} ({text})" (line 1, column {column})'
    assert error.details.startswith(details)


def test_logic_refusals() -> None:
    def refused(operator: str, text: str) -> tuple[str, Any]:
        with pytest.raises(RestError) as error:
            grammar.parse_logic(operator, text)
        return error.value.message.rpartition(" (")[2], error.value.details

    assert refused("or", "()") == (
        "line 1, column 4)",
        'unexpected ")" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator '
        "(and, or)",
    )
    assert refused("or", ")(") == ("line 1, column 3)", 'unexpected ")" expecting "("')
    assert refused("or", "(id.eq.1,not.xor(id.eq.2))") == (
        "line 1, column 16)",
        'unexpected "x" expecting logic operator (and, or)',
    )


def test_positions_count_lines_and_tabs() -> None:
    with pytest.raises(RestError) as error:
        grammar.parse_select("id\n")
    assert "(line 1, column 3)" in error.value.message
    with pytest.raises(RestError) as error:
        grammar.parse_select("\tid,\t[")
    assert "column 17)" in error.value.message


@pytest.mark.parametrize("text", ["a(" * 33 + ")" * 33, "(" * 100_000, 'a("' + "(" * 40 + '",' + "b(" * 40])
def test_nesting_has_a_limit(text: str) -> None:
    with pytest.raises(RestError) as error:
        grammar.parse_select(text)
    assert (error.value.code, error.value.details) == ("PGRST100", "more than 32 levels of parentheses")
    with pytest.raises(RestError):
        grammar.parse_logic("or", text)


def test_parentheses_in_quotes_are_no_nesting() -> None:
    name = "(" * 100
    assert grammar.parse_select(f'"{name}"') == (SelectField(Field(name)),)


def test_the_deepest_nesting_is_parsed() -> None:
    depth = grammar.MAX_DEPTH
    grammar.parse_select("a(" * depth + "id" + ")" * depth)
    grammar.parse_logic("or", "(or" * (depth - 1) + "(a.eq.1)" + ")" * (depth - 1))


WORDS = st.sampled_from(
    ["eq", "gt", "like", "match", "not", "in", "is", "fts", "any", ".", "(", ")", ",", '"', "x"]
)


@given(st.lists(st.one_of(WORDS, st.text(max_size=3)), max_size=8).map("".join))
def test_the_short_cut_for_plain_operators_changes_nothing(text: str) -> None:
    try:
        expected = parse(operation, "", text)
    except Exception:  # noqa: BLE001
        with pytest.raises(RestError):
            grammar.parse_operation(text)
    else:
        assert grammar.parse_operation(text) == expected


SYNTAX = st.one_of(
    st.sampled_from(list("abc_$ .,:()!*-><'\"\\{}[]+\t\n")),
    st.sampled_from(["->>", "->", "::", "...", "count()", "!inner", "and(", "or(", "not.", "eq.", "in.("]),
    st.characters(),
)


@given(st.lists(SYNTAX, max_size=25).map("".join))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse_it in (
        grammar.parse_select,
        grammar.parse_operation,
        grammar.parse_order,
        grammar.parse_path,
        grammar.parse_logic_path,
        lambda t: grammar.parse_logic("or", t),
        lambda t: grammar.parse_columns("columns", t),
    ):
        error = refusal(partial(parse_it, text))
        assert error is None or (error.code == "PGRST100" and error.details)
