"""Sends objects and what is known of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import asyncpg

from headway.local.storage.blob_names import BlobMissing, BlobName
from headway.local.storage.blobs import BlobStore, OpenBlob
from headway.local.storage.faults import StorageFault
from headway.local.storage.preconditions import ByteRange, not_modified, requested_range
from headway.local.storage.replies import Reply, http_date, js_time, json_reply
from headway.local.storage.requests import StorageRequest
from headway.local.storage.robots import check_robots_tag

__all__ = ["FindRow", "head_reply", "info_reply", "send_object"]

FindRow = Callable[[], Awaitable[asyncpg.Record]]

_CHUNK = 512 * 1024
_ATTEMPTS = 5
# encodeURIComponent leaves these as they are.
_URI_COMPONENT_SAFE = "-_.!~*'()"


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a row's ``metadata`` says; anything may stand there, since SQL can write it."""

    etag: str
    content_type: str | None
    cache_control: str | None
    last_modified: datetime | None
    size: int | None
    robots_tag: str

    @classmethod
    def of(cls, row: asyncpg.Record) -> _Facts:
        metadata = row["metadata"] if isinstance(row["metadata"], dict) else {}
        size = metadata.get("contentLength", metadata.get("size"))
        return cls(
            etag=_text(metadata, "eTag") or f'"{row["version"]}"',
            content_type=_text(metadata, "mimetype"),
            cache_control=_text(metadata, "cacheControl"),
            last_modified=_moment(_text(metadata, "lastModified")),
            size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
            robots_tag=_robots(_text(metadata, "xRobotsTag")),
        )

    @property
    def served_type(self) -> str | None:
        """As the real service, HTML is shown as text, so that nobody hosts pages here."""
        if self.content_type is not None and "text/html" in self.content_type.lower():
            return "text/plain"
        return self.content_type

    def validators(self) -> list[tuple[str, str]]:
        headers = [("etag", self.etag)]
        if self.last_modified is not None:
            headers.append(("last-modified", http_date(self.last_modified)))
        return headers


async def send_object(
    request: StorageRequest,
    blobs: BlobStore,
    find: FindRow,
    *,
    expires: datetime | None = None,
) -> Reply:
    """The answer that carries an object's bytes, or the part of them that was asked for.

    Args:
        request: The request, with its ranges and conditions.
        blobs: The disk.
        find: Finds the object's row, again when its bytes were replaced meanwhile.
        expires: When a signed URL expires, which replaces the object's cache control.

    Raises:
        StorageFault: there is no such object, no bytes, or no such range.
    """
    row, blob = await _open_current(blobs, find)
    keep = False
    try:
        facts = _Facts.of(row)
        headers = [*facts.validators(), ("x-robots-tag", facts.robots_tag)]
        if expires is not None:
            headers.append(("expires", http_date(expires)))
        elif facts.cache_control:
            headers.append(("cache-control", facts.cache_control))
        if not_modified(request.headers, facts.etag, facts.last_modified):
            return Reply(304, headers)
        part = requested_range(request.headers, blob.size, facts.etag, facts.last_modified)
        start, length = part or (0, blob.size)
        headers += [("accept-ranges", "bytes"), ("content-length", str(length))]
        headers += _disposition(request)
        if facts.served_type:
            headers.append(("content-type", facts.served_type))
        if part is not None:
            headers.append(("content-range", f"bytes {start}-{start + length - 1}/{blob.size}"))
        status = 200 if part is None else 206
        if request.method == "HEAD":
            return Reply(status, headers)
        if length <= _CHUNK:
            return Reply(status, headers, await blobs.run(blob.read, start, length))
        keep = True
        return Reply(status, headers, _BlobStream(request, blobs, blob, (start, length)))
    finally:
        if not keep:
            blob.close()


def head_reply(row: asyncpg.Record) -> Reply:
    """The answer to HEAD, from the row alone.

    Args:
        row: The object's row.
    """
    facts = _Facts.of(row)
    headers = [("accept-ranges", "bytes"), *facts.validators(), ("x-robots-tag", facts.robots_tag)]
    if facts.served_type:
        headers.append(("content-type", facts.served_type))
    if facts.size is not None:
        headers.append(("content-length", str(facts.size)))
    if facts.cache_control:
        headers.append(("cache-control", facts.cache_control))
    return Reply(200, headers)


def info_reply(row: asyncpg.Record) -> Reply:
    """What is known of an object, as JSON.

    Args:
        row: The object's row.
    """
    facts = _Facts.of(row)
    headers = facts.validators()
    if facts.cache_control:
        headers.append(("cache-control", facts.cache_control))
    content = {
        "id": str(row["id"]),
        "name": row["name"],
        "version": row["version"],
        "bucket_id": row["bucket_id"],
        "size": facts.size,
        "content_type": facts.content_type,
        "cache_control": facts.cache_control,
        "etag": facts.etag,
        "metadata": row["user_metadata"],
        "last_modified": js_time(row["updated_at"]),
        "created_at": js_time(row["created_at"]),
    }
    return json_reply(content, headers=headers)


async def _open_current(blobs: BlobStore, find: FindRow) -> tuple[asyncpg.Record, OpenBlob]:
    former = None
    for _ in range(_ATTEMPTS):
        row = await find()
        try:
            return row, await blobs.run(blobs.open, BlobName(row["bucket_id"], row["name"], row["version"]))
        except BlobMissing:
            # Replaced between the two looks, or really without bytes: the row tells.
            if row["version"] == former:
                break
            former = row["version"]
    raise StorageFault(
        404,
        "NoSuchKey",
        "The resource was not found",
        error="Not found",
        headers=(("cache-control", "no-store"),),
    )


class _BlobStream:
    """Part of a blob; the next chunk is read while one is being sent."""

    def __init__(self, request: StorageRequest, blobs: BlobStore, blob: OpenBlob, part: ByteRange) -> None:
        self._request = request
        self._blobs = blobs
        self._blob = blob
        self._part = part
        self._ahead: asyncio.Future[bytes] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        offset, left = self._part
        # The server swallows what is sent to a closed connection, so the end must be listened for.
        gone = asyncio.ensure_future(self._request.gone())
        try:
            self._read_ahead(offset, left)
            while self._ahead is not None and not gone.done():
                chunk = await asyncio.shield(self._ahead)
                if not chunk:
                    raise OSError("a blob is shorter than it was")
                offset += len(chunk)
                left -= len(chunk)
                self._read_ahead(offset, left)
                yield chunk
        finally:
            gone.cancel()

    def _read_ahead(self, offset: int, left: int) -> None:
        self._ahead = None
        if left > 0:
            self._ahead = asyncio.ensure_future(self._blobs.run(self._blob.read, offset, min(_CHUNK, left)))

    async def aclose(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            # The descriptor must not be closed, and its number given away, under a thread that reads it.
            await asyncio.wait([ahead])
            ahead.exception()
        self._blob.close()


def _disposition(request: StorageRequest) -> list[tuple[str, str]]:
    name = request.query.get("download")
    if name is None:
        return []
    if not name:
        return [("content-disposition", "attachment;")]
    encoded = quote(name, safe=_URI_COMPONENT_SAFE)
    return [("content-disposition", f"attachment; filename={encoded}; filename*=UTF-8''{encoded}")]


def _text(metadata: dict[str, Any], name: str) -> str | None:
    value = metadata.get(name)
    return value if isinstance(value, str) and value else None


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _robots(text: str | None) -> str:
    if text is None:
        return "none"
    try:
        return check_robots_tag(text)
    except StorageFault:
        return "none"
