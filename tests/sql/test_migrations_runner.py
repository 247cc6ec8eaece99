"""Migrations are applied in order, each whole or not at all, and a failure names its exact place."""
# ruff: noqa: E501  (SQL and what is expected of it stay on one line)

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from headway.errors import HeadwayError
from headway.local.config import ProjectConfig
from headway.local.database import Database
from headway.local.postgres.migrations import (
    HistoryMismatch,
    MigrationError,
    MigrationFailed,
    apply_migrations,
    apply_seed,
    store_vault_secrets,
)

Project = Callable[..., Path]
CONFIG = ProjectConfig()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes files below a ``supabase`` directory and returns it."""

    def write(**files: str | bytes) -> Path:
        for name, content in files.items():
            path = tmp_path / "supabase" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "supabase"

    return write


@pytest.fixture
async def admin(database: Database) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await database.connect("supabase_admin")
    yield connection
    await connection.close()


async def failure(database: Database, folder: Path) -> MigrationFailed:
    with pytest.raises(MigrationFailed) as caught:
        await apply_migrations(database, folder, CONFIG)
    return caught.value


async def test_files_are_applied_in_order_as_postgres_and_recorded(
    database: Database, admin: asyncpg.Connection[asyncpg.Record], project: Project
) -> None:
    folder = project(
        **{
            "migrations/20260102000000_second.sql": "insert into public.a values (2);",
            "migrations/20260101000000_first.sql": "-- why\ncreate table public.a (i int);\n\ninsert into a values (1) ;\n",
        }
    )
    applied = await apply_migrations(database, folder, CONFIG)
    assert [(m.version, m.name, m.statements) for m in applied] == [
        ("20260101000000", "first", 2),
        ("20260102000000", "second", 1),
    ]
    rows = await admin.fetch("select * from supabase_migrations.schema_migrations order by version")
    assert [tuple(row) for row in rows] == [
        (
            "20260101000000",
            ["-- why\ncreate table public.a (i int)", "insert into a values (1)"],
            "first",
        ),
        ("20260102000000", ["insert into public.a values (2)"], "second"),
    ]
    owner = "select tableowner from pg_tables where tablename = any ($1) group by 1"
    assert await admin.fetchval(owner, ["a", "schema_migrations"]) == "postgres"
    assert await apply_migrations(database, folder, CONFIG) == []


async def test_later_files_join_and_a_folder_may_be_absent(database: Database, project: Project) -> None:
    folder = project(**{"config.toml": ""})
    assert await apply_migrations(database, folder, CONFIG) == []
    project(**{"migrations/1_a.sql": "select 1"})
    assert [m.version for m in await apply_migrations(database, folder, CONFIG)] == ["1"]
    project(**{"migrations/2_b.sql": "select 1"})
    assert [m.version for m in await apply_migrations(database, folder, CONFIG)] == ["2"]


async def test_files_of_other_names_are_skipped_with_a_notice(
    database: Database, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    folder = project(
        **{
            "migrations/readme.md": "no",
            "migrations/later.sql": "syntax error",
            "migrations/.hidden": "",
            "migrations/1_ok.sql": "select 1",
        }
    )
    with caplog.at_level(logging.WARNING, "headway.migrations"):
        assert [m.version for m in await apply_migrations(database, folder, CONFIG)] == ["1"]
    assert [record.args for record in caplog.records] == [("later.sql",), ("readme.md",)]


@pytest.mark.parametrize(
    ("sql", "line", "sqlstate", "reason", "statement"),
    [
        ("select 1;\n\nselect\n  1,\n  nope;\n", 5, "42703", 'column "nope" does not exist', "select"),
        ("create tabel x ();", 1, "42601", 'syntax error at or near "tabel"', "create tabel x ()"),
        ("\ufeffselect 1;\r\n\r\nselect é from x;\r\n", 3, "42P01", 'relation "x" does not exist', "select é from x"),
        ("-- one\n/* two\n*/ insert into auth.users\n(id) values (null);", 3, "23502", "null value in column", None),
        ("select 1;\nselect 'never closed;\nselect 2;\n", 2, "42601", "unterminated quoted string", None),
        ("select 1;\n\nselect $x$ open", 3, "42601", "unterminated dollar-quoted string", None),
        ("do $$\nbegin\n  perform 1;\n  raise exception 'stop' using errcode = 'HW001';\nend $$;", 4, "HW001", "stop", "do $$"),
        ("\n\ndo $$ begin\n  perform nope();\nend $$;", 4, "42883", "function nope() does not exist", None),
        ("create function f() returns void language plpgsql as $$\nbegin\n  retrn;\nend $$;", 3, "42601", "syntax error", None),
        ("create index concurrently i on auth.users (id);", 1, "25001", "cannot run inside a transaction block", None),
        ("vacuum;", 1, "25001", "VACUUM cannot run inside a transaction block", "vacuum"),
        ("select 1;\nalter system set fsync = off;", 2, "25001", "ALTER SYSTEM cannot run", None),
        ("create database other;", 1, "25001", "CREATE DATABASE cannot run", None),
        ("select 1; select 1/0;", 1, "22012", "division by zero", "select 1/0"),
    ],
)  # fmt: skip
async def test_a_failing_statement_is_named_with_file_line_and_the_databases_own_words(
    database: Database,
    admin: asyncpg.Connection[asyncpg.Record],
    project: Project,
    sql: str,
    line: int,
    sqlstate: str,
    reason: str,
    statement: str | None,
) -> None:
    before = "create table public.trace (i int);"
    folder = project(**{"migrations/1_before.sql": before, "migrations/2_bad.sql": sql})
    error = await failure(database, folder)
    assert (error.line, error.sqlstate, error.code) == (line, sqlstate, sqlstate)
    assert reason in error.reason
    assert error.file.name == "2_bad.sql"
    assert str(error).startswith(f"2_bad.sql:{line}: {error.reason}")
    if statement is not None:
        assert error.statement == statement
    # What came before stays; the failing file left no trace.
    assert await admin.fetchval("select array_agg(version) from supabase_migrations.schema_migrations") == [
        "1"
    ]


async def test_a_failing_file_leaves_nothing_half_applied(
    database: Database, admin: asyncpg.Connection[asyncpg.Record], project: Project
) -> None:
    folder = project(
        **{"migrations/1_half.sql": "create table public.half (i int);\ncreate role half_role;\nselect 1/0;"}
    )
    error = await failure(database, folder)
    assert (error.line, error.sqlstate) == (3, "22012")
    assert await admin.fetchval("select to_regclass('public.half')") is None
    assert await admin.fetchval("select count(*) from pg_roles where rolname = 'half_role'") == 0
    project(**{"migrations/1_half.sql": "create table public.half (i int);"})
    assert len(await apply_migrations(database, folder, CONFIG)) == 1


async def test_a_deferred_constraint_fails_the_whole_file(
    database: Database, admin: asyncpg.Connection[asyncpg.Record], project: Project
) -> None:
    folder = project(
        **{
            "migrations/1_d.sql": "create table public.d (i int unique deferrable initially deferred);\ninsert into public.d values (1), (1);"
        }
    )
    error = await failure(database, folder)
    assert error.sqlstate == "23505"
    assert error.detail == "Key (i)=(1) already exists."
    assert await admin.fetchval("select to_regclass('public.d')") is None


async def test_detail_and_hint_are_carried(database: Database, project: Project) -> None:
    folder = project(
        **{
            "migrations/1_h.sql": "do $$ begin raise 'no' using detail = 'the detail', hint = 'the hint'; end $$"
        }
    )
    error = await failure(database, folder)
    assert (error.detail, error.hint) == ("the detail", "the hint")
    assert "the detail" in str(error)
    assert "the hint" in str(error)
    assert isinstance(error, HeadwayError)


@pytest.mark.parametrize(
    "extension", ["pg_cron", "pg_net", "pgmq", "vector", "postgis", "http", "pg_graphql"]
)
async def test_an_extension_that_the_stack_lacks_is_said_to_be_so(
    database: Database, project: Project, extension: str
) -> None:
    folder = project(**{"migrations/1_x.sql": f"create extension {extension};"})
    error = await failure(database, folder)
    assert error.sqlstate == "0A000"
    assert error.hint is not None
    assert f"has no extension {extension}" in error.hint
    assert "pg_available_extensions" in error.hint


@pytest.mark.parametrize(
    "statement",
    [
        "alter role anon bypassrls",
        "alter role authenticated login",
        "alter user service_role with createdb",
        "alter role authenticator rename to mine",
    ],
)
async def test_reserved_roles_stay_as_they_are(database: Database, project: Project, statement: str) -> None:
    folder = project(**{"migrations/1_r.sql": f"select 1;\n{statement};"})
    error = await failure(database, folder)
    assert (error.line, error.sqlstate) == (2, "42939")
    assert "is a reserved role, only superusers can modify it" in error.reason


async def test_settings_of_reserved_roles_may_change(database: Database, project: Project) -> None:
    folder = project(**{"migrations/1_r.sql": "alter role anon set statement_timeout = '3s'"})
    assert len(await apply_migrations(database, folder, CONFIG)) == 1


async def test_what_a_migration_sets_for_its_session_ends_with_it(
    database: Database, admin: asyncpg.Connection[asyncpg.Record], project: Project
) -> None:
    folder = project(
        **{
            "migrations/1_dump.sql": "select pg_catalog.set_config('search_path', '', false);\n"
            "set statement_timeout = 1; reset statement_timeout; set role authenticated;",
            "migrations/2_next.sql": "create table here (i int);\ncreate table who as select current_user as name;",
        }
    )
    await apply_migrations(database, folder, CONFIG)
    assert await admin.fetchval("select to_regclass('public.here') is not null")
    assert await admin.fetchval("select name from public.who") == "postgres"


async def test_a_file_may_wrap_itself_in_a_transaction(
    database: Database, admin: asyncpg.Connection[asyncpg.Record], project: Project
) -> None:
    folder = project(**{"migrations/1_w.sql": "BEGIN;\ncreate table public.w (i int);\nselect 1/0;\nCOMMIT;"})
    assert (await failure(database, folder)).line == 3
    assert await admin.fetchval("select to_regclass('public.w')") is None
    project(**{"migrations/1_w.sql": "begin;\ncreate table public.w (i int);\nend;\n-- done\n"})
    (applied,) = await apply_migrations(database, folder, CONFIG)
    assert applied.statements == 3
    assert await admin.fetchval("select to_regclass('public.w') is not null")


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("create table public.t (i int);\ncommit;\nselect 1;", 2),
        ("begin; select 1;\ncommit;\nselect 1;", 1),
        ("select 1;\nrollback;", 2),
        ("select 1;\nstart transaction isolation level serializable;", 2),
        ("begin", 1),
    ],
)
async def test_transaction_control_amid_a_file_is_refused(
    database: Database, admin: asyncpg.Connection[asyncpg.Record], project: Project, sql: str, line: int
) -> None:
    error = await failure(database, project(**{"migrations/1_t.sql": sql}))
    assert error.line == line
    assert "one transaction" in error.reason
    assert await admin.fetchval("select to_regclass('public.t')") is None


async def test_savepoints_are_a_files_own(database: Database, project: Project) -> None:
    sql = "create table s (i int); savepoint a; drop table s; rollback to a; insert into s values (1); release a"
    assert len(await apply_migrations(database, project(**{"migrations/1_s.sql": sql}), CONFIG)) == 1


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"select 1;\n\\connect x", 2, "\\connect is a command of psql"),
        (b"copy t from stdin;\n1\n\\.\n", 1, "COPY ... FROM STDIN"),
        (b"select 1;\nselect '\xff'", 2, "byte 18 is not UTF-8"),
        (b"select 1;\x00", 1, "NUL"),
    ],
)
async def test_what_is_not_sql_is_refused_before_anything_runs(
    database: Database,
    admin: asyncpg.Connection[asyncpg.Record],
    project: Project,
    content: bytes,
    line: int,
    reason: str,
) -> None:
    folder = project(**{"migrations/1_good.sql": "select 1", "migrations/2_bad.sql": content})
    error = await failure(database, folder)
    assert (error.file.name, error.line) == ("2_bad.sql", line)
    assert reason in error.reason
    assert error.hint
    assert await admin.fetchval("select count(*) from supabase_migrations.schema_migrations") == 0


async def test_a_version_before_the_newest_applied_one_is_refused(
    database: Database, project: Project
) -> None:
    folder = project(**{"migrations/20260103_c.sql": "select 1"})
    await apply_migrations(database, folder, CONFIG)
    project(**{"migrations/20260102_late.sql": "select 1", "migrations/20260104_d.sql": "select 1"})
    with pytest.raises(HistoryMismatch, match=r"sort before 20260103.*20260102_late\.sql") as caught:
        await apply_migrations(database, folder, CONFIG)
    assert "Rename" in (caught.value.hint or "")
    assert "20260104" not in caught.value.message


async def test_an_applied_version_without_its_file_is_refused(database: Database, project: Project) -> None:
    folder = project(**{"migrations/1_a.sql": "select 1", "migrations/2_b.sql": "select 1"})
    await apply_migrations(database, folder, CONFIG)
    (folder / "migrations/1_a.sql").unlink()
    with pytest.raises(HistoryMismatch, match=r"without a file in supabase/migrations: 1 ") as caught:
        await apply_migrations(database, folder, CONFIG)
    assert "headway reset" in (caught.value.hint or "")


async def test_two_files_of_one_version_are_refused(database: Database, project: Project) -> None:
    folder = project(**{"migrations/1_a.sql": "select 1", "migrations/1_b.sql": "select 1"})
    with pytest.raises(HistoryMismatch, match=r"1_a\.sql and 1_b\.sql"):
        await apply_migrations(database, folder, CONFIG)


async def test_two_processes_at_once_apply_each_file_once(
    database: Database, admin: asyncpg.Connection[asyncpg.Record], project: Project
) -> None:
    folder = project(
        **{
            "migrations/1_a.sql": "create table public.runs (i int);",
            "migrations/2_b.sql": "select pg_advisory_unlock_all(); insert into public.runs values (1);",
        }
    )
    results = await asyncio.gather(*(apply_migrations(database, folder, CONFIG) for _ in range(4)))
    assert sorted(len(result) for result in results) == [0, 0, 0, 2]
    assert await admin.fetchval("select count(*) from public.runs") == 1


async def test_the_clis_own_history_is_understood(
    database: Database, admin: asyncpg.Connection[asyncpg.Record], project: Project
) -> None:
    # What the CLI has created: no seed_files yet.
    await admin.execute("""
        set role postgres;
        create schema supabase_migrations;
        create table supabase_migrations.schema_migrations (version text not null primary key);
        alter table supabase_migrations.schema_migrations add column statements text[], add column name text;
        insert into supabase_migrations.schema_migrations values ('1', '{select 1}', 'a');
        reset role;
    """)
    folder = project(**{"migrations/1_a.sql": "select 1", "migrations/2_b.sql": "select 2"})
    assert [m.version for m in await apply_migrations(database, folder, CONFIG)] == ["2"]


async def test_migrations_can_be_switched_off(database: Database, project: Project) -> None:
    folder = project(**{"migrations/1_a.sql": "select 1/0", "seed.sql": "select 1/0"})
    off = ProjectConfig.model_validate({"db": {"migrations": {"enabled": False}, "seed": {"enabled": False}}})
    assert await apply_migrations(database, folder, off) == []
    assert await apply_seed(database, folder, off) == []


async def test_a_large_file_is_no_trouble(database: Database, project: Project) -> None:
    rows = ",\n".join(f"({i}, 'a string; with ''quotes'' and -- dashes {i}')" for i in range(40_000))
    sql = f"create table big (i int, t text);\ninsert into big values\n{rows};\nselect 1/0;"
    error = await failure(database, project(**{"migrations/1_big.sql": sql}))
    assert error.line == 40_003


async def test_a_migration_that_ends_its_own_session_fails_and_leaves_nothing(
    database: Database, admin: asyncpg.Connection[asyncpg.Record], project: Project
) -> None:
    sql = "create table public.gone (i int);\nselect pg_terminate_backend(pg_backend_pid());\nselect 1;"
    error = await failure(database, project(**{"migrations/1_gone.sql": sql}))
    assert error.line == 2
    assert error.sqlstate in {"57P01", "08003"}, (
        "the server's word, or the driver's when the socket closes first"
    )
    assert await admin.fetchval("select to_regclass('public.gone')") is None


async def test_a_cancelled_migration_leaves_nothing(
    database: Database, admin: asyncpg.Connection[asyncpg.Record], project: Project
) -> None:
    sql = "create table public.slow (i int);\nselect pg_sleep(60);"
    task = asyncio.create_task(apply_migrations(database, project(**{"migrations/1_slow.sql": sql}), CONFIG))
    sleeping = (
        "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
    )
    while not await admin.fetchval(sleeping):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await admin.fetchval("select to_regclass('public.slow')") is None
    assert not await admin.fetchval(sleeping)


# Vault.


async def test_migrations_find_the_secrets_of_the_configuration_in_vault(
    database: Database,
    admin: asyncpg.Connection[asyncpg.Record],
    project: Project,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def config(**secrets: str) -> ProjectConfig:
        return ProjectConfig.model_validate({"db": {"vault": secrets}})

    read = "select decrypted_secret from vault.decrypted_secrets where name = 'webhook'"
    await store_vault_secrets(database, config(webhook="first", other="o", unset="env(NOT_THERE)"))
    folder = project(**{"migrations/1_v.sql": f"create table public.seen as {read};"})
    await apply_migrations(database, folder, CONFIG)
    assert await admin.fetchval("select decrypted_secret from public.seen") == "first"
    assert "db.vault.unset: the variable that it names is not set" in caplog.text

    names = "select array_agg(name order by name) from vault.secrets"
    await store_vault_secrets(database, config(webhook="second"))
    assert await admin.fetchval(read) == "second"
    assert await admin.fetchval(names) == ["other", "webhook"]
    before = await admin.fetchval("select array_agg(updated_at order by name) from vault.secrets")
    await store_vault_secrets(database, config(webhook="second"))
    assert await admin.fetchval("select array_agg(updated_at order by name) from vault.secrets") == before


async def test_secrets_that_vault_does_not_take_are_not_shown(
    database: Database, admin: asyncpg.Connection[asyncpg.Record]
) -> None:
    await admin.execute("revoke execute on function vault.create_secret from postgres, service_role cascade")
    with pytest.raises(MigrationError, match=r"\[db.vault\] cannot be stored: permission denied") as caught:
        await store_vault_secrets(
            database, ProjectConfig.model_validate({"db": {"vault": {"a": "hush-hush"}}})
        )
    assert caught.value.code == "42501"
    assert "hush-hush" not in f"{caught.value!r}{caught.value.__context__!r}"


# Seeds.


async def test_seeds_run_once_in_the_order_of_the_patterns(
    database: Database, admin: asyncpg.Connection[asyncpg.Record], project: Project
) -> None:
    folder = project(
        **{
            "migrations/1_a.sql": "create table public.seen (n serial, name text);",
            "seed.sql": "insert into public.seen (name) values ('seed');",
            "seeds/b.sql": "insert into public.seen (name) values ('b');",
            "seeds/a.sql": "insert into public.seen (name) values ('a');",
        }
    )
    config = ProjectConfig.model_validate(
        {"db": {"seed": {"sql_paths": ["./seed.sql", "seeds/*.sql", "seed.sql"]}}}
    )
    await apply_migrations(database, folder, config)
    assert [path.name for path in await apply_seed(database, folder, config)] == [
        "seed.sql",
        "a.sql",
        "b.sql",
    ]
    assert await apply_seed(database, folder, config) == []
    assert await admin.fetchval("select array_agg(name order by n) from public.seen") == ["seed", "a", "b"]
    rows = await admin.fetch("select path, hash from supabase_migrations.seed_files order by path")
    assert [row["path"] for row in rows] == [
        "supabase/seed.sql",
        "supabase/seeds/a.sql",
        "supabase/seeds/b.sql",
    ]
    assert all(len(row["hash"]) == 64 for row in rows)


async def test_a_changed_seed_is_noted_and_not_run_again(
    database: Database,
    admin: asyncpg.Connection[asyncpg.Record],
    project: Project,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = project(**{"seed.sql": "create table public.once (i int);"})
    await apply_seed(database, folder, CONFIG)
    before = await admin.fetchval("select hash from supabase_migrations.seed_files")
    project(**{"seed.sql": "create table public.once (i int); -- changed"})
    with caplog.at_level(logging.WARNING, "headway.migrations"):
        assert await apply_seed(database, folder, CONFIG) == []
    assert "not run again" in caplog.text
    assert await admin.fetchval("select hash from supabase_migrations.seed_files") != before


async def test_a_failing_seed_names_its_place_and_leaves_nothing(
    database: Database, admin: asyncpg.Connection[asyncpg.Record], project: Project
) -> None:
    folder = project(**{"seed.sql": "create table public.s (i int);\n\ninsert into public.s values ('x');"})
    with pytest.raises(MigrationFailed) as caught:
        await apply_seed(database, folder, CONFIG)
    assert (caught.value.file.name, caught.value.line, caught.value.sqlstate) == ("seed.sql", 3, "22P02")
    assert await admin.fetchval("select to_regclass('public.s')") is None
    assert await admin.fetchval("select count(*) from supabase_migrations.seed_files") == 0


@pytest.mark.parametrize("pattern", ["../outside.sql", "/etc/passwd"])
async def test_seeds_come_from_the_project_only(database: Database, project: Project, pattern: str) -> None:
    folder = project(**{"config.toml": ""})
    config = ProjectConfig.model_validate({"db": {"seed": {"sql_paths": [pattern]}}})
    with pytest.raises(MigrationFailed, match="below the supabase directory"):
        await apply_seed(database, folder, config)
