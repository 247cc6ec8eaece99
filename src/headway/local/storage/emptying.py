"""Empties buckets in the background, as the real service does; what is queued survives a restart."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from headway.local.storage.blob_names import BlobName
from headway.local.storage.blobs import BlobStore
from headway.local.storage.callers import Callers
from headway.local.storage.catalog import Catalog, Transaction
from headway.local.storage.faults import StorageFault

__all__ = ["BucketEmptier"]

_log = logging.getLogger("headway.storage")

_BATCH = 500
_RETRY_S = 5.0


class BucketEmptier:
    """Deletes the objects of queued buckets.

    Args:
        catalog: The database.
        blobs: The disk.
        callers: For the elevated identity.
    """

    def __init__(self, catalog: Catalog, blobs: BlobStore, callers: Callers) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._callers = callers
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def queue(self, transaction: Transaction, bucket_id: str) -> None:
        """Note that the objects which a bucket has now are to go.

        Args:
            transaction: An open transaction; it goes on with the schema owner's rights.
            bucket_id: The bucket.
        """
        await transaction.act_as_owner()
        await transaction.execute(
            "insert into _storage_local.emptied_buckets (bucket_id) values ($1) on conflict do nothing",
            bucket_id,
        )

    def wake(self) -> None:
        """Look into the queue, once the transaction that queued is committed."""
        self._wake.set()

    def start(self) -> None:
        """Begin with what an earlier run left."""
        self._wake.set()
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Stop after the current batch at the latest; safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while await self._empty_some():
                    pass
            except (StorageFault, OSError) as error:
                _log.warning("emptying a bucket will be tried again: %s", error)
                asyncio.get_running_loop().call_later(_RETRY_S, self._wake.set)

    async def _empty_some(self) -> bool:
        """Delete one batch; whether there is more to do."""
        async with self._catalog.transaction(None) as transaction:
            queued = await transaction.fetchrow(
                "select bucket_id, before from _storage_local.emptied_buckets order by before limit 1"
            )
            if queued is None:
                return False
            await transaction.act_as(self._callers.elevated)
            rows = await transaction.fetch(
                """
                delete from storage.objects where id in (
                  select id from storage.objects where bucket_id = $1 and created_at <= $2 limit $3
                ) returning name, version
                """,
                queued["bucket_id"],
                queued["before"],
                _BATCH,
            )
            if not rows:
                await transaction.act_as_owner()
                await transaction.execute(
                    "delete from _storage_local.emptied_buckets where bucket_id = $1 and before = $2",
                    queued["bucket_id"],
                    queued["before"],
                )
        blobs = [BlobName(queued["bucket_id"], row["name"], row["version"]) for row in rows]
        await self._blobs.run(self._blobs.remove, *blobs)
        return True
