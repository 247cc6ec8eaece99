"""Transactions on the schema ``storage``, run with a caller's rights or with elevated ones.

As in the real service, every transaction sets the caller's role, the claims and what is known of the request
(``src/internal/database/postgres/scope.ts``), so that policies see the same on both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import orjson

from headway.local.database import Database
from headway.local.storage.callers import Caller
from headway.local.storage.database_faults import fault_of
from headway.local.storage.faults import StorageFault
from headway.local.storage.requests import StorageRequest

__all__ = ["Catalog", "Transaction"]

T = TypeVar("T")

_POOL_SIZE = 12
_ACQUIRE_TIMEOUT_S = 30.0
_STATEMENT_TIMEOUT_MS = 30_000

# Storage itself sets everything for one transaction only; a policy's or a trigger's function may not.
_BEGIN = "reset all; reset role; begin"

_SET_SCOPE = """
select set_config('role', $1, true),
       set_config('request.jwt.claim.role', $1, true),
       set_config('request.jwt', $2, true),
       set_config('request.jwt.claim.sub', $3, true),
       set_config('request.jwt.claims', $4, true),
       set_config('request.headers', $5, true),
       set_config('request.method', $6, true),
       set_config('request.path', $7, true),
       set_config('storage.operation', $8, true),
       set_config('storage.allow_delete_query', 'true', true)
"""


class Transaction:
    """One open transaction.

    Args:
        connection: With the transaction begun.
        request: What it is for; ``None`` for the service's own work.
    """

    def __init__(
        self, connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], request: StorageRequest | None
    ) -> None:
        self._connection = connection
        self._request = request

    async def act_as(self, caller: Caller) -> None:
        """Run the following statements with a caller's rights.

        Args:
            caller: The caller, or the elevated identity.
        """
        request = self._request
        await self.fetchrow(
            _SET_SCOPE,
            caller.role,
            caller.token,
            caller.owner or "",
            caller.claims_json,
            "{}" if request is None else request.headers_json,
            "" if request is None else request.method,
            "" if request is None else request.target,
            "" if request is None else request.operation,
        )

    async def act_as_owner(self) -> None:
        """Run the following statements with the rights of the schemas' owner, as at the beginning."""
        await self.fetchrow(
            "select set_config('role', 'none', true), set_config('storage.allow_delete_query', 'true', true)"
        )

    @asynccontextmanager
    async def probe(self, caller: Caller) -> AsyncIterator[None]:
        """Try statements as a caller and take them back; the former rights are restored with them.

        Args:
            caller: Whose rights are probed.
        """
        await self.execute("savepoint probe")
        try:
            await self.act_as(caller)
            yield
        finally:
            await self.execute("rollback to savepoint probe")

    async def fetch(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        return await self._run(self._connection.fetch(sql, *values))

    async def fetchrow(self, sql: str, *values: Any) -> asyncpg.Record | None:
        return await self._run(self._connection.fetchrow(sql, *values))

    async def fetchval(self, sql: str, *values: Any) -> Any:
        return await self._run(self._connection.fetchval(sql, *values))

    async def execute(self, sql: str, *values: Any) -> str:
        return await self._run(self._connection.execute(sql, *values))

    @staticmethod
    async def _run(statement: Awaitable[T]) -> T:
        try:
            return await statement
        except asyncpg.PostgresError as error:
            raise fault_of(error) from error


class Catalog:
    """The connections to the database.

    Args:
        database: The stack's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def start(self) -> None:
        """Open the first connection."""
        self._pool = await asyncpg.create_pool(
            **self._database.connect_kwargs("supabase_storage_admin"),
            min_size=1,
            max_size=_POOL_SIZE,
            init=_set_codecs,
            reset=_nothing_to_reset,
            server_settings={
                "search_path": "storage, public, extensions",
                "statement_timeout": str(_STATEMENT_TIMEOUT_MS),
                "application_name": "headway storage",
            },
        )

    async def stop(self) -> None:
        """Close every connection; safe to call twice."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), 5)
        except TimeoutError:
            pool.terminate()

    @asynccontextmanager
    async def transaction(
        self, request: StorageRequest | None, caller: Caller | None = None, *, commit: bool = True
    ) -> AsyncIterator[Transaction]:
        """A transaction that is committed when the block ends, and rolled back when it raises.

        Args:
            request: What it is for; ``None`` for the service's own work.
            caller: Whose rights its statements have; the schema owner's until ``act_as`` when ``None``.
            commit: ``False`` takes everything back in any case.

        Raises:
            StorageFault: a statement or the commit failed.
        """
        assert self._pool is not None, "the catalog is not started"
        async with _faults(), self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
            await connection.execute(_BEGIN)
            try:
                transaction = Transaction(connection, request)
                if caller is not None:
                    await transaction.act_as(caller)
                yield transaction
                ended = await connection.execute("commit" if commit else "rollback")
                if commit and ended != "COMMIT":
                    raise StorageFault(
                        500,
                        "DatabaseTransactionAborted",
                        "The database transaction has been aborted."
                        " Roll back the transaction before retrying.",
                    )
            except BaseException:
                await _roll_back(connection)
                raise

    async def fetchrow(self, sql: str, *values: Any) -> asyncpg.Record | None:
        """Run one statement in a transaction of its own, with the rights of the schemas' owner.

        Args:
            sql: The statement.
            values: Its parameters.

        Raises:
            StorageFault: it failed.
        """
        assert self._pool is not None, "the catalog is not started"
        async with _faults():
            return await self._pool.fetchrow(sql, *values, timeout=_ACQUIRE_TIMEOUT_S)

    @property
    def size(self) -> int:
        """How many connections are open."""
        return 0 if self._pool is None else self._pool.get_size()


@asynccontextmanager
async def _faults() -> AsyncIterator[None]:
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise fault_of(error) from error
    except TimeoutError as error:
        raise StorageFault(
            544, "DatabaseTimeout", "The connection to the database timed out", http_status=544
        ) from error


async def _set_codecs(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name,
            encoder=lambda value: orjson.dumps(value).decode(),
            decoder=orjson.loads,
            schema="pg_catalog",
        )


async def _nothing_to_reset(_: asyncpg.Connection[asyncpg.Record]) -> None:
    """Every transaction resets the connection itself, in the same round trip as its BEGIN."""


async def _roll_back(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> None:
    try:
        await connection.execute("rollback")
    except BaseException as error:
        # Nobody may get a connection with somebody's rights; the cause is on its way to the caller.
        connection.terminate()
        if not isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
            raise
