"""A checksum taken on the way, whatever was sent twice or by an earlier process."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from headway.client.files.source import Opened

__all__ = ["RunningDigest"]


class RunningDigest:
    """The SHA-256 of a source while its pieces pass by.

    Args:
        source: The source.
    """

    def __init__(self, source: Opened) -> None:
        self._source = source
        self._sha256 = hashlib.sha256()
        self._taken = 0

    async def passing(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The pieces of a part, each taken into account once."""
        await self._reach(start)
        place = start
        async for piece in self._source.pieces(start, length):
            if place + len(piece) > self._taken:
                self._sha256.update(piece[self._taken - place :])
                self._taken = place + len(piece)
            place += len(piece)
            yield piece

    async def hexdigest(self) -> str:
        """The checksum of the whole; what never passed by is read now."""
        await self._reach(self._source.size)
        return self._sha256.hexdigest()

    async def _reach(self, place: int) -> None:
        if place > self._taken:
            async for piece in self._source.pieces(self._taken, place - self._taken):
                self._sha256.update(piece)
                self._taken += len(piece)
