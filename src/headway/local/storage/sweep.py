"""Removes files that nothing names: uploads that never ended, and bytes that lost their row.

A file is removed only when the database was asked after the file was seen, and no upload under way claims
it; so an upload that commits meanwhile is safe whichever comes first.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import suppress

from headway.local.storage.blob_names import BlobName
from headway.local.storage.blobs import BlobStore
from headway.local.storage.catalog import Catalog
from headway.local.storage.faults import StorageFault
from headway.local.storage.resumable.locks import UploadLocks
from headway.local.storage.resumable.state import Uploads

__all__ = ["Sweeper"]

_log = logging.getLogger("headway.storage")

_BATCH = 1000


class Sweeper:
    """Sweeps at start and from time to time.

    Args:
        catalog: The database.
        blobs: The disk.
        uploads: The state of resumable uploads.
        locks: Which of them are being worked on.
        interval_s: Seconds between two sweeps.
    """

    def __init__(
        self,
        catalog: Catalog,
        blobs: BlobStore,
        uploads: Uploads,
        locks: UploadLocks,
        interval_s: float,
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._uploads = uploads
        self._locks = locks
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None
        self.removed = 0

    async def start(self) -> None:
        """Drop what an earlier run left in ``incoming``, and sweep the rest in the background."""
        leftovers = await self._blobs.run(self._blobs.area_listing, "incoming")
        for name in leftovers:
            await self._blobs.run(self._blobs.discard, "incoming", name)
        self.removed += len(leftovers)
        await self._shorten_uploads()
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Stop sweeping; safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _work(self) -> None:
        while True:
            try:
                await self.sweep()
            except (StorageFault, OSError) as error:
                _log.warning("the sweep of stored files will be tried again: %s", error)
            await asyncio.sleep(self._interval_s)

    async def sweep(self) -> int:
        """Remove every file that nothing names; returns how many there were."""
        removed = await self._sweep_objects() + await self._sweep_resumable()
        self.removed += removed
        if removed:
            _log.info("removed %d stored files that nothing names", removed)
        return removed

    async def _sweep_objects(self) -> int:
        names = await self._blobs.run(self._blobs.listing)
        removed = 0
        for start in range(0, len(names), _BATCH):
            candidates = self._blobs.unclaimed(names[start : start + _BATCH])
            named = await self._named(candidates)
            for name in candidates:
                if name not in named:
                    await self._blobs.run(self._blobs.remove_file, name)
                    removed += 1
        return removed

    async def _named(self, candidates: list[str]) -> set[str]:
        """Those file names that rows stand behind."""
        versions = [name.partition(".")[2] for name in candidates]
        async with self._catalog.transaction(None) as transaction:
            rows = await transaction.fetch(
                "select bucket_id, name, version from storage.objects where version = any($1::text[])",
                versions,
            )
        return {BlobName(row["bucket_id"], row["name"], row["version"]).file_name for row in rows}

    async def _sweep_resumable(self) -> int:
        await self._uploads.forget_expired()
        names = await self._blobs.run(self._blobs.area_listing, "resumable")
        candidates = [name for name in names if not self._held(name)]
        unfinished = await self._uploads.unfinished()
        orphans = [name for name in candidates if name not in unfinished]
        for name in orphans:
            await self._blobs.run(self._blobs.discard, "resumable", name)
        return len(orphans)

    async def _shorten_uploads(self) -> None:
        """Where a loss of power took bytes that were acknowledged, ask the client for them again."""
        for name, received in (await self._uploads.unfinished()).items():
            length = await self._blobs.run(self._blobs.length, "resumable", name)
            if length is None:
                await self._uploads.delete(uuid.UUID(name))
            elif length < received:
                await self._uploads.advance(uuid.UUID(name), length)

    def _held(self, name: str) -> bool:
        try:
            return self._locks.held(uuid.UUID(name))
        except ValueError:
            return False
