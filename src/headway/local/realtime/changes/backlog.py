"""Changes that were read and not yet delivered, bounded so that the rest stays with Postgres."""

from __future__ import annotations

import asyncio
from collections import deque

from headway.local.realtime.wal.pgoutput import RowChange

__all__ = ["Backlog"]

_MAX_ROWS = 1_000
_MAX_BYTES = 8 * 1024 * 1024
_BATCH_ROWS = 200
_BATCH_BYTES = 1024 * 1024


class Backlog:
    """A queue between the reader of the log and the delivery."""

    def __init__(self) -> None:
        self._changes: deque[RowChange] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    def __len__(self) -> int:
        return len(self._changes)

    def put(self, change: RowChange) -> None:
        """Append a change; the reader stops by itself when the backlog is ``full``."""
        self._changes.append(change)
        self._bytes += change.size
        self._filled.set()

    def full(self) -> bool:
        """Whether no more should be read for now."""
        return len(self._changes) >= _MAX_ROWS or self._bytes >= _MAX_BYTES

    async def drained(self) -> None:
        """Wait until at least half of what may wait is gone."""
        while len(self._changes) > _MAX_ROWS // 2 or self._bytes > _MAX_BYTES // 2:
            self._drained.clear()
            await self._drained.wait()

    async def take(self) -> list[RowChange]:
        """Wait for changes; a batch of them, in their order."""
        while not self._changes:
            self._filled.clear()
            await self._filled.wait()
        batch: list[RowChange] = []
        size = 0
        while self._changes and len(batch) < _BATCH_ROWS and size < _BATCH_BYTES:
            change = self._changes.popleft()
            batch.append(change)
            size += change.size
        self._bytes -= size
        self._drained.set()
        return batch
