"""One request at a time works on an upload; a newer one asks an older one to give way.

A client that lost its connection comes back while the server may still wait for the rest of the old request,
so the newcomer has the right of way, as in the real service.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from headway.local.storage.resumable.protocol import upload_locked

__all__ = ["UploadLocks"]


class _Lock:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.give_way = asyncio.Event()
        self.users = 0


class UploadLocks:
    """The locks of all uploads.

    Args:
        timeout_s: Seconds that a request waits for another one to give way.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._locks: dict[UUID, _Lock] = {}
        self.releases = 0
        """How often any lock was given back: unchanged, no upload has changed."""

    @asynccontextmanager
    async def hold(self, upload_id: UUID) -> AsyncIterator[asyncio.Event]:
        """Work on an upload alone; yields the event that asks to stop early.

        Args:
            upload_id: The upload.

        Raises:
            TusFault: 423, the other request did not give way in time.
        """
        lock = self._locks.setdefault(upload_id, _Lock())
        lock.users += 1
        try:
            lock.give_way.set()
            try:
                async with asyncio.timeout(self._timeout_s):
                    await lock.lock.acquire()
            except TimeoutError:
                raise upload_locked() from None
            try:
                # The event that was set was meant for the predecessor; whoever waits already is newer.
                lock.give_way = asyncio.Event()
                if lock.users > 1:
                    lock.give_way.set()
                yield lock.give_way
            finally:
                self.releases += 1
                lock.lock.release()
        finally:
            lock.users -= 1
            if lock.users == 0:
                del self._locks[upload_id]

    def held(self, upload_id: UUID) -> bool:
        """Whether a request works on an upload.

        Args:
            upload_id: The upload.
        """
        return upload_id in self._locks

    def __len__(self) -> int:
        return len(self._locks)
