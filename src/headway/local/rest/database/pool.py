"""A small pool of connections.

asyncpg's own pool starts two tasks for each use of a connection, which is a quarter of what a small request
costs in all; and it resets sessions, which settings local to a transaction do not need. What is left is a
stack of idle connections and a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg

__all__ = ["ConnectionPool"]

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_IDLE_S = 60.0


class ConnectionPool:
    """Connections that are made when needed, reused last in first out, and closed when idle for a minute.

    Args:
        connect: Makes a connection.
        size: The most connections at a time.
        wait_s: The longest wait for one, in seconds.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int, wait_s: float) -> None:
        self._connect = connect
        self._free = asyncio.Semaphore(size)
        self._wait_s = wait_s
        self._idle: list[tuple[Connection, float]] = []
        self._busy: set[Connection] = set()
        self._stale: set[Connection] = set()
        self._closed = False
        self._reaper: asyncio.TimerHandle | None = None

    @property
    def size(self) -> int:
        """How many connections there are."""
        return len(self._idle) + len(self._busy)

    @property
    def busy(self) -> int:
        """How many of them are in use."""
        return len(self._busy)

    async def acquire(self) -> Connection:
        """A connection, to be handed back by ``release``.

        Raises:
            TimeoutError: all were busy for too long.
            OSError: none can be made.
            asyncpg.PostgresError: the database refuses it.
        """
        if self._free.locked():
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        else:
            await self._free.acquire()
        try:
            connection = self._take() or await self._connect()
        except BaseException:
            self._free.release()
            raise
        self._busy.add(connection)
        return connection

    def release(self, connection: Connection) -> None:
        """Take a connection back, whatever state it is in.

        Args:
            connection: What ``acquire`` gave.
        """
        self._busy.discard(connection)
        self._put(connection)
        self._free.release()

    def _take(self) -> Connection | None:
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    def _put(self, connection: Connection) -> None:
        stale = connection in self._stale
        self._stale.discard(connection)
        if connection.is_closed():
            return
        # One that was left inside a transaction was interrupted: nobody knows what it is still receiving.
        if stale or self._closed or connection.is_in_transaction():
            connection.terminate()
            return
        loop = asyncio.get_running_loop()
        self._idle.append((connection, loop.time()))
        if self._reaper is None:
            self._reaper = loop.call_later(_IDLE_S, self._reap)

    def _reap(self) -> None:
        self._reaper = None
        loop = asyncio.get_running_loop()
        keep = loop.time() - _IDLE_S
        for connection, since in self._idle:
            if since <= keep:
                connection.terminate()
        self._idle = [(c, since) for c, since in self._idle if since > keep]
        if self._idle:
            self._reaper = loop.call_at(self._idle[0][1] + _IDLE_S, self._reap)

    def renew(self) -> None:
        """Let no connection that exists now be used again, once what uses it is done."""
        for connection, _ in self._idle:
            connection.terminate()
        self._idle.clear()
        self._stale |= self._busy

    def close(self) -> None:
        """Close every connection; what still uses one fails."""
        self._closed = True
        self.renew()
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None
        for connection in self._busy:
            connection.terminate()
