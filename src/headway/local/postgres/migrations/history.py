"""The record of what was applied: ``supabase_migrations``, in the shape that the Supabase CLI keeps.

Source: supabase/cli ``pkg/migration/history.go`` and ``seed.go`` (reference A.10).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from headway.local.database import Database
from headway.local.postgres.migrations.errors import MigrationError

__all__ = ["MIGRATOR", "RECORD_MIGRATION", "RECORD_SEED", "applied_seeds", "applied_versions", "migrator"]

MIGRATOR = "postgres"
"""The role that migrations run as."""

_LOCK = "select pg_advisory_lock(hashtextextended('headway migrations', 0))"
_LOCK_TIMEOUT = "4s"

_CREATE_TABLES = f"""
set lock_timeout = '{_LOCK_TIMEOUT}';
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
create table if not exists supabase_migrations.seed_files (
  path text not null primary key, hash text not null
);
"""
_HAS_TABLES = """
select to_regclass('supabase_migrations.schema_migrations') is not null
   and to_regclass('supabase_migrations.seed_files') is not null
"""

RECORD_MIGRATION = """
insert into supabase_migrations.schema_migrations (version, name, statements) values ($1, $2, $3)
"""
RECORD_SEED = """
insert into supabase_migrations.seed_files (path, hash) values ($1, $2)
on conflict (path) do update set hash = excluded.hash
"""


@asynccontextmanager
async def migrator(database: Database) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection that alone migrates this database until it is given back; the history's tables exist.

    A second process waits. The lock is held by a connection of its own, out of reach of a migration that
    says ``pg_advisory_unlock_all()``.

    Args:
        database: The database.

    Raises:
        MigrationError: the history's tables cannot be made.
    """
    guard = await database.connect(MIGRATOR)
    try:
        await guard.execute(_LOCK)
        connection = await database.connect(MIGRATOR)
        try:
            try:
                if not await connection.fetchval(_HAS_TABLES):
                    await connection.execute(_CREATE_TABLES)
            except asyncpg.PostgresError as error:
                raise MigrationError(
                    f"The migration history cannot be prepared: {error.message}",
                    hint=error.hint,
                    code=error.sqlstate,
                ) from error
            yield connection
        finally:
            await connection.close()
    finally:
        await guard.close()


async def applied_versions(connection: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    """The versions in the history, sorted as text.

    Args:
        connection: From ``migrator``.
    """
    rows = await connection.fetch("select version from supabase_migrations.schema_migrations")
    return sorted(row["version"] for row in rows)


async def applied_seeds(connection: asyncpg.Connection[asyncpg.Record]) -> dict[str, str]:
    """The seeds in the history: path to SHA-256 in hexadecimal.

    Args:
        connection: From ``migrator``.
    """
    rows = await connection.fetch("select path, hash from supabase_migrations.seed_files")
    return {row["path"]: row["hash"] for row in rows}
