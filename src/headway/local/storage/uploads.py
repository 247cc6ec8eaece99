"""Standard uploads: from a request's body to an object in place.

The order is: probe the policies, write the file under a temporary name, give it its final name, commit the
row, remove the bytes it replaces. Whatever stops in between leaves either the old object or the new one; a
file without a row is served to nobody and swept away.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson

from headway.local.storage.blob_names import BlobName
from headway.local.storage.blobs import BlobStore
from headway.local.storage.callers import Caller, Callers
from headway.local.storage.catalog import Catalog, Transaction
from headway.local.storage.database_faults import outcome_is_unknown
from headway.local.storage.faults import entity_too_large
from headway.local.storage.intake import Intake
from headway.local.storage.multipart import read_form
from headway.local.storage.names import (
    check_bucket_name,
    check_header_value,
    check_key,
    check_mime_type,
    is_folder_placeholder,
)
from headway.local.storage.options import StorageOptions
from headway.local.storage.replies import js_time
from headway.local.storage.requests import StorageRequest
from headway.local.storage.robots import check_robots_tag
from headway.local.storage.rows import (
    Bucket,
    NewObject,
    find_bucket,
    find_object,
    lock_names,
    try_write,
    write_object,
)

__all__ = ["UploadTarget", "Uploader", "parse_user_metadata"]

Work = Callable[[Transaction], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """What is to be written, and on whose behalf.

    Args:
        bucket_id: The bucket.
        key: The object's key.
        owner: Who will own it; ``None`` for API keys.
        upsert: Whether an existing object may be replaced.
        caller: Whose policies decide; ``None`` when a signed URL already did.
    """

    bucket_id: str
    key: str
    owner: str | None
    upsert: bool
    caller: Caller | None


@dataclass(frozen=True, slots=True)
class _Incoming:
    mime_type: str
    cache_control: str
    robots_tag: str | None
    user_metadata: Any
    content: AsyncIterator[bytes]


class Uploader:
    """Takes objects in.

    Args:
        catalog: The database.
        blobs: The disk.
        callers: For the elevated identity.
        options: The limits.
    """

    def __init__(self, catalog: Catalog, blobs: BlobStore, callers: Callers, options: StorageOptions) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._callers = callers
        self._options = options
        self.running = 0
        self.completed = 0

    def size_limit(self, bucket: Bucket, key: str) -> int:
        """The most bytes that an object of this name may have.

        Args:
            bucket: Its bucket.
            key: Its key.
        """
        if is_folder_placeholder(key):
            return 0
        if bucket.file_size_limit is None:
            return self._options.file_size_limit
        return min(bucket.file_size_limit, self._options.file_size_limit)

    async def probe(
        self,
        request: StorageRequest,
        target: UploadTarget,
        *,
        metadata: Mapping[str, Any],
        user_metadata: Any,
    ) -> Bucket:
        """Find out whether the policies admit an upload before its bytes are taken; returns its bucket.

        Args:
            request: The request.
            target: What is to be written.
            metadata: What is known of the file by now.
            user_metadata: What the uploader says of it.

        Raises:
            StorageFault: they do not, there is no such bucket, or there is such an object and it is not to
                be replaced.
        """
        bucket = await find_bucket(self._catalog, target.bucket_id)
        await self._probe(request, target, metadata, user_metadata)
        return bucket

    async def _probe(
        self, request: StorageRequest, target: UploadTarget, metadata: Mapping[str, Any], user_metadata: Any
    ) -> None:
        row = NewObject(target.bucket_id, target.key, "1", target.owner, metadata, user_metadata)
        caller = target.caller or self._callers.elevated
        async with self._catalog.transaction(request, caller, commit=False) as transaction:
            await try_write(transaction, row, upsert=target.upsert)

    async def take(self, request: StorageRequest, target: UploadTarget) -> asyncpg.Record:
        """Take the object in a request's body; returns its row.

        Args:
            request: The request, its body unread.
            target: What is to be written.

        Raises:
            StorageFault: it is refused; nothing is left of it then.
            ClientGone: so did the client; nothing is left of it either.
        """
        check_bucket_name(target.bucket_id)
        self.running += 1
        try:
            bucket = await find_bucket(self._catalog, target.bucket_id)
            check_key(target.key)
            incoming = await self._open(request, bucket, target.key)
            limit = self.size_limit(bucket, target.key)
            known: dict[str, Any] = {"mimetype": incoming.mime_type}
            if request.content_length is not None:
                known["contentLength"] = request.content_length
            await self._probe(request, target, known, incoming.user_metadata)
            intake = Intake.new(self._blobs)
            try:
                async for piece in incoming.content:
                    await intake.write(piece)
                    if intake.size > limit:
                        raise entity_too_large()
                await intake.finish()
                row = await self.publish(
                    request,
                    target,
                    intake.area,
                    intake.name,
                    probe_metadata=known,
                    metadata=object_metadata(
                        intake.etag,
                        intake.size,
                        incoming.mime_type,
                        incoming.cache_control,
                        incoming.robots_tag,
                    ),
                    user_metadata=incoming.user_metadata,
                )
            except BaseException:
                await intake.abandon()
                raise
            self.completed += 1
            return row
        finally:
            self.running -= 1

    async def publish(
        self,
        request: StorageRequest,
        target: UploadTarget,
        area: str,
        file_name: str,
        *,
        probe_metadata: Mapping[str, Any],
        metadata: Mapping[str, Any],
        user_metadata: Any,
        version: str | None = None,
        keep_file: bool = False,
        also: Work | None = None,
    ) -> asyncpg.Record:
        """Put a complete file in place as an object; returns the object's row.

        The policies are probed again: since the first probe another one may have taken the name, whose
        object this caller may not replace.

        Args:
            request: The request.
            target: What is to be written.
            area: The store's directory of the file.
            file_name: The file's name there.
            probe_metadata: What the policies see, as with the first probe.
            metadata: What Storage knows of the bytes.
            user_metadata: What the uploader says of them; ``None`` for nothing.
            version: The version to give it; a new one when ``None``.
            keep_file: Whether the file keeps its former name until the caller removes it.
            also: More work in the same transaction, with the schema owner's rights.

        Raises:
            StorageFault: it is refused; the file is gone unless it was to be kept.
        """
        version = version or str(uuid.uuid4())
        blob = BlobName(target.bucket_id, target.key, version)
        row = NewObject(
            target.bucket_id,
            target.key,
            version,
            target.owner,
            metadata,
            {} if user_metadata is None else user_metadata,
        )
        with self._blobs.claim(blob):
            await self._blobs.run(self._blobs.place, area, file_name, blob, keep=keep_file)
            try:
                async with self._catalog.transaction(request) as transaction:
                    if also is not None:
                        await also(transaction)
                    await transaction.act_as(self._callers.elevated)
                    await lock_names(transaction, (target.bucket_id, target.key))
                    former = await find_object(transaction, target.bucket_id, target.key, lock=True)
                    if target.caller is not None:
                        probe = replace(
                            row, version="1", metadata=probe_metadata, user_metadata=user_metadata
                        )
                        async with transaction.probe(target.caller):
                            await try_write(transaction, probe, upsert=target.upsert)
                    written = await write_object(transaction, row, upsert=target.upsert)
            except BaseException as error:
                # Where the commit's outcome is not known, the sweep asks the database.
                if not outcome_is_unknown(error):
                    await self._blobs.run(self._blobs.remove, blob)
                raise
        assert written is not None
        if former is not None:
            await self._blobs.run(
                self._blobs.remove, BlobName(target.bucket_id, target.key, former["version"])
            )
        return written

    async def _open(self, request: StorageRequest, bucket: Bucket, key: str) -> _Incoming:
        robots_tag = request.headers.get("x-robots-tag")
        if robots_tag:
            check_robots_tag(robots_tag)
        body = request.chunks()
        content_type = request.content_type or ""
        if content_type.startswith("multipart/form-data"):
            form = await read_form(content_type, body)
            seconds = form.fields.get("cacheControl")
            described = form.fields.get("metadata", form.fields.get("userMetadata"))
            incoming = _Incoming(
                form.fields.get("contentType") or form.content_type,
                f"max-age={seconds}" if seconds else "no-cache",
                robots_tag,
                None if described is None else _json_or_none(described.encode()),
                form.content,
            )
        else:
            encoded = request.headers.get("x-metadata")
            incoming = _Incoming(
                content_type or "application/octet-stream",
                request.headers.get("cache-control", "no-cache"),
                robots_tag,
                None if encoded is None else parse_user_metadata(encoded),
                body,
            )
            if (request.content_length or 0) > self.size_limit(bucket, key):
                raise entity_too_large()
        check_header_value("content-type", incoming.mime_type)
        check_header_value("cache-control", incoming.cache_control)
        if not is_folder_placeholder(key):
            check_mime_type(incoming.mime_type, bucket.allowed_mime_types)
        return incoming


def object_metadata(
    etag: str, size: int, mime_type: str, cache_control: str, robots_tag: str | None = None
) -> dict[str, Any]:
    """The ``metadata`` column of a new object.

    Args:
        etag: The quoted entity tag.
        size: Bytes.
        mime_type: The content type.
        cache_control: The header to send with every download.
        robots_tag: Likewise, if the uploader set one.
    """
    metadata: dict[str, Any] = {
        "eTag": etag,
        "size": size,
        "mimetype": mime_type,
        "cacheControl": cache_control,
        "lastModified": js_time(datetime.now(UTC)),
        "contentLength": size,
        "httpStatusCode": 200,
    }
    if robots_tag:
        metadata["xRobotsTag"] = robots_tag
    return metadata


def parse_user_metadata(encoded: str) -> Any:
    """The value of an ``x-metadata`` header; ``None`` for what is no base64 of JSON, as in the real service.

    Args:
        encoded: The header.
    """
    try:
        return _json_or_none(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (binascii.Error, ValueError):
        return None


def _json_or_none(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
