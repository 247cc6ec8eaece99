"""Connections of Realtime's own, each with the functions it needs."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from headway.local.database import Database

__all__ = ["SESSION_SETTINGS", "Connection", "Pool", "Record", "connect", "open_pool"]

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Record: TypeAlias = asyncpg.Record
Connection: TypeAlias = "asyncpg.Connection[Record] | PoolConnectionProxy[Record]"
Pool: TypeAlias = "asyncpg.Pool[Record]"

# How values look as text; the same for the replication stream, so that a filter's value and a row's compare.
SESSION_SETTINGS = {
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "client_encoding": "UTF8",
}
_POOL_SIZE = 4


def _arguments(database: Database, statement_timeout_s: float) -> dict[str, Any]:
    settings = {
        **SESSION_SETTINGS,
        "application_name": "realtime",
        "statement_timeout": str(int(statement_timeout_s * 1000)),
        # Nothing that these sessions do is kept, so no commit of theirs need wait for the disk.
        "synchronous_commit": "off",
        "jit": "off",
    }
    settings.pop("client_encoding")  # asyncpg's own
    return {**database.connect_kwargs("supabase_admin"), "server_settings": settings, "timeout": 10}


async def _prepare(connection: Any) -> None:
    await connection.execute(files(__package__).joinpath("functions.sql").read_text("utf-8"))


async def _leave(connection: Any) -> None:
    """Nothing: what the functions change ends with their statement, so a release needs no reset."""


async def connect(database: Database, *, statement_timeout_s: float = 10) -> Connection:
    """One connection as ``supabase_admin``.

    Args:
        database: The stack's database.
        statement_timeout_s: When a policy or a filter has taken too long.
    """
    connection: asyncpg.Connection[Record] = await asyncpg.connect(
        **_arguments(database, statement_timeout_s)
    )
    await _prepare(connection)
    return connection


async def open_pool(database: Database, *, statement_timeout_s: float = 10) -> Pool:
    """A small pool as ``supabase_admin``; connections that Postgres lost are replaced on use.

    Args:
        database: The stack's database.
        statement_timeout_s: When a policy has taken too long.
    """
    return await asyncpg.create_pool(
        **_arguments(database, statement_timeout_s),
        min_size=1,
        max_size=_POOL_SIZE,
        init=_prepare,
        reset=_leave,
        max_inactive_connection_lifetime=60,
    )
