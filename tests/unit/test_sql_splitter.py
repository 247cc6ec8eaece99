"""Where a file is cut into statements, and that cutting loses nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.postgres.migrations.splitter import SplitError, split_pieces, split_statements


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split_statements(sql)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1", ["select 1"]),
        ("select 1; select 2;", ["select 1", "select 2"]),
        ("", []),
        (" ;; \n;", []),
        ("-- only a comment; really\n/* and; one more */", []),
        ("select ';';select 2", ["select ';'", "select 2"]),
        ("select 'it''s; fine'; select 2", ["select 'it''s; fine'", "select 2"]),
        (r"select E'it\'s; fine'; select 2", [r"select E'it\'s; fine'", "select 2"]),
        (r"select e'\\'; select 2", [r"select e'\\'", "select 2"]),
        (r"select 'plain\'; select 2", [r"select 'plain\'", "select 2"]),
        ("select E'a'\n  'b\\'; c'; select 2", ["select E'a'\n  'b\\'; c'", "select 2"]),
        ("select E'a' -- note; '\n 'b\\';c'; select 2", ["select E'a' -- note; '\n 'b\\';c'", "select 2"]),
        (r"select E'a' 'b\'; select 2", [r"select E'a' 'b\'", "select 2"]),
        (r"select fee'x\'; select 2", [r"select fee'x\'", "select 2"]),
        ('select "a;b"";c"; select 2', ['select "a;b"";c"', "select 2"]),
        ("select $$a;b$$; select 2", ["select $$a;b$$", "select 2"]),
        ("select $x$a;$$;$y$;$x$; select 2", ["select $x$a;$$;$y$;$x$", "select 2"]),
        ("select $é$;$é$; select 2", ["select $é$;$é$", "select 2"]),
        ("select a$$; select b$$;", ["select a$$", "select b$$"]),
        ("select $1; select $2", ["select $1", "select $2"]),
        ("select 1 -- a;b\n; select 2", ["select 1 -- a;b", "select 2"]),
        ("select /* a; /* b; */ c; */ 1; select 2", ["select /* a; /* b; */ c; */ 1", "select 2"]),
        ("select 1 /* never closed; select 2", ["select 1 /* never closed; select 2"]),
        ("select 'never closed; select 2", ["select 'never closed; select 2"]),
        ("select $a$ never closed; $$", ["select $a$ never closed; $$"]),
        ('select "never closed; select 2', ['select "never closed; select 2']),
        (
            "create rule r as on insert to t do also (delete from a; delete from b); select 2",
            ["create rule r as on insert to t do also (delete from a; delete from b)", "select 2"],
        ),
        (
            "create function f() begin atomic select 1; select case when a then 1 end; end; select 2",
            [
                "create function f() begin atomic select 1; select case when a then 1 end; end",
                "select 2",
            ],
        ),
        (
            "CREATE OR REPLACE PROCEDURE p()\nBEGIN ATOMIC\n  INSERT INTO t VALUES (1);\nEND;\nselect 2",
            ["CREATE OR REPLACE PROCEDURE p()\nBEGIN ATOMIC\n  INSERT INTO t VALUES (1);\nEND", "select 2"],
        ),
        ("begin; select 1; end; select 2", ["begin", "select 1", "end", "select 2"]),
        ("select 1;\r\nselect 2;\r\n", ["select 1", "select 2"]),
        ("select 1 --a\r; select 2", ["select 1 --a", "select 2"]),
        ("do $$begin perform 1; end$$; select 2", ["do $$begin perform 1; end$$", "select 2"]),
        ("select 10-2/*c*/--d\n+1; select 2", ["select 10-2/*c*/--d\n+1", "select 2"]),
        ("select u&'\\0061;b'; select 2", ["select u&'\\0061;b'", "select 2"]),
    ],
)
def test_statements_end_where_postgres_ends_them(sql: str, expected: list[str]) -> None:
    assert texts(sql) == expected


def test_a_statement_knows_its_place() -> None:
    sql = "-- head\n\n/* é\n */ select 1;\n\n  -- note\n  insert into t\n  values (1);\n"
    first, second = split_statements(sql)
    assert (first.line, first.text) == (4, "select 1")
    assert (second.line, second.text) == (7, "insert into t\n  values (1)")
    assert sql[first.offset :].startswith("select 1;")
    assert sql[second.offset :].startswith("insert into t")


def test_the_history_keeps_the_comments_before_a_statement() -> None:
    (only,) = split_statements("\n-- why\nselect 1 ;\n")
    assert only.record == "-- why\nselect 1"
    assert only.words == ("SELECT",)


@pytest.mark.parametrize(
    ("sql", "reason", "line"),
    [
        ("select 1;\n\\connect other\n", r"\connect", 2),
        ("\\restrict abc\nselect 1;", r"\restrict", 1),
        ("select 1\n\\gset\n", r"\gset", 2),
        ("select 1;\ncopy t (a)\nfrom stdin;\n1\n\\.\n", "COPY", 2),
        ("select 1;\n\n\x00", "NUL", 3),
        ("select \\", "\\", 1),
    ],
)
def test_what_only_psql_understands_is_named_with_its_line(sql: str, reason: str, line: int) -> None:
    with pytest.raises(SplitError) as caught:
        split_statements(sql)
    assert reason in caught.value.reason
    assert caught.value.line == line
    assert caught.value.hint


def test_words_that_only_look_like_psql_or_copy_pass() -> None:
    assert texts(r"select '\connect'; select $$\d$$; select E'\\x'; copy t to stdout") == [
        r"select '\connect'",
        r"select $$\d$$",
        r"select E'\\x'",
        "copy t to stdout",
    ]


_PUNCTUATION = "' \" $$ $a$ ; -- /* */ E' \\' ( ) '' . 1 é 💡"
_WORDS = "begin atomic case end create function select copy from"
_FRAGMENTS = st.sampled_from([*_PUNCTUATION.split(), *_WORDS.split(), "\n", "\r\n", " ", "\ufeff"])
_SQL = st.one_of(
    st.lists(_FRAGMENTS, max_size=60).map("".join),
    st.lists(_FRAGMENTS, max_size=60).map(" ".join),
    st.text(max_size=200),
)


@given(_SQL)
def test_the_pieces_of_any_text_are_the_text(sql: str) -> None:
    try:
        pieces = split_pieces(sql)
    except SplitError:
        assert "\\" in sql or "\x00" in sql or "stdin" in sql.lower()
        return
    assert "".join(pieces) == sql
    assert all(pieces)


def test_only_what_postgresql_takes_for_space_is_stripped() -> None:
    (statement,) = split_statements("\v\x1f0 \x1f;")
    assert statement.text == statement.record == "\x1f0 \x1f"


@given(_SQL)
def test_a_statement_stands_where_it_says(sql: str) -> None:
    try:
        statements = split_statements(sql)
    except SplitError:
        return
    for statement in statements:
        assert sql.startswith(statement.text, statement.offset)
        assert statement.line == sql.count("\n", 0, statement.offset) + 1
        assert statement.text in statement.record


@given(
    st.lists(st.sampled_from(["select ';'", "select $x$;$x$", "insert into t values (E'\\';')", "do $$;$$"]))
)
def test_joined_statements_come_apart_again(statements: list[str]) -> None:
    assert texts(";\n".join(statements)) == statements


@pytest.mark.parametrize(
    ("head", "unit"),
    [
        ("", unit)
        for unit in ("'", "/*", "$a$", '"', "(", "e'a'\n", "--", "$", "*/", "case ", "a;", "' ", "$b")
    ]
    + [("E'", "\\'"), ("E'", "x"), ("E'a'\n", "--\n"), ("create function f() begin atomic ", "case ")],
)
def test_no_input_makes_it_slow(head: str, unit: str) -> None:
    # Quadratic behaviour would take minutes here, and the timeout of the suite would end it.
    sql = head + unit * 100_000
    assert sum(map(len, split_pieces(sql))) == len(sql)
