"""Starts a database over: dropped, made anew, migrated and seeded."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from headway.errors import ConfigError
from headway.local.config import ProjectConfig
from headway.local.database import Database
from headway.local.postgres.bootstrap import bootstrap
from headway.local.postgres.bootstrap.apply import SUPERUSER
from headway.local.postgres.migrations.apply import AppliedMigration, apply_migrations
from headway.local.postgres.migrations.seed import apply_seed
from headway.local.postgres.migrations.vault import store_vault_secrets

__all__ = ["reset_database"]

_MAINTENANCE = "template1"

# DROP DATABASE ... WITH (FORCE) ends sessions, but not the WAL senders of replication slots.
_END_REPLICATION = """
select pg_terminate_backend(active_pid, 5000)
  from pg_catalog.pg_replication_slots where database = $1 and active
"""
_DROP_SLOTS = """
select pg_drop_replication_slot(slot_name)
  from pg_catalog.pg_replication_slots where database = $1 and not active
"""
# Roles belong to the cluster and would meet the migrations that create them again.
_PROJECT_ROLES = """
select quote_ident(rolname) from pg_catalog.pg_roles
 where rolname !~ '^pg_' and rolname <> all ($1::text[]) order by rolname
"""
PLATFORM_ROLES = (
    "_local_platform_owner",
    "anon",
    "authenticated",
    "authenticator",
    "dashboard_user",
    "pgbouncer",
    "postgres",
    "service_role",
    "supabase_admin",
    "supabase_auth_admin",
    "supabase_etl_admin",
    "supabase_read_only_user",
    "supabase_realtime_admin",
    "supabase_replication_admin",
    "supabase_storage_admin",
)


async def reset_database(
    database: Database, supabase_dir: Path, config: ProjectConfig, *, password: str
) -> list[AppliedMigration]:
    """Drop the database and make it anew, with every migration and seed; roles that migrations made go too.

    Open connections are ended. A Realtime service that holds a replication slot should be stopped before.

    Args:
        database: The database to start over.
        supabase_dir: The project's ``supabase`` directory.
        config: Its configuration.
        password: What the role ``postgres`` has to give over TCP.

    Returns:
        The migrations that were applied.

    Raises:
        MigrationFailed: a migration or seed failed; the database is new, and holds what came before it.
        ConfigError: the database cannot be dropped.
    """
    maintenance = Database(database.socket_dir, database.port, _MAINTENANCE)
    connection = await maintenance.connect(SUPERUSER)
    try:
        await _recreate(connection, database.name)
        await _forget_roles(connection)
    except asyncpg.PostgresError as error:
        raise ConfigError(
            f"The database {database.name} cannot be reset: {error.message}",
            hint=error.hint or "Stop what uses it and try again.",
            code=error.sqlstate,
        ) from error
    finally:
        await connection.close()
    await bootstrap(
        database, password=password, auto_expose_new_tables=bool(config.api.auto_expose_new_tables)
    )
    await store_vault_secrets(database, config)
    applied = await apply_migrations(database, supabase_dir, config)
    await apply_seed(database, supabase_dir, config)
    return applied


async def _recreate(connection: asyncpg.Connection[asyncpg.Record], name: str) -> None:
    quoted = await connection.fetchval("select quote_ident($1)", name)
    await connection.execute(_END_REPLICATION, name)
    await connection.execute(_DROP_SLOTS, name)
    await connection.execute(f"drop database if exists {quoted} with (force)")
    await connection.execute(f"create database {quoted} template template0")


async def _forget_roles(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    for row in await connection.fetch(_PROJECT_ROLES, list(PLATFORM_ROLES)):
        try:
            await connection.execute(f"drop role {row[0]}")
        except asyncpg.DependentObjectsStillExistError:
            continue  # another database of this cluster uses it, so it is not this project's alone
    for role in PLATFORM_ROLES:
        await connection.execute(f"alter role {role} reset all")
    # Without its mark the bootstrap sets the roles up again.
    await connection.execute(f"comment on role {SUPERUSER} is null")
