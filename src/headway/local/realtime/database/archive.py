"""Stored messages: replayed to whoever joins late, and kept in daily partitions.

Source: supabase/realtime ``lib/realtime/messages.ex`` and ``lib/realtime/tenants.ex``.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from headway.local.realtime.database.sessions import Pool

__all__ = ["Archive", "ReplayFailed", "ReplayInvalid", "StoredMessage"]

_log = logging.getLogger("headway.realtime")

_MOST_REPLAYED = 25
_UPKEEP_RETRY_S = 60
# A little after midnight is soon enough: partitions exist three days ahead.
_UPKEEP_AFTER_MIDNIGHT = timedelta(minutes=5)


class ReplayInvalid(Exception):
    """``since`` or ``limit`` is no usable number."""


class ReplayFailed(Exception):
    """Postgres did not answer."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A row of ``realtime.messages``; either payload may be missing.

    Args:
        payload: JSON text.
    """

    id: str
    event: str
    payload: str | None
    binary_payload: bytes | None


class Archive:
    """Reads and tidies ``realtime.messages``.

    Args:
        pool: Connections as ``supabase_admin``.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def replay(self, topic: str, since: Any, limit: Any) -> list[StoredMessage]:
        """The newest stored messages of a private topic, oldest first.

        Args:
            topic: Without ``realtime:``.
            since: Unix milliseconds.
            limit: How many; clamped to 1 to 25.

        Raises:
            ReplayInvalid: ``since`` or ``limit`` is no integer, or no point in time.
            ReplayFailed: Postgres did not answer.
        """
        if type(since) is not int or type(limit) is not int:
            raise ReplayInvalid
        try:
            moment = datetime.fromtimestamp(since / 1000, UTC).replace(tzinfo=None)
        except (OverflowError, ValueError, OSError) as error:
            raise ReplayInvalid from error
        try:
            rows = await self._pool.fetch(
                """
                select id::text, event, payload::text, binary_payload from (
                  select id, event, payload, binary_payload, inserted_at from realtime.messages
                   where topic = $1 and private and extension = 'broadcast' and inserted_at >= $2
                     and inserted_at < (now() at time zone 'utc') + interval '1 minute'
                   order by inserted_at desc limit $3) as newest
                 order by inserted_at
                """,
                topic,
                moment,
                max(1, min(limit, _MOST_REPLAYED)),
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise ReplayFailed from error
        return [StoredMessage(row["id"], row["event"] or "", row[2], row[3]) for row in rows]

    async def upkeep(self) -> None:
        """Make the partitions of the coming days and drop those older than 72 hours."""
        async with self._pool.acquire() as connection:
            made = await connection.fetchval("select realtime.ensure_partitions()")
            dropped = await connection.fetchval("select realtime.drop_old_partitions()")
        if made or dropped:
            _log.info("partitions of realtime.messages: %s made, %s dropped", made, dropped)

    async def keep_up(self) -> None:
        """``upkeep`` every day, for ever."""
        while True:
            now = datetime.now(UTC)
            midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
            await asyncio.sleep((midnight + _UPKEEP_AFTER_MIDNIGHT - now).total_seconds())
            while True:
                try:
                    await self.upkeep()
                    break
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                    _log.warning("partitions of realtime.messages could not be tended: %s", error)
                    await asyncio.sleep(_UPKEEP_RETRY_S)
