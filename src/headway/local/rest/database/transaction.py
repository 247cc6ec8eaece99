"""Runs a request's statement in its own transaction, as the caller.

Source: PostgREST's documentation, "Transactions".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Final

import asyncpg

from headway.local.database import Database
from headway.local.rest.database.codecs import PgType, send_text
from headway.local.rest.database.errors import connect_failure, query_failure
from headway.local.rest.database.pool import ConnectionPool
from headway.local.rest.errors import RestError
from headway.local.rest.identifiers import QName
from headway.local.rest.sql.writer import Statement

__all__ = ["LOGIN_ROLE", "DatabasePool", "Result", "Transaction", "UnknownTypeError"]

# The last is what asyncpg's protocol makes of a server that goes away between two messages.
_FAILURES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

LOGIN_ROLE: Final = "authenticator"
MAX_CONNECTIONS = 10
ACQUIRE_TIMEOUT_S = 10.0
_STATEMENTS_PER_CONNECTION = 100
_LARGEST_CACHED_STATEMENT = 32 * 1024

_ISOLATION = {"repeatable read": "REPEATABLE READ", "serializable": "SERIALIZABLE"}


@dataclass(frozen=True, slots=True)
class Transaction:
    """The frame of a statement.

    Args:
        settings: Names and values of the settings to make first, the role among them, in order.
        read_only: Whether writes are refused.
        isolation: The isolation level as the database spells it in settings.
        pre_request: A function to call first.
        rollback: Whether to undo everything in the end.
        anonymous: Whether the role is the anonymous one.
    """

    settings: Sequence[tuple[str, str | bytes]]
    read_only: bool
    isolation: str | None
    pre_request: QName | None
    rollback: bool
    anonymous: bool

    @property
    def begin(self) -> str:
        """The statement that opens it."""
        level = _ISOLATION.get((self.isolation or "").lower(), "READ COMMITTED")
        return f"BEGIN ISOLATION LEVEL {level} {'READ ONLY' if self.read_only else 'READ WRITE'}"


Result = asyncpg.Record


class UnknownTypeError(Exception):
    """A parameter has a type that is younger than the known ones, so that it could not be sent as text."""


class DatabasePool:
    """At most ten connections as the login role, made when they are needed.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._types: Sequence[PgType] = ()
        self._pool = ConnectionPool(self._connect, MAX_CONNECTIONS, ACQUIRE_TIMEOUT_S)

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            **self._database.connect_kwargs(LOGIN_ROLE),
            timeout=ACQUIRE_TIMEOUT_S,
            statement_cache_size=_STATEMENTS_PER_CONNECTION,
            max_cacheable_statement_size=_LARGEST_CACHED_STATEMENT,
            max_cached_statement_lifetime=0,
        )
        send_text(connection, self._types)
        return connection

    def renew(self, types: Sequence[PgType]) -> None:
        """Let every connection be replaced before it is used again.

        Args:
            types: The types of the database.
        """
        self._types = types
        self._pool.renew()

    def stop(self) -> None:
        """Close every connection; requests under way fail."""
        self._pool.close()

    @property
    def size(self) -> int:
        """How many connections there are."""
        return self._pool.size

    @property
    def busy(self) -> int:
        """How many of them are in use."""
        return self._pool.busy

    async def run(
        self,
        transaction: Transaction,
        statements: Sequence[Statement],
        check: Callable[[list[list[Result]]], None],
    ) -> list[list[Result]]:
        """Run statements in one transaction; it is undone if the check raises.

        Args:
            transaction: The frame.
            statements: The statements.
            check: Is shown the rows of each statement before the commit.

        Raises:
            RestError: of the database, of the check, or because no connection could be had.
            UnknownTypeError: the types are out of date.
        """
        try:
            connection = await self._pool.acquire()
        except _FAILURES as error:
            raise connect_failure(error) from error
        try:
            return await _run(connection, transaction, statements, check)
        except _FAILURES as error:
            if isinstance(error, asyncpg.DataError) and error.severity is None:
                raise UnknownTypeError from error
            raise query_failure(error, anonymous=transaction.anonymous) from error
        finally:
            self._pool.release(connection)


async def _run(
    connection: Any,
    transaction: Transaction,
    statements: Sequence[Statement],
    check: Callable[[list[list[Result]]], None],
) -> list[list[Result]]:
    await connection.execute(transaction.begin)
    try:
        await connection.execute(
            _settings_statement(len(transaction.settings)), *chain.from_iterable(transaction.settings)
        )
        if transaction.pre_request is not None:
            await connection.execute(f"SELECT {transaction.pre_request.sql}()")
        results = [await connection.fetch(text, *parameters) for text, parameters in statements]
        check(results)
        if transaction.rollback:
            await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except (RestError, asyncpg.PostgresError):
        await _undo(connection)
        raise
    await connection.execute("ROLLBACK" if transaction.rollback else "COMMIT")
    return results


async def _undo(connection: Any) -> None:
    try:
        await connection.execute("ROLLBACK")
    except _FAILURES:
        # What went wrong before is the answer; a connection that cannot even roll back is of no more use.
        connection.terminate()


@cache
def _settings_statement(count: int) -> str:
    calls = (f"set_config(${2 * n + 1}, ${2 * n + 2}, true)" for n in range(count))
    return f"SELECT {', '.join(calls)}"
