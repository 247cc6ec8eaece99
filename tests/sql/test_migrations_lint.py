"""House rules of the migrations that no database enforces, checked in their text and in what they build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pytest

from headway.local.config import load_config
from headway.local.database import Database
from support.postgres import SUPABASE_DIR, TestCluster

FILES = sorted((SUPABASE_DIR / "migrations").glob("*.sql"))
OURS = ["headway", "headway_private", "public"]

# Plain SQL functions without a search_path of their own can be inlined into the caller's query; a SET would
# cost more than their bodies. They are called by our own functions only, whose search_path is empty.
INLINED = {
    "headway_private.backoff(headway.kinds,integer)",
    "headway_private.cost_answer(text,headway.job_costs)",
    "headway_private.list_topics(uuid,uuid,uuid)",
}


def code(path: Path) -> str:
    """A file's SQL without comments and without what is inside plain strings."""
    text = re.sub(r"--[^\n]*", "", path.read_text())
    return re.sub(r"'(?:[^']|'')*'", "''", text)


def writes_without_where(text: str) -> Iterator[str]:
    """UPDATE and DELETE statements that name no rows: refused by safeupdate inside every request."""
    start = (
        r"\b(?:(?<!for )(?<!do )(?<!key )update\s+(?:only\s+)?[\w.\"]+"
        r"(?:\s+(?:as\s+)?(?!set\b)\w+)?\s+set\b|delete\s+from\b)"
    )
    for match in re.finditer(start, text, re.IGNORECASE):
        depth, end = 0, match.end()
        outer = []
        while end < len(text) and not (depth == 0 and text[end] == ";"):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if depth < 0:
                break
            if depth == 0:
                outer.append(text[end])
            end += 1
        if not re.search(r"\bwhere\b", "".join(outer), re.IGNORECASE):
            yield " ".join(text[match.start() : end].split())


def functions(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, declaration and body of each function of a file."""
    for match in re.finditer(
        r"create function ([\w.]+)\s*\(((?:(?!create function).)*?)\nas \$\$(.*?)\$\$;",
        text,
        re.DOTALL | re.IGNORECASE,
    ):
        yield match[1], match[2], match[3]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestFiles:
    def test_is_named_and_introduced(self, path: Path) -> None:
        assert re.fullmatch(r"\d{14}_[a-z0-9_]+\.sql", path.name)
        first = path.read_text().splitlines()[0]
        assert first.startswith("-- ")
        assert first.endswith((".", ",", ":", ";")) or len(first) > 60, "say what the file is for"

    def test_is_one_transaction(self, path: Path) -> None:
        text = re.sub(r"\$\$.*?\$\$", "$$", code(path), flags=re.DOTALL)
        assert not re.findall(
            r"^\s*(begin|commit|rollback|start transaction|vacuum|alter system|create database)\b"
            r"|\bconcurrently\b", text, re.IGNORECASE | re.MULTILINE
        )  # fmt: skip

    def test_names_rows_in_every_write(self, path: Path) -> None:
        assert list(writes_without_where(code(path))) == []

    def test_chooses_rows_once(self, path: Path) -> None:
        """A plan may run a subquery of IN once per row, and each run locks others: an array, please."""
        choice = r"\blimit\b|\bfor\s+(?:no\s+key\s+)?(?:update|share)\b"
        for rest in re.findall(r"\bin\s*(?=(\(\s*select\b.*))", code(path), re.I | re.DOTALL):
            depths = accumulate({"(": 1, ")": -1}.get(letter, 0) for letter in rest)
            subquery = rest[: next(end for end, depth in enumerate(depths) if depth == 0)]
            assert not re.search(choice, subquery, re.IGNORECASE), subquery

    def test_creates_nothing_but_policies_in_the_platforms_schemas(self, path: Path) -> None:
        touched = re.findall(
            r"\b(?:create|alter|drop)\s+(?:or\s+replace\s+)?(\w+)[^;]*?\b(?:on\s+)?(?:auth|storage|realtime)\.\w+",
            re.sub(r"\$\$.*?\$\$", "$$", code(path), flags=re.DOTALL), re.IGNORECASE,
        )  # fmt: skip
        # Foreign keys may point to auth.users.
        assert {word.lower() for word in touched} <= {"policy", "table"}
        assert not re.search(
            r"\b(create|alter|drop)\s+table\s+(if\s+(not\s+)?exists\s+)?(auth|storage|realtime)\.",
            code(path),
            re.I,
        )

    def test_grants_are_written_out(self, path: Path) -> None:
        """Whatever default privileges say: everything is taken away first, then given by name."""
        text = code(path)
        assert "default privileges" not in text.lower()
        revoked = " ".join(re.findall(r"\brevoke\s+all\s+on\b.*?\bfrom\b", text, re.IGNORECASE | re.DOTALL))
        for kind, name in re.findall(
            r"\bcreate\s+(table|view|sequence|function|procedure)\s+([\w.]+)", text, re.IGNORECASE
        ):
            if kind.lower() == "sequence" and re.search(rf"\b{re.escape(name)}\b", revoked):
                continue
            assert re.search(rf"{re.escape(name)}\b", revoked), (
                f"{name}: revoke all ... from public, anon, ..."
            )
        for audience in re.findall(r"\brevoke\s+all\s+on\b.*?\bfrom\b([^;]*);", text, re.I | re.DOTALL):
            roles = set(re.findall(r"\w+", audience))
            assert roles in ({"public", "anon", "authenticated", "service_role"}, {"public"}), audience

    def test_functions_that_write_say_so(self, path: Path) -> None:
        for name, declaration, body in functions(code(path)):
            writing = re.search(
                r"\b(insert\s+into|delete\s+from|truncate|nextval)\b"
                r"|(?<!for )(?<!do )(?<!key )\bupdate\s+[\w.]+\s",
                body,
                re.IGNORECASE,
            )
            if writing:
                assert not re.search(r"\b(stable|immutable)\b", declaration, re.IGNORECASE), name


# What they build -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cursor(cluster: TestCluster) -> Iterator[Any]:
    def migrate(fresh: Database) -> None:
        from headway.local.postgres.migrations import apply_migrations

        cluster.run(apply_migrations(fresh, SUPABASE_DIR, load_config(SUPABASE_DIR / "config.toml")))

    with (
        cluster.clone(cluster.template("migrated", migrate)) as database,
        closing(psycopg2.connect(database.conninfo("supabase_admin"))) as connection,
        connection.cursor() as opened,
    ):
        opened.execute("set search_path = ''")
        yield opened


def answers(cursor: Any, sql: str) -> list[Any]:
    cursor.execute(sql, {"ours": OURS})
    return [row if len(row) > 1 else row[0] for row in cursor.fetchall()]


IN_OURS = " join pg_namespace n on n.oid = {} where n.nspname = any (%(ours)s)"


def test_every_function_has_an_empty_search_path(cursor: Any) -> None:
    open_ended = answers(
        cursor,
        "select p.oid::regprocedure::text from pg_proc p" + IN_OURS.format("p.pronamespace")
        + " and (p.proconfig is null or not 'search_path=\"\"' = any (p.proconfig))",
    )  # fmt: skip
    assert set(open_ended) <= INLINED
    callable_ = answers(
        cursor,
        "select p.oid::regprocedure::text from pg_proc p join pg_language l on l.oid = p.prolang"
        + IN_OURS.format("p.pronamespace")
        + " and p.proconfig is null and (l.lanname <> 'sql' or p.prosecdef"
        " or has_function_privilege('authenticated', p.oid, 'execute')"
        " or has_function_privilege('service_role', p.oid, 'execute'))",
    )
    assert callable_ == []


def test_no_function_is_open_to_public(cursor: Any) -> None:
    assert answers(
        cursor,
        "select p.oid::regprocedure::text from pg_proc p"
        " cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
        + IN_OURS.format("p.pronamespace") + " and a.grantee = 0",
    ) == []  # fmt: skip


def test_what_the_anonymous_role_may_do(cursor: Any) -> None:
    assert answers(
        cursor,
        "select p.oid::regprocedure::text from pg_proc p" + IN_OURS.format("p.pronamespace")
        + " and has_function_privilege('anon', p.oid, 'execute')",
    ) == ["public.shared_profile(text)"]  # fmt: skip
    assert answers(
        cursor,
        "select c.oid::regclass::text from pg_class c" + IN_OURS.format("c.relnamespace")
        + " and c.relkind in ('r', 'v')"
        " and has_any_column_privilege('anon', c.oid, 'select,insert,update')",
    ) == []  # fmt: skip


def test_every_table_has_row_level_security(cursor: Any) -> None:
    assert answers(
        cursor,
        "select c.oid::regclass::text from pg_class c" + IN_OURS.format("c.relnamespace")
        + " and c.relkind in ('r', 'p') and not c.relrowsecurity",
    ) == []  # fmt: skip


def test_every_exposed_relation_is_granted_to_somebody(cursor: Any) -> None:
    assert answers(
        cursor,
        "select c.oid::regclass::text from pg_class c" + IN_OURS.format("c.relnamespace")
        + " and n.nspname <> 'headway_private' and c.relkind in ('r', 'v')"
        " and not has_table_privilege('service_role', c.oid, 'select')",
    ) == []  # fmt: skip


def test_every_exposed_view_runs_as_its_reader(cursor: Any) -> None:
    assert answers(
        cursor,
        "select c.oid::regclass::text from pg_class c" + IN_OURS.format("c.relnamespace")
        + " and c.relkind = 'v' and n.nspname <> 'headway_private'"
        " and not coalesce('security_invoker=true' = any (c.reloptions), false)",
    ) == []  # fmt: skip


def test_every_foreign_key_has_an_index(cursor: Any) -> None:
    """Without one, deleting what is pointed to reads the whole table."""
    assert answers(
        cursor,
        "select k.conrelid::regclass || '.' || k.conname from pg_constraint k"
        + IN_OURS.format("k.connamespace")
        + " and k.contype = 'f' and not exists (select from pg_index i where i.indrelid = k.conrelid"
        " and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey and (i.indpred is null"
        " or pg_get_expr(i.indpred, i.indrelid) ~ 'IS NOT NULL'))",
    ) == []  # fmt: skip


def test_policies_ask_who_is_there_once_per_statement(cursor: Any) -> None:
    """``auth.uid()`` in a subquery is an init-plan; bare, it is called for every row."""
    for table, name, expression in answers(
        cursor,
        "select schemaname || '.' || tablename, policyname,"
        " coalesce(qual, '') || ' ' || coalesce(with_check, '') from pg_policies"
        " where schemaname = any (%(ours)s) or policyname like 'headway: %%'",
    ):
        bare = re.sub(r"SELECT (\()*auth\.(uid|jwt)\(\)", "", expression)
        assert "auth." not in bare, (table, name)
        bare = re.sub(r"SELECT public\.(member|writer)_org_ids\(\)", "", expression)
        assert "_org_ids()" not in bare, (table, name)


def test_every_policy_names_its_roles(cursor: Any) -> None:
    assert answers(
        cursor,
        "select schemaname || '.' || tablename || ': ' || policyname from pg_policies"
        " where (schemaname = any (%(ours)s) or policyname like 'headway: %%') and 'public' = any (roles)",
    ) == []  # fmt: skip


def test_everything_exposed_is_described(cursor: Any) -> None:
    """The dashboard and the API's description show these sentences."""
    undescribed = answers(
        cursor,
        "select c.oid::regclass::text from pg_class c" + IN_OURS.format("c.relnamespace")
        + " and n.nspname <> 'headway_private' and c.relkind in ('r', 'v')"
        " and obj_description(c.oid, 'pg_class') is null",
    )  # fmt: skip
    assert undescribed == []


# The rules' own tests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("update t set a = 1;", 1),
        ("update only public.t x set a = 1 from b;", 1),
        ("update t as x set a = (select 1 where true);", 1),
        ("delete from t;", 1),
        ("with gone as (delete from t returning 1) select 1 where true;", 1),
        ("update t set a = 1 where true;", 0),
        ("with gone as (delete from t where a) select 1;", 0),
        ("insert into t values (1) on conflict (a) do update set a = 2;", 0),
        ("select 1 from t for update;", 0),
        ("select 1 from t for no key update skip locked;", 0),
        ("create trigger x after update on t execute function f();", 0),
    ],
)
def test_the_rule_about_rows(text: str, found: int) -> None:
    assert len(list(writes_without_where(text))) == found
