"""The endpoints below ``/object`` that read, sign, take in and delete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import asyncpg

from headway.local.storage.blob_names import BlobName
from headway.local.storage.blobs import BlobStore
from headway.local.storage.bodies import ListOf, Record, Text, Whole
from headway.local.storage.callers import Caller, Callers
from headway.local.storage.catalog import Catalog
from headway.local.storage.downloads import head_reply, info_reply, send_object
from headway.local.storage.faults import (
    access_denied,
    bucket_not_found,
    invalid_request,
    object_not_found,
)
from headway.local.storage.names import check_bucket_name, check_key
from headway.local.storage.options import StorageOptions
from headway.local.storage.replies import Reply, json_reply
from headway.local.storage.requests import StorageRequest
from headway.local.storage.routing import Route
from headway.local.storage.rows import (
    OBJECT_COLUMNS,
    find_bucket,
    find_object,
    object_json,
    require_object,
)
from headway.local.storage.tokens import SignedUrls
from headway.local.storage.uploads import Uploader, UploadTarget, parse_user_metadata

__all__ = ["ObjectEndpoints"]

_MAX_KEYS = 1000
_DELETION = Record({"prefixes": ListOf(Text(), min_items=1)}, required=("prefixes",))
_SIGNING = Record({"expiresIn": Whole(minimum=1), "transform": Record({})}, required=("expiresIn",))
_SIGNING_MANY = Record(
    {
        "expiresIn": Whole(minimum=1),
        "paths": ListOf(Text(), min_items=1, max_items=_MAX_KEYS),
    },
    required=("expiresIn", "paths"),
)
_TOKEN = Record({"token": Text()}, required=("token",))
_NOT_SIGNED = "Either the object does not exist or you do not have access to it"


class ObjectEndpoints:
    """Everything about objects but listing, moving and copying.

    Args:
        catalog: The database.
        blobs: The disk.
        callers: Tells who asks.
        uploader: Takes objects in.
        signed_urls: Makes and checks tokens.
        options: The limits.
    """

    def __init__(
        self,
        catalog: Catalog,
        blobs: BlobStore,
        callers: Callers,
        uploader: Uploader,
        signed_urls: SignedUrls,
        options: StorageOptions,
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._callers = callers
        self._uploader = uploader
        self._signed_urls = signed_urls
        self._options = options

    def routes(self) -> list[Route]:
        """The endpoints, the more specific ones first."""
        prefix = "storage.object"
        return [
            Route("GET", "/object/public/:bucket/*", f"{prefix}.get_public", self.get_public),
            Route("HEAD", "/object/public/:bucket/*", f"{prefix}.info_public", self.head_public),
            Route("GET", "/object/authenticated/:bucket/*", f"{prefix}.get_authenticated", self.get_private),
            Route(
                "HEAD",
                "/object/authenticated/:bucket/*",
                "object.head_authenticated_info",
                self.head_private,
            ),
            Route("GET", "/object/sign/:bucket/*", f"{prefix}.get_signed", self.get_signed),
            Route("HEAD", "/object/sign/:bucket/*", f"{prefix}.get_signed", self.get_signed),
            Route("GET", "/object/info/public/:bucket/*", f"{prefix}.info_public", self.info_public),
            Route(
                "GET",
                "/object/info/authenticated/:bucket/*",
                "object.get_authenticated_info",
                self.info_private,
            ),
            Route("GET", "/object/info/:bucket/*", "object.get_authenticated_info", self.info),
            Route("GET", "/object/:bucket/*", f"{prefix}.get_authenticated", self.get),
            Route("HEAD", "/object/:bucket/*", "object.head_authenticated_info", self.head),
            Route("POST", "/object/sign/:bucket", f"{prefix}.sign_many", self.sign_many),
            Route("POST", "/object/sign/:bucket/*", f"{prefix}.sign", self.sign),
            Route("POST", "/object/upload/sign/:bucket/*", f"{prefix}.sign_upload_url", self.sign_upload),
            Route("PUT", "/object/upload/sign/:bucket/*", f"{prefix}.upload_signed", self.upload_signed),
            Route("POST", "/object/:bucket/*", f"{prefix}.upload", self.create),
            Route("PUT", "/object/:bucket/*", f"{prefix}.upload_update", self.replace),
            Route("DELETE", "/object/:bucket/*", f"{prefix}.delete", self.delete),
            Route("DELETE", "/object/:bucket", f"{prefix}.delete_many", self.delete_many),
        ]

    # -- reading ----------------------------------------------------------------------------------------

    async def get_public(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        return await self._send(request, values, self._callers.anonymous)

    async def get_private(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        return await self._send(request, values, self._callers.require(request))

    async def get(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        return await self._send(request, values, self._callers.accept(request))

    async def head_public(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        return head_reply(await self._find(request, values, self._callers.anonymous))

    async def head_private(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        return head_reply(await self._find(request, values, self._callers.require(request)))

    async def head(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        return head_reply(await self._find(request, values, self._callers.accept(request)))

    async def info_public(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        return info_reply(await self._find(request, values, self._callers.anonymous))

    async def info_private(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        return info_reply(await self._find(request, values, self._callers.require(request)))

    async def info(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        return info_reply(await self._find(request, values, self._callers.accept(request)))

    async def get_signed(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        bucket_id, key = values["bucket"], values["*"]
        token = _TOKEN.check(request.query, "querystring")["token"]
        check_bucket_name(bucket_id)
        signature = self._signed_urls.verify(token, "download", bucket_id, key)
        check_key(key)

        async def find() -> asyncpg.Record:
            return await require_object(self._catalog, bucket_id, key)

        expires = datetime.fromtimestamp(min(signature.expires_at, 253402300799), UTC)
        return await send_object(request, self._blobs, find, expires=expires)

    async def _send(self, request: StorageRequest, values: dict[str, str], caller: Caller) -> Reply:
        async def find() -> asyncpg.Record:
            return await self._find(request, values, caller)

        return await send_object(request, self._blobs, find)

    async def _find(self, request: StorageRequest, values: dict[str, str], caller: Caller) -> asyncpg.Record:
        """The row of an object that the caller may read: of a public bucket any, otherwise by policy."""
        bucket_id, key = values["bucket"], values["*"]
        check_bucket_name(bucket_id)
        bucket = await find_bucket(self._catalog, bucket_id)
        if not bucket.public and not caller.authenticated:
            raise bucket_not_found()
        check_key(key)
        if bucket.public:
            return await require_object(self._catalog, bucket_id, key)
        async with self._catalog.transaction(request, caller) as transaction:
            return await require_object(transaction, bucket_id, key)

    # -- signing ----------------------------------------------------------------------------------------

    async def sign(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        bucket_id, key = values["bucket"], values["*"]
        body = await request.json(_SIGNING)
        check_bucket_name(bucket_id)
        check_key(key)
        token = self._signed_urls.for_download(bucket_id, key, body["expiresIn"])
        async with self._catalog.transaction(request, caller) as transaction:
            await require_object(transaction, bucket_id, key)
        # Reserved characters stay escaped, or the URL would not lead back to this object.
        path = quote(f"{bucket_id}/{key}", safe="/!.*'() &$@=;:+,-")
        return json_reply({"signedURL": f"/object/sign/{path}?token={token}"})

    async def sign_many(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        bucket_id = values["bucket"]
        body = await request.json(_SIGNING_MANY)
        check_bucket_name(bucket_id)
        paths: list[str] = body["paths"]
        async with self._catalog.transaction(request, caller) as transaction:
            rows = await transaction.fetch(
                "select name from storage.objects where bucket_id = $1 and name = any($2::text[])",
                bucket_id,
                [path for path in paths if "\0" not in path],
            )
        visible = {row["name"] for row in rows}
        results: list[dict[str, Any]] = []
        for path in paths:
            if path in visible:
                token = self._signed_urls.for_download(bucket_id, path, body["expiresIn"])
                url = f"/object/sign/{bucket_id}/{path}?token={token}"
                results.append({"error": None, "path": path, "signedURL": url})
            else:
                results.append({"error": _NOT_SIGNED, "path": path, "signedURL": None})
        return json_reply(results)

    async def sign_upload(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        bucket_id, key = values["bucket"], values["*"]
        check_bucket_name(bucket_id)
        check_key(key)
        encoded = request.headers.get("x-metadata")
        known: dict[str, Any] = {}
        if request.content_type is not None:
            known["mimetype"] = request.content_type
        if request.content_length is not None:
            known["contentLength"] = request.content_length
        await self._uploader.probe(
            request,
            UploadTarget(bucket_id, key, caller.owner, request.upsert, caller),
            metadata=known,
            user_metadata=None if encoded is None else parse_user_metadata(encoded),
        )
        token = self._signed_urls.for_upload(
            bucket_id,
            key,
            self._options.signed_upload_lifetime_s,
            owner=caller.owner,
            upsert=request.upsert,
        )
        path = quote(f"{bucket_id}/{key}", safe="/!.*'() &$@=;:+,-")
        return json_reply({"url": f"/object/upload/sign/{path}?token={token}", "token": token})

    # -- writing ----------------------------------------------------------------------------------------

    async def create(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        return await self._upload(request, values, upsert=request.upsert)

    async def replace(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        return await self._upload(request, values, upsert=True)

    async def _upload(self, request: StorageRequest, values: dict[str, str], *, upsert: bool) -> Reply:
        caller = self._callers.require(request)
        target = UploadTarget(values["bucket"], values["*"], caller.owner, upsert, caller)
        row = await self._uploader.take(request, target)
        return json_reply({"Id": str(row["id"]), "Key": f"{target.bucket_id}/{target.key}"})

    async def upload_signed(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        bucket_id, key = values["bucket"], values["*"]
        token = _TOKEN.check(request.query, "querystring")["token"]
        check_bucket_name(bucket_id)
        signature = self._signed_urls.verify(token, "upload", bucket_id, key)
        target = UploadTarget(bucket_id, key, signature.owner, signature.upsert, None)
        await self._uploader.take(request, target)
        return json_reply({"Key": f"{bucket_id}/{key}"})

    async def delete(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        bucket_id, key = values["bucket"], values["*"]
        check_bucket_name(bucket_id)
        check_key(key)
        async with self._catalog.transaction(request, caller) as transaction:
            row = await transaction.fetchrow(
                "delete from storage.objects where bucket_id = $1 and name = $2 returning name, version",
                bucket_id,
                key,
            )
            if row is None:
                # The real service tells a forbidden object from a missing one here; whoever may not see
                # it learns nothing from this one.
                visible = await find_object(transaction, bucket_id, key)
                raise object_not_found() if visible is None else access_denied()
        await self._blobs.run(self._blobs.remove, BlobName(bucket_id, key, row["version"]))
        return json_reply({"message": "Successfully deleted"})

    async def delete_many(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        body = await request.json(_DELETION)
        bucket_id, keys = values["bucket"], body["prefixes"]
        check_bucket_name(bucket_id)
        if len(keys) > _MAX_KEYS:
            raise invalid_request(f"Bulk object requests are limited to {_MAX_KEYS} objects per request.")
        async with self._catalog.transaction(request, caller) as transaction:
            rows = await transaction.fetch(
                "delete from storage.objects where bucket_id = $1 and name = any($2::text[])"  # noqa: S608
                f" returning {OBJECT_COLUMNS}",
                bucket_id,
                [key for key in keys if "\0" not in key],
            )
        await self._blobs.run(
            self._blobs.remove, *(BlobName(bucket_id, row["name"], row["version"]) for row in rows)
        )
        return json_reply([object_json(row) for row in rows])
