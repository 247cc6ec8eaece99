"""Broadcasts from the database: rows of ``realtime.messages``, read from the log as they are committed.

Source: supabase/realtime ``lib/realtime/tenants/replication_connection.ex``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import asyncpg

from headway.local.database import Database
from headway.local.realtime.database.sessions import Pool
from headway.local.realtime.protocol.outbound import UserBroadcast
from headway.local.realtime.wal.pgoutput import Decoder, LogMalformed, RowChange, Unchanged
from headway.local.realtime.wal.stream import LogStream, StreamBroken

if TYPE_CHECKING:
    from headway.local.realtime.engine import Engine

__all__ = ["DatabaseBroadcasts"]

_log = logging.getLogger("headway.realtime")

_PUBLICATION = "supabase_realtime_messages_publication"
_NOTE_INTERVAL_S = 10.0
_RETRIES_S = (0.05, 0.1, 0.25, 0.5, 1.0)


class DatabaseBroadcasts:
    """Follows ``realtime.messages`` for as long as the service runs, through any loss of Postgres.

    Args:
        database: The stack's database.
        pool: Connections as ``supabase_admin``.
    """

    def __init__(self, database: Database, pool: Pool) -> None:
        self._database = database
        self._pool = pool
        self._decoder = Decoder()
        self._streaming = asyncio.Event()
        self._stream: LogStream | None = None
        self._engine: Engine | None = None
        self._drop_noted_at = -_NOTE_INTERVAL_S
        self.delivered = 0
        self.dropped = 0

    @property
    def streaming(self) -> bool:
        """Whether messages that are committed now will be delivered."""
        return self._streaming.is_set()

    async def ready(self, timeout_s: float) -> bool:
        """Wait until ``streaming``; ``False`` after ``timeout_s`` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._streaming.wait()
        except TimeoutError:
            return False
        return True

    def break_off(self) -> None:
        """Lose the connection, as when Postgres restarts; it is made anew at once."""
        self._streaming.clear()
        if self._stream is not None:
            self._stream.close()

    async def run(self, engine: Engine) -> None:
        """Deliver for ever.

        Args:
            engine: The service's parts.
        """
        self._engine = engine
        failures = 0
        while True:
            try:
                await self._ensure_publication()
                self._decoder = Decoder()
                self._stream = LogStream(self._database, _PUBLICATION, self._handle)
                await self._stream.open()
                failures = 0
                self._streaming.set()
                await self._stream.follow()
            except (
                StreamBroken,
                LogMalformed,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                OSError,
            ) as error:
                _log.info("the stream of realtime.messages broke: %s", error)
            finally:
                self._streaming.clear()
                self._stream.close() if self._stream is not None else None
            await asyncio.sleep(_RETRIES_S[min(failures, len(_RETRIES_S) - 1)])
            failures += 1

    async def _ensure_publication(self) -> None:
        async with self._pool.acquire() as connection:
            try:
                if not await connection.fetchval(
                    "select exists (select from pg_publication where pubname = $1)", _PUBLICATION
                ):
                    await connection.execute(f"create publication {_PUBLICATION} for table realtime.messages")
            except asyncpg.DuplicateObjectError:
                pass  # another service on the same database was faster

    def _handle(self, message: bytes) -> None:
        decoded = self._decoder.decode(message)
        if isinstance(decoded, RowChange) and decoded.action == "INSERT":
            try:
                self._deliver(decoded)
            except Exception:  # noqa: BLE001 - one bad message must not end the stream; the cause is logged
                _log.exception("a broadcast from the database could not be delivered")

    def _deliver(self, change: RowChange) -> None:
        engine = self._engine
        assert engine is not None
        assert change.new is not None
        row: Mapping[str, bytes | Unchanged | None] = {
            column.name: value for column, value in zip(change.relation.columns, change.new, strict=True)
        }
        topic, event, message_id = row.get("topic"), row.get("event"), row.get("id")
        private = row.get("private")
        binary, json = row.get("binary_payload"), row.get("payload")
        payload = bytes.fromhex(binary[2:].decode()) if isinstance(binary, bytes) else json
        if not (
            isinstance(topic, bytes)
            and isinstance(event, bytes)
            and isinstance(message_id, bytes)
            and isinstance(payload, bytes)
            and isinstance(private, bytes)
        ):
            return
        traffic, limits = engine.traffic, engine.limits
        if not limits.payload_fits(len(payload)) or traffic.too_many_events(limits):
            self._note_drop()
            return
        traffic.count_event(limits, len(payload))
        self.delivered += 1
        room = engine.hub.room(topic.decode(), private=private == b"t")
        if room is not None:
            room.send(
                UserBroadcast(
                    f"realtime:{room.name}",
                    event.decode(),
                    payload,
                    is_json=not isinstance(binary, bytes),
                    meta={"id": message_id.decode()},
                )
            )

    def _note_drop(self) -> None:
        """Log that messages are dropped, without flooding the log as the sender floods the database."""
        now = time.monotonic()
        self.dropped += 1
        if now - self._drop_noted_at >= _NOTE_INTERVAL_S:
            self._drop_noted_at = now
            _log.warning("broadcasts from the database are over a limit; %s dropped so far", self.dropped)
