"""The service that the gateway mounts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp

from headway.local.service import Service, StackContext
from headway.local.storage.app import StorageApp
from headway.local.storage.blobs import BlobStore
from headway.local.storage.buckets import BucketEndpoints
from headway.local.storage.callers import Callers
from headway.local.storage.catalog import Catalog
from headway.local.storage.configured import create_configured_buckets
from headway.local.storage.emptying import BucketEmptier
from headway.local.storage.listing import ListEndpoints
from headway.local.storage.objects import ObjectEndpoints
from headway.local.storage.options import StorageOptions
from headway.local.storage.relocation import RelocationEndpoints
from headway.local.storage.resumable.endpoints import ResumableEndpoints
from headway.local.storage.resumable.locks import UploadLocks
from headway.local.storage.resumable.state import Uploads
from headway.local.storage.routing import Router
from headway.local.storage.schema import create_own_tables
from headway.local.storage.sweep import Sweeper
from headway.local.storage.system import SystemEndpoints
from headway.local.storage.tokens import SignedUrls
from headway.local.storage.uploads import Uploader

__all__ = ["StorageService", "build"]


class StorageService:
    """Buckets and objects behind ``/storage/v1``.

    Args:
        context: The stack.
        options: Limits and times; the hosted service's when omitted.
    """

    name = "storage"

    def __init__(self, context: StackContext, options: StorageOptions | None = None) -> None:
        self._context = context
        options = options or StorageOptions(
            file_size_limit=context.config.storage.file_size_limit,
            resumable_chunk_bytes=context.settings.resumable_chunk_bytes or None,
        )
        self._callers = Callers(context.verifier, context.keys)
        self._catalog = Catalog(context.database)
        self._blobs = BlobStore(context.data_dir / self.name, durable=context.settings.durable)
        self._uploader = Uploader(self._catalog, self._blobs, self._callers, options)
        self._emptier = BucketEmptier(self._catalog, self._blobs, self._callers)
        self._locks = UploadLocks(options.resumable_lock_timeout_s)
        uploads = Uploads(self._catalog, options.resumable_lifetime_s)
        self.sweeper = Sweeper(self._catalog, self._blobs, uploads, self._locks, options.sweep_interval_s)
        signed_urls = SignedUrls(context.keys.jwt_secret)
        catalog, blobs, callers, uploader = self._catalog, self._blobs, self._callers, self._uploader
        self.app: ASGIApp = StorageApp(
            Router(
                [
                    *ResumableEndpoints(
                        catalog,
                        blobs,
                        callers,
                        uploader,
                        uploads,
                        self._locks,
                        signed_urls,
                        options,
                        context.public_url,
                    ).routes(),
                    *BucketEndpoints(catalog, callers, self._emptier, options).routes(),
                    *ListEndpoints(catalog, callers).routes(),
                    *RelocationEndpoints(catalog, blobs, callers).routes(),
                    *ObjectEndpoints(catalog, blobs, callers, uploader, signed_urls, options).routes(),
                    *SystemEndpoints(catalog, callers).routes(),
                ]
            )
        )

    async def start(self) -> None:
        """Open the directories and the first connection, and make the configured buckets."""
        await asyncio.gather(self._catalog.start(), self._blobs.start())
        await create_own_tables(self._context.database, self._catalog)
        await create_configured_buckets(self._catalog, self._callers, self._context.config.storage)
        await self.sweeper.start()
        self._emptier.start()

    async def stop(self) -> None:
        """Stop the background work and close everything; safe to call twice, and before ``start``."""
        await self._emptier.stop()
        await self.sweeper.stop()
        await self._catalog.stop()
        await self._blobs.stop()

    def status(self) -> Mapping[str, Any]:
        """Uploads under way and done, and what was swept away."""
        return {
            "uploading": self._uploader.running,
            "uploaded": self._uploader.completed,
            "resumable_active": len(self._locks),
            "orphans_removed": self.sweeper.removed,
            "connections": self._catalog.size,
        }


def build(context: StackContext) -> Service:
    """The service, not started.

    Args:
        context: The stack.
    """
    return StorageService(context)
