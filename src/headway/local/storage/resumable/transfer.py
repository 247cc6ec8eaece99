"""Takes the bytes of a resumable upload, and completes it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson

from headway.local.storage.blob_names import BlobMissing
from headway.local.storage.blobs import BlobStore
from headway.local.storage.intake import Intake, opaque_etag
from headway.local.storage.options import StorageOptions
from headway.local.storage.requests import ClientGone, StorageRequest
from headway.local.storage.resumable.protocol import (
    TusFault,
    size_exceeded,
    upload_not_found,
    wrong_chunk_size,
)
from headway.local.storage.resumable.state import Upload, Uploads
from headway.local.storage.uploads import Uploader, UploadTarget, object_metadata

__all__ = ["Transfer"]


class Transfer:
    """Moves bytes from requests into an upload's file, and the file into place.

    Args:
        blobs: The disk.
        uploader: Checks policies and puts complete files in place.
        uploads: The state of uploads.
        options: The chunk size.
    """

    def __init__(
        self, blobs: BlobStore, uploader: Uploader, uploads: Uploads, options: StorageOptions
    ) -> None:
        self._blobs = blobs
        self._uploader = uploader
        self._uploads = uploads
        self._options = options

    async def probe(
        self,
        request: StorageRequest,
        target: UploadTarget,
        metadata: Mapping[str, str | None],
        length: int | None,
    ) -> int:
        """Find out whether the policies admit the upload; returns the most bytes that it may have.

        Args:
            request: The request.
            target: What is to be written.
            metadata: The ``Upload-Metadata``.
            length: Bytes of the whole, if known.

        Raises:
            StorageFault: they do not.
        """
        bucket = await self._uploader.probe(
            request,
            target,
            metadata=_known(metadata, length),
            user_metadata=_user_metadata(metadata),
        )
        return self._uploader.size_limit(bucket, target.key)

    async def receive(
        self,
        request: StorageRequest,
        target: UploadTarget,
        upload: Upload,
        limit: int,
        give_way: asyncio.Event,
    ) -> Upload:
        """Take a request's body; completes the upload when that was the rest. Returns its new state.

        Whatever has arrived when the connection ends, or when another request wants the upload, is kept.

        Args:
            request: The request, its body unread.
            target: What is to be written.
            upload: The state so far, with its lock held.
            limit: The most bytes that the object may have.
            give_way: Asks to stop early.

        Raises:
            TusFault: there is too much of it, or a chunk of the wrong size.
            ClientGone: the connection ended; what has arrived is kept.
            StorageFault: the upload is complete but the object is refused.
        """
        left = (limit if upload.length is None else upload.length) - upload.received
        if request.content_length is not None and request.content_length > left:
            raise size_exceeded()
        self._check_chunk(request.content_length, left, known=upload.length is not None)
        try:
            descriptor = await self._blobs.run(
                self._blobs.open_for_append, "resumable", str(upload.id), upload.received
            )
        except BlobMissing:
            raise upload_not_found() from None
        intake = Intake(self._blobs, "resumable", str(upload.id), descriptor)
        try:
            await self._read(request, intake, left, give_way)
        except TusFault:
            await intake.close()
            raise
        except BaseException:
            # Gone, or the stack is stopping: the client comes back for the rest.
            await self._keep(intake, upload)
            raise
        whole = replace(upload, received=upload.received + intake.size)
        if whole.received == whole.length:
            # Acknowledged only together with the object: a client that asks must not find it complete
            # while there is none.
            await self._write(intake, sync=True)
            return await self.complete(request, target, whole)
        await self._keep(intake, upload)
        return whole

    async def complete(self, request: StorageRequest, target: UploadTarget, upload: Upload) -> Upload:
        """Put the complete file in place as an object; returns the upload's last state.

        Args:
            request: The request.
            target: What is to be written.
            upload: Its state, with all bytes on disk.

        Raises:
            StorageFault: the object is refused; the last chunk can be sent again.
        """
        length = upload.received
        known = _known(upload.metadata, length)
        await self._uploader.publish(
            request,
            target,
            "resumable",
            str(upload.id),
            probe_metadata=known,
            metadata=object_metadata(
                opaque_etag(length),
                length,
                known.get("mimetype", "application/octet-stream"),
                upload.metadata.get("cacheControl") or "no-cache",
            ),
            user_metadata=_user_metadata(upload.metadata),
            version=str(upload.id),
            keep_file=True,
            also=lambda transaction: Uploads.complete(transaction, upload.id),
        )
        await self._blobs.run(self._blobs.discard, "resumable", str(upload.id))
        return replace(upload, completed=True)

    def _check_chunk(self, size: int | None, left: int, *, known: bool) -> None:
        wanted = self._options.resumable_chunk_bytes
        if wanted is None:
            return
        if size is None:
            raise TusFault(411, "Content-Length header required\n")
        is_last = size == left or not known
        if size > wanted or (size < wanted and not is_last):
            raise wrong_chunk_size(wanted)

    @staticmethod
    async def _read(request: StorageRequest, intake: Intake, left: int, give_way: asyncio.Event) -> None:
        async def read() -> None:
            async for piece in request.chunks():
                if intake.size + len(piece) > left:
                    raise size_exceeded()
                await intake.write(piece)

        reading = asyncio.ensure_future(read())
        asked = asyncio.ensure_future(give_way.wait())
        try:
            await asyncio.wait({reading, asked}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                await reading
        finally:
            asked.cancel()
            reading.cancel()
            with suppress(asyncio.CancelledError, TusFault, ClientGone):
                await reading

    @staticmethod
    async def _write(intake: Intake, *, sync: bool) -> None:
        try:
            await intake.finish(sync=sync)
        finally:
            await intake.close()

    async def _keep(self, intake: Intake, upload: Upload) -> None:
        # A part need not outlive a loss of power, only this process: it is on disk when the whole is.
        await self._write(intake, sync=False)
        if intake.size:
            await self._uploads.advance(upload.id, upload.received + intake.size)


def _known(metadata: Mapping[str, str | None], length: int | None) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if metadata.get("contentType"):
        known["mimetype"] = metadata["contentType"]
    if length is not None:
        known["contentLength"] = length
    return known


def _user_metadata(metadata: Mapping[str, str | None]) -> Any:
    text = metadata.get("metadata")
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
