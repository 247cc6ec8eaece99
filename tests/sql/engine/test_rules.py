"""Rules that every table and function of the engine keeps, read from the catalogue."""

from __future__ import annotations

import re

from support.engine import Engine

FUNCTIONS = """
select p.oid::regprocedure::text as name, p.prosrc as source, p.prosqlbody is not null as parsed,
  p.provolatile as volatility, coalesce(p.proconfig, '{}') as config, n.nspname as schema,
  has_function_privilege('anon', p.oid, 'execute') as anon,
  has_function_privilege('authenticated', p.oid, 'execute') as authenticated,
  exists (
    select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0
  ) as public
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('headway', 'headway_private')
"""


WRITES = re.compile(
    r"\b(insert into|update headway|delete from|nextval|for (no key )?update|for share)\b", re.I
)

ENGINE_TABLES = [
    *(
        "queues",
        "kinds",
        "workers",
        "batches",
        "jobs",
        "job_inputs",
        "job_outputs",
        "job_steps",
        "job_events",
    ),
    *("attempts", "leases", "job_files", "signals", "file_removals", "usage", "usage_daily", "job_costs"),
    *("budgets", "durations"),
]


async def test_every_function_pins_an_empty_search_path_or_was_parsed_when_it_was_made(
    engine: Engine,
) -> None:
    for function in await engine.admin.fetch(FUNCTIONS):
        assert function["parsed"] or 'search_path=""' in function["config"], function["name"]


async def test_no_function_is_open_to_everybody_or_to_those_without_a_token(engine: Engine) -> None:
    functions = await engine.admin.fetch(FUNCTIONS)
    assert len(functions) > 100
    for function in functions:
        assert not function["public"], function["name"]
        assert not function["anon"], function["name"]


async def test_functions_that_write_are_volatile_so_that_requests_do_not_run_read_only(
    engine: Engine,
) -> None:
    for function in await engine.admin.fetch(FUNCTIONS):
        if WRITES.search(_code(function["source"])):
            assert function["volatility"] == b"v", function["name"]


async def test_every_update_and_delete_has_a_where_clause(engine: Engine) -> None:
    """safeupdate is loaded into requests and refuses the others, inside functions too."""
    for function in await engine.admin.fetch(FUNCTIONS):
        code = _code(function["source"])
        for match in re.finditer(
            r"(?<!for )(?<!no key )(?<!do )\b(update\s+headway|delete\s+from)\b", code, re.I
        ):
            statement = _statement(code[match.start() :])
            assert re.search(r"\bwhere\b", statement, re.I), f"{function['name']}: {statement[:200]}"


async def test_private_functions_that_anybody_signed_in_may_run_are_few_and_known(engine: Engine) -> None:
    """Policies and invoker functions need them; no request names them; each asks for the caller's rights."""
    known = {
        *("refuse", "is_service", "can_read_topic", "storable", "path_of", "path_of_nul", "submit_jobs"),
        *("refuse_unseen_files", "seconds_left", "snapshot_of", "outline", "renew_watches"),
    }
    writers = {
        function["name"].split("(")[0].removeprefix("headway_private.")
        for function in await engine.admin.fetch(FUNCTIONS)
        if function["schema"] == "headway_private"
        and function["authenticated"]
        and WRITES.search(function["source"])
    }
    assert writers <= known


async def test_every_table_is_under_row_level_security_and_written_by_functions_only(engine: Engine) -> None:
    tables = await engine.admin.fetch(
        """
        select c.oid::regclass::text as name, c.relrowsecurity as secured, r.role,
          has_table_privilege(r.role, c.oid, 'insert, update, delete, truncate') as writes
        from pg_class c, unnest('{anon,authenticated,service_role}'::text[]) r (role)
        where c.relkind = 'r' and (
          c.relnamespace = 'headway_private'::regnamespace
          or (c.relnamespace = 'headway'::regnamespace and c.relname = any ($1))
        )
        """,
        ENGINE_TABLES,
    )
    assert len({table["name"] for table in tables}) > len(ENGINE_TABLES)
    for table in tables:
        assert table["secured"], table["name"]
        assert not table["writes"], f"{table['role']} writes {table['name']}"


async def test_jobs_are_published_and_the_secrets_beside_them_are_not(engine: Engine) -> None:
    published = await engine.admin.fetch(
        "select tablename from pg_publication_tables"
        " where pubname = 'supabase_realtime' and schemaname = 'headway'"
    )
    assert [row["tablename"] for row in published] == ["jobs"]
    columns = await engine.admin.fetch(
        "select attname from pg_attribute where attrelid = 'headway.jobs'::regclass and attnum > 0"
    )
    assert not {"token", "lease_token", "payload", "result"} & {row["attname"] for row in columns}


async def test_every_foreign_key_has_an_index_to_follow(engine: Engine) -> None:
    bare = await engine.admin.fetch(
        """
        select c.conrelid::regclass::text as relation, c.conname
        from pg_constraint c
        where c.contype = 'f' and c.connamespace in ('headway'::regnamespace, 'headway_private'::regnamespace)
          and not exists (
            select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]
          )
        """
    )
    assert [dict(row) for row in bare] == []


def _statement(code: str) -> str:
    """The code up to the end of its first statement: a semicolon, or the parenthesis that ends it."""
    depth = 0
    for place, character in enumerate(code):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0 or (character == ";" and depth == 0):
            return code[:place]
    return code


def _code(source: str | None) -> str:
    """The source without comments and string literals."""
    return re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--[^\n]*", "", source or ""))
