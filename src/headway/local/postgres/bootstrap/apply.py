"""Applies the bootstrap's SQL, once per cluster and once per database."""

from __future__ import annotations

import asyncpg

from headway.errors import ConfigError
from headway.local.database import Database
from headway.local.postgres.bootstrap.scripts import Script, checksum, cluster_scripts, database_scripts
from headway.local.postgres.passwords import matches, scram_verifier

__all__ = ["SUPERUSER", "bootstrap"]

SUPERUSER = "supabase_admin"

# Marks are comments, so that one round trip answers whether there is anything to do: one on the role, which
# belongs to the cluster, and one on the schema, which a clone of the database inherits.
_STATE = """
select current_setting('server_version_num')::int as version,
       shobj_description(own.oid, 'pg_authid') as cluster_mark,
       obj_description(to_regnamespace('_local')::oid, 'pg_namespace') as database_mark,
       login.rolpassword as password
  from pg_catalog.pg_roles as own
  left join pg_catalog.pg_authid as login on login.rolname = 'postgres'
 where own.rolname = current_user
"""
# Advisory locks are per database, and two databases of one cluster may be prepared at once.
_CLUSTER_LOCK = "lock table pg_catalog.pg_auth_members in share row exclusive mode"
_DATABASE_LOCK = "select pg_advisory_xact_lock(hashtextextended('headway bootstrap', 0))"

_REGIME = "".join(
    "alter default privileges for role postgres in schema public "
    f"{{verb}} all on {kind} {{preposition}} anon, authenticated, service_role;\n"
    for kind in ("tables", "functions", "sequences")
)
_EXPOSE = _REGIME.format(verb="grant", preposition="to")
_HIDE = _REGIME.format(verb="revoke", preposition="from")


async def bootstrap(database: Database, *, password: str, auto_expose_new_tables: bool = False) -> None:
    """Give a database everything that a fresh hosted project has; quick when it has it already.

    The cluster must have been initialised with ``supabase_admin`` as its superuser. PostgreSQL 15 and newer
    will do. Every step is a transaction: an interrupted bootstrap is completed by the next one.

    Args:
        database: The database to prepare.
        password: What the role ``postgres`` has to give over TCP.
        auto_expose_new_tables: Whether what ``postgres`` makes in ``public`` is open to the API roles, as it
            was for projects made before 2026-05-30.

    Raises:
        ConfigError: the cluster cannot be made into a Supabase project.
    """
    try:
        connection = await database.connect(SUPERUSER)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise ConfigError(
            f"The cluster has no superuser {SUPERUSER}: {error}",
            hint=f"Initialise the cluster with: initdb -U {SUPERUSER}",
            code="cluster_unfit",
        ) from error
    try:
        state = await connection.fetchrow(_STATE)
        assert state is not None
        if state["version"] < 150000:
            raise ConfigError(
                f"Postgres {state['version'] // 10000} is too old for the embedded stack",
                hint="Use PostgreSQL 15 or newer.",
                code="cluster_unfit",
            )
        await _prepare_cluster(connection, state["cluster_mark"])
        await _prepare_database(connection, state["database_mark"], auto_expose_new_tables)
        if not matches(state["password"], password):
            # A verifier has no quotes; the password itself never appears in a statement or a log.
            await connection.execute(f"alter role postgres password '{scram_verifier(password)}'")
    finally:
        await connection.close()


async def _prepare_cluster(connection: asyncpg.Connection[asyncpg.Record], mark: str | None) -> None:
    wanted = f"headway roles {checksum(cluster_scripts())}"
    if mark == wanted:
        return
    async with connection.transaction():
        await connection.execute(_CLUSTER_LOCK)
        await _run(connection, cluster_scripts())
        await connection.execute(f"comment on role {SUPERUSER} is '{wanted}'")


async def _prepare_database(
    connection: asyncpg.Connection[asyncpg.Record], mark: str | None, auto_expose_new_tables: bool
) -> None:
    regime = "open" if auto_expose_new_tables else "closed"
    wanted = f"headway {checksum(database_scripts())} {regime}"
    if mark == wanted:
        # The stack may have been down for days; nothing can be sent without today's partition.
        await connection.execute("select realtime.ensure_partitions()")
        return
    async with connection.transaction():
        await connection.execute(_DATABASE_LOCK)
        await _run(connection, database_scripts())
        await connection.execute(
            (_EXPOSE if auto_expose_new_tables else _HIDE) + f"comment on schema _local is '{wanted}'"
        )


async def _run(connection: asyncpg.Connection[asyncpg.Record], scripts: tuple[Script, ...]) -> None:
    for script in scripts:
        try:
            await connection.execute(f"{script.sql}\n;reset role")
        except asyncpg.PostgresError as error:
            detail = f" ({error.detail})" if error.detail else ""
            raise ConfigError(
                f"The database cannot be prepared: {script.name}: {error.message}{detail}",
                hint=error.hint
                or "Start with a new data directory, or report this with the Postgres version.",
                code="bootstrap_failed",
            ) from error
