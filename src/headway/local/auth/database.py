"""The connections over which Auth works, and its transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

from headway.local.database import Database

__all__ = ["AuthDatabase", "Connection"]

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

_ROLE = "supabase_auth_admin"
_MAX_CONNECTIONS = 8
_LOCK_TIMEOUT_MS = 5000


class AuthDatabase:
    """A small pool of connections as ``supabase_auth_admin``.

    No connection is kept open while nobody signs in.

    Args:
        database: The stack's Postgres.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Make the pool; connections follow on demand."""
        self._pool = await asyncpg.create_pool(
            **self._database.connect_kwargs(_ROLE),
            min_size=0,
            max_size=_MAX_CONNECTIONS,
            max_inactive_connection_lifetime=60,
            init=_prepare,
            server_settings={
                "application_name": "auth",
                "search_path": "auth",
                "timezone": "UTC",
                "lock_timeout": str(_LOCK_TIMEOUT_MS),
            },
        )

    async def close(self) -> None:
        """Close every connection; those in use are given a moment to finish."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(5):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    @property
    def size(self) -> int:
        """How many connections are open."""
        return 0 if self._pool is None else self._pool.get_size()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside any transaction."""
        assert self._pool is not None, "the service is not started"
        async with self._pool.acquire() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection in a transaction that commits when the block ends well."""
        async with self.connection() as connection, connection.transaction():
            yield connection


async def _prepare(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name,
            encoder=lambda value: orjson.dumps(value).decode(),
            decoder=orjson.loads,
            schema="pg_catalog",
        )
