"""The endpoints below ``/upload/resumable``.

Source: the TUS protocol 1.0.0, supabase/storage ``src/http/routes/tus``, ``supabase-protocols.md`` D.7.
Stricter than the real service in two points: an upload belongs to whoever began it, and a missing content
type does not pass a bucket's list of types.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from headway.local.storage.blobs import BlobStore
from headway.local.storage.callers import Caller, Callers
from headway.local.storage.catalog import Catalog
from headway.local.storage.faults import StorageFault, invalid_request, invalid_signature
from headway.local.storage.names import (
    check_bucket_name,
    check_header_value,
    check_key,
    check_mime_type,
    is_folder_placeholder,
)
from headway.local.storage.options import StorageOptions
from headway.local.storage.replies import Reply, http_date
from headway.local.storage.requests import StorageRequest
from headway.local.storage.resumable.locks import UploadLocks
from headway.local.storage.resumable.protocol import (
    EXTENSIONS,
    PATCH_TYPE,
    VERSION,
    TusFault,
    already_complete,
    check_headers,
    format_metadata,
    invalid_length,
    maximum_size_exceeded,
    missing_offset,
    parse_metadata,
    tus_fault,
    tus_reply,
    upload_expired,
    upload_not_found,
    wrong_content_type,
    wrong_offset,
)
from headway.local.storage.resumable.state import Upload, Uploads
from headway.local.storage.resumable.transfer import Transfer
from headway.local.storage.routing import Handler, Route
from headway.local.storage.rows import find_bucket
from headway.local.storage.tokens import SignedUrls
from headway.local.storage.uploads import Uploader, UploadTarget

__all__ = ["ResumableEndpoints"]

_SECONDS = re.compile(r"-?\d{1,18}")
_OVERRIDES = ("PATCH", "HEAD", "DELETE")

Work = Callable[[StorageRequest, str, Caller | None], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class _Address:
    """What the last segment of an upload's URL says."""

    bucket_id: str
    key: str
    upload_id: uuid.UUID

    @classmethod
    def parse(cls, text: str) -> _Address:
        try:
            decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            path, _, version = decoded.rpartition("/")
            bucket_id, _, key = path.partition("/")
            upload_id = uuid.UUID(version)
        except (binascii.Error, ValueError):
            raise upload_not_found() from None
        check_bucket_name(bucket_id)
        check_key(key)
        return cls(bucket_id, key, upload_id)

    def __str__(self) -> str:
        text = f"{self.bucket_id}/{self.key}/{self.upload_id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


class ResumableEndpoints:
    """Creates, continues, shows and drops resumable uploads.

    Args:
        catalog: The database.
        blobs: The disk.
        callers: Tells who asks.
        uploader: Checks policies and puts complete files in place.
        uploads: The state of uploads.
        locks: Their locks.
        signed_urls: Checks tokens of signed uploads.
        options: The limits.
        public_url: The gateway's address, for clients that do not say by what name they reached it.
    """

    def __init__(
        self,
        catalog: Catalog,
        blobs: BlobStore,
        callers: Callers,
        uploader: Uploader,
        uploads: Uploads,
        locks: UploadLocks,
        signed_urls: SignedUrls,
        options: StorageOptions,
        public_url: str,
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._callers = callers
        self._uploader = uploader
        self._uploads = uploads
        self._locks = locks
        self._signed_urls = signed_urls
        self._options = options
        self._public_url = public_url
        self._transfer = Transfer(blobs, uploader, uploads, options)

    def routes(self) -> list[Route]:
        """The endpoints; the signed ones first, since ``sign`` would be taken for an upload's id."""
        routes: list[Route] = []
        for base, suffix in (("/upload/resumable/sign", "_signed"), ("/upload/resumable", "")):
            signed = bool(suffix)
            part = f"storage.tus.upload.part{suffix}"
            routes += [
                Route("OPTIONS", base, f"storage.tus.options{suffix}", self.options),
                Route("OPTIONS", f"{base}/:id", f"storage.tus.options{suffix}", self.options),
                Route(
                    "POST", base, f"storage.tus.upload.create{suffix}", self._handler(self._create, signed)
                ),
                Route("POST", f"{base}/:id", part, self._handler(self._override, signed)),
                Route("PATCH", f"{base}/:id", part, self._handler(self._patch, signed)),
                Route(
                    "HEAD",
                    f"{base}/:id",
                    f"storage.tus.upload.get{suffix}",
                    self._handler(self._head, signed),
                ),
                Route(
                    "DELETE",
                    f"{base}/:id",
                    f"storage.tus.upload.delete{suffix}",
                    self._handler(self._delete, signed),
                ),
            ]
        return routes

    def _handler(self, work: Work, signed: bool) -> Handler:
        async def handle(request: StorageRequest, values: dict[str, str]) -> Reply:
            # A refused token is answered as everywhere else; what follows is answered the TUS way.
            caller = None if signed else self._callers.require(request)
            try:
                check_headers(request.method, request.headers)
                return await work(request, values.get("id", ""), caller)
            except (TusFault, StorageFault) as fault:
                return tus_fault(fault)

        return handle

    async def options(self, _: StorageRequest, __: dict[str, str]) -> Reply:
        return tus_reply(
            204,
            [
                ("tus-version", VERSION),
                ("tus-extension", EXTENSIONS),
                ("tus-max-size", str(self._options.file_size_limit)),
            ],
        )

    async def _override(self, request: StorageRequest, id_text: str, caller: Caller | None) -> Reply:
        method = request.headers.get("x-http-method-override", "").upper()
        if method not in _OVERRIDES:
            raise TusFault(404, "Not found\n")
        check_headers(method, request.headers)
        works: dict[str, Work] = {"PATCH": self._patch, "HEAD": self._head, "DELETE": self._delete}
        return await works[method](request, id_text, caller)

    async def _create(self, request: StorageRequest, _: str, caller: Caller | None) -> Reply:
        headers = request.headers
        if ("upload-length" in headers) == ("upload-defer-length" in headers):
            raise invalid_length()
        length = int(headers["upload-length"]) if "upload-length" in headers else None
        if not headers.get("upload-metadata"):
            raise invalid_request("Metadata header is required")
        metadata = parse_metadata(headers["upload-metadata"])
        address = _Address(metadata.get("bucketName") or "", metadata.get("objectName") or "", uuid.uuid4())
        check_bucket_name(address.bucket_id)
        check_key(address.key)
        target = self._target(request, address, caller)
        bucket = await find_bucket(self._catalog, address.bucket_id)
        limit = self._uploader.size_limit(bucket, address.key)
        if length is not None and length > limit:
            raise maximum_size_exceeded()
        await self._transfer.probe(request, target, metadata, length)
        seconds = metadata.get("cacheControl") or ""
        metadata["cacheControl"] = f"max-age={seconds}" if _SECONDS.fullmatch(seconds) else "no-cache"
        mime_type = check_header_value(
            "content-type", metadata.get("contentType") or "application/octet-stream"
        )
        if not is_folder_placeholder(address.key):
            check_mime_type(mime_type, bucket.allowed_mime_types)
        async with self._locks.hold(address.upload_id) as give_way:
            await self._blobs.run(self._blobs.create_empty, "resumable", str(address.upload_id))
            try:
                upload = await self._uploads.create(
                    address.upload_id,
                    address.bucket_id,
                    address.key,
                    owner=target.owner,
                    length=length,
                    metadata=metadata,
                )
                more = []
                if request.content_type == PATCH_TYPE:
                    upload = await self._transfer.receive(request, target, upload, limit, give_way)
                    more.append(("upload-offset", str(upload.received)))
                elif length == 0:
                    upload = await self._transfer.complete(request, target, upload)
            except BaseException:
                # Without an answer the client knows no address under which to go on.
                await self._drop(address.upload_id)
                raise
        location = f"{self._base_url(request)}{request.raw_path.rstrip('/')}/{address}"
        return tus_reply(201, [("location", location), *more, *_progress_headers(upload)])

    async def _patch(self, request: StorageRequest, id_text: str, caller: Caller | None) -> Reply:
        address = _Address.parse(id_text)
        if "upload-offset" not in request.headers:
            raise missing_offset()
        if request.content_type is None:
            raise wrong_content_type()
        offset = int(request.headers["upload-offset"])
        target = self._target(request, address, caller)
        releases = self._locks.releases
        upload = await self._find(address, target)
        if upload.completed:
            if offset != upload.length:
                raise wrong_offset()
            return tus_reply(204, [("upload-offset", str(offset)), *_progress_headers(upload)])
        limit = await self._transfer.probe(request, target, upload.metadata, upload.length)
        async with self._locks.hold(address.upload_id) as give_way:
            if self._locks.releases != releases:
                # Somebody else may have worked on it between the look and the lock.
                upload = await self._find(address, target)
            if upload.received != offset or upload.completed:
                raise wrong_offset()
            upload = await self._declare_length(request, upload, limit)
            upload = await self._transfer.receive(request, target, upload, limit, give_way)
            interrupted = give_way.is_set() and not upload.completed
        headers = [("upload-offset", str(upload.received)), *_progress_headers(upload)]
        return tus_reply(204, headers, close=interrupted)

    async def _declare_length(self, request: StorageRequest, upload: Upload, limit: int) -> Upload:
        if "upload-length" not in request.headers:
            return upload
        length = int(request.headers["upload-length"])
        if upload.length is not None:
            if upload.length != length:
                raise invalid_length()
            return upload
        if length < upload.received:
            raise invalid_length()
        if length > limit:
            raise maximum_size_exceeded()
        return await self._uploads.declare_length(upload, length)

    async def _head(self, request: StorageRequest, id_text: str, caller: Caller | None) -> Reply:
        address = _Address.parse(id_text)
        target = self._target(request, address, caller)
        await self._find(address, target)
        async with self._locks.hold(address.upload_id):
            upload = await self._find(address, target)
        size = (
            ("upload-defer-length", "1") if upload.length is None else ("upload-length", str(upload.length))
        )
        return tus_reply(
            200,
            [
                ("cache-control", "no-store"),
                ("upload-offset", str(upload.received)),
                size,
                ("upload-metadata", format_metadata(upload.metadata)),
                *_progress_headers(upload),
            ],
        )

    async def _delete(self, request: StorageRequest, id_text: str, caller: Caller | None) -> Reply:
        address = _Address.parse(id_text)
        target = self._target(request, address, caller)
        upload = await self._find(address, target)
        if upload.completed:
            raise already_complete()
        await self._transfer.probe(request, target, upload.metadata, upload.length)
        async with self._locks.hold(address.upload_id):
            if (await self._find(address, target)).completed:
                raise already_complete()
            await self._drop(address.upload_id)
        return tus_reply(204)

    async def _drop(self, upload_id: uuid.UUID) -> None:
        await self._uploads.delete(upload_id)
        await self._blobs.run(self._blobs.discard, "resumable", str(upload_id))

    async def _find(self, address: _Address, target: UploadTarget) -> Upload:
        """The upload, unless it is another's: then there is none."""
        upload = await self._uploads.find(address.upload_id, address.bucket_id, address.key)
        if upload is None:
            raise upload_not_found()
        privileged = target.caller is not None and target.caller.role == "service_role"
        if upload.owner is not None and upload.owner != target.owner and not privileged:
            raise upload_not_found()
        if upload.expired:
            raise upload_expired()
        return upload

    def _target(self, request: StorageRequest, address: _Address, caller: Caller | None) -> UploadTarget:
        """What may be written: as the signed token says, or as the caller's policies will."""
        if caller is not None:
            return UploadTarget(address.bucket_id, address.key, caller.owner, request.upsert, caller)
        token = request.headers.get("x-signature")
        if not token:
            raise invalid_signature("Missing x-signature header")
        signature = self._signed_urls.verify(token, "upload", address.bucket_id, address.key)
        return UploadTarget(address.bucket_id, address.key, signature.owner, signature.upsert, None)

    def _base_url(self, request: StorageRequest) -> str:
        return request.base_url or f"{self._public_url}/storage/v1"


def _progress_headers(upload: Upload) -> list[tuple[str, str]]:
    if upload.completed:
        return [("tus-complete", "1")]
    return [("upload-expires", http_date(upload.expires_at))]
