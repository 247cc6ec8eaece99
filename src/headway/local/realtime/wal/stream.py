"""One logical replication connection, read in the event loop.

Source: PostgreSQL documentation, "Streaming Replication Protocol"; psycopg2's replication support.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable

import psycopg2
import psycopg2.errors
from psycopg2.extras import LogicalReplicationConnection, ReplicationCursor

from headway.local.database import Database
from headway.local.realtime.database.sessions import SESSION_SETTINGS

__all__ = ["LogStream", "StreamBroken"]

_log = logging.getLogger("headway.realtime")

# Messages taken before the loop is given to others: about a millisecond's worth.
_MESSAGES_PER_TURN = 64
_FEEDBACK_INTERVAL_S = 1.0
_SLOT_TIMEOUT_S = 15


class StreamBroken(Exception):
    """The connection could not be made, or was lost; the message says what Postgres said."""


class LogStream:
    """Follows a publication through a slot of its own, from the moment it is opened.

    The slot is temporary: it ends with the connection, so a stopped service never holds back the removal of
    old log segments, and nothing is delivered twice. Whoever was not listening has missed it, as on the real
    server.

    Args:
        database: The stack's database.
        publication: The name of a publication that exists.
        handle: Takes one pgoutput message; must not block.
        clogged: Whether ``handle`` should be given nothing for now; the stream then stops reading, and
            Postgres holds the rest.
        unclogged: Waits until ``clogged`` is false.
    """

    def __init__(
        self,
        database: Database,
        publication: str,
        handle: Callable[[bytes], None],
        *,
        clogged: Callable[[], bool] | None = None,
        unclogged: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._database = database
        self._publication = publication
        self._handle = handle
        self._clogged = clogged
        self._unclogged = unclogged
        self._connection: LogicalReplicationConnection | None = None
        self._cursor: ReplicationCursor | None = None
        self._fed_back_at = 0.0
        self._readable = asyncio.Event()

    async def open(self) -> None:
        """Create the slot and start the stream; every commit from now on will be handled by ``follow``.

        Raises:
            StreamBroken: Postgres refused or did not answer.
        """
        opening = asyncio.get_running_loop().run_in_executor(None, self._open)
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread cannot be stopped; what it opens is closed when it is done.
            opening.add_done_callback(lambda done: self.close() if not done.cancelled() else None)
            raise
        except psycopg2.Error as error:
            self.close()
            raise StreamBroken(_first_line(error)) from error

    def _open(self) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in SESSION_SETTINGS.items())
        connection = psycopg2.connect(
            self._database.conninfo("supabase_admin"),
            connection_factory=LogicalReplicationConnection,
            application_name="realtime_replication_connection",
            options=f"{options} -c statement_timeout={_SLOT_TIMEOUT_S * 1000}",
            connect_timeout=10,
        )
        self._connection = connection
        cursor = connection.cursor()
        slot = f"headway_realtime_{secrets.token_hex(8)}"
        cursor.execute(f"CREATE_REPLICATION_SLOT {slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT")
        # The stream itself has no end.
        cursor.execute("SET statement_timeout = 0")
        cursor.start_replication(
            slot_name=slot,
            decode=False,
            # No automatic feedback: psycopg2 sends it from within a read, and this class from a timer too.
            status_interval=10,
            options={
                "proto_version": "1",
                "publication_names": '"' + self._publication.replace('"', '""') + '"',
            },
        )
        self._cursor = cursor

    async def follow(self) -> None:
        """Hand over messages until the connection is lost or ``close`` is called.

        Raises:
            StreamBroken: the connection was lost.
        """
        cursor, loop, readable = self._cursor, asyncio.get_running_loop(), self._readable
        assert cursor is not None
        descriptor: int = cursor.fileno()  # type: ignore[no-untyped-call]
        loop.add_reader(descriptor, readable.set)
        try:
            while True:
                readable.clear()
                while self._take(cursor):
                    await asyncio.sleep(0)
                    if self._clogged is not None and self._clogged():
                        await self._wait_unclogged(cursor)
                self._feed_back(cursor, loop.time())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_FEEDBACK_INTERVAL_S):
                        await readable.wait()
        except psycopg2.Error as error:
            raise StreamBroken(_first_line(error)) from error
        finally:
            with contextlib.suppress(OSError, ValueError):
                loop.remove_reader(descriptor)
            self.close()

    def close(self) -> None:
        """End the connection, and the slot with it."""
        connection, self._connection, self._cursor = self._connection, None, None
        self._readable.set()
        if connection is not None:
            with contextlib.suppress(psycopg2.Error):
                connection.close()

    def _take(self, cursor: ReplicationCursor) -> bool:
        """Handle what has arrived, up to one turn's worth; whether there may be more."""
        clogged = self._clogged
        for _ in range(_MESSAGES_PER_TURN):
            message = cursor.read_message()
            if message is None:
                return False
            self._handle(message.payload)
            if clogged is not None and clogged():
                return True
        return True

    async def _wait_unclogged(self, cursor: ReplicationCursor) -> None:
        assert self._unclogged is not None
        waiting = asyncio.ensure_future(self._unclogged())
        try:
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=_FEEDBACK_INTERVAL_S)
                # Postgres takes a silent reader for dead.
                self._feed_back(cursor, asyncio.get_running_loop().time())
        finally:
            waiting.cancel()

    def _feed_back(self, cursor: ReplicationCursor, now: float) -> None:
        if now - self._fed_back_at >= _FEEDBACK_INTERVAL_S:
            self._fed_back_at = now
            cursor.send_feedback(flush_lsn=cursor.wal_end, force=True)  # type: ignore[no-untyped-call]


def _first_line(error: psycopg2.Error) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
