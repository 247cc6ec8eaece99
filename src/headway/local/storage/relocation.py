"""Moves and copies objects, within a bucket and across buckets.

No bytes are copied: the target is another link to the same file.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg

from headway.local.storage.blob_names import BlobMissing, BlobName
from headway.local.storage.blobs import BlobStore
from headway.local.storage.bodies import Flag, Record, Text
from headway.local.storage.callers import Callers
from headway.local.storage.catalog import Catalog, Transaction
from headway.local.storage.database_faults import outcome_is_unknown
from headway.local.storage.faults import StorageFault, key_already_exists, object_not_found
from headway.local.storage.names import check_bucket_name, check_header_value, check_key
from headway.local.storage.replies import Reply, js_time, json_reply
from headway.local.storage.requests import StorageRequest
from headway.local.storage.routing import Route
from headway.local.storage.rows import (
    OBJECT_COLUMNS,
    NewObject,
    find_object,
    is_uuid,
    lock_names,
    object_json,
    require_object,
    try_write,
    write_object,
)
from headway.local.storage.uploads import parse_user_metadata

__all__ = ["RelocationEndpoints"]

_MOVE = Record(
    {
        "bucketId": Text(),
        "sourceKey": Text(),
        "destinationBucket": Text(),
        "destinationKey": Text(),
    },
    required=("sourceKey", "bucketId", "destinationKey"),
)
_COPY = Record(
    {
        **_MOVE.fields,
        "metadata": Record({"cacheControl": Text(), "mimetype": Text()}),
        "copyMetadata": Flag(),
    },
    required=_MOVE.required,
)

_UPDATE = f"""
update storage.objects
   set name = $3, bucket_id = $4, version = $5,
       owner_id = coalesce($6, owner_id), owner = coalesce($7::uuid, owner)
 where bucket_id = $1 and name = $2
returning {OBJECT_COLUMNS}
"""  # noqa: S608


class RelocationEndpoints:
    """Moves and copies.

    Args:
        catalog: The database.
        blobs: The disk.
        callers: Tells who asks.
    """

    def __init__(self, catalog: Catalog, blobs: BlobStore, callers: Callers) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._callers = callers

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [
            Route("POST", "/object/move", "storage.object.move", self.move),
            Route("POST", "/object/copy", "storage.object.copy", self.copy),
        ]

    async def move(self, request: StorageRequest, _: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        body = await request.json(_MOVE)
        source = (body["bucketId"], body["sourceKey"])
        target = (body.get("destinationBucket") or body["bucketId"], body["destinationKey"])
        _check(source, target)
        version = str(uuid.uuid4())
        new_blob = BlobName(*target, version)
        owner = caller.owner if caller.owner and is_uuid(caller.owner) else None
        with self._blobs.claim(new_blob):
            try:
                async with self._catalog.transaction(request, self._callers.elevated) as transaction:
                    await lock_names(transaction, source, target)
                    current = await find_object(transaction, *source, lock=True)
                    async with transaction.probe(caller):
                        await require_object(transaction, *source)
                        await self._rename(transaction, source, target, version, caller.owner, owner)
                    if current is None:
                        raise object_not_found()
                    if source == target:
                        row = current
                    else:
                        await self._link(current, new_blob)
                        row = await self._rename(transaction, source, target, version, caller.owner, owner)
            except BaseException as error:
                if not outcome_is_unknown(error):
                    await self._blobs.run(self._blobs.remove, new_blob)
                raise
        if source != target:
            await self._blobs.run(self._blobs.remove, BlobName(*source, current["version"]))
        return json_reply({"message": "Successfully moved", "Id": str(row["id"]), "Key": row["name"]})

    @staticmethod
    async def _rename(
        transaction: Transaction,
        source: tuple[str, str],
        target: tuple[str, str],
        version: str,
        owner_id: str | None,
        owner: str | None,
    ) -> asyncpg.Record:
        try:
            row = await transaction.fetchrow(_UPDATE, *source, target[1], target[0], version, owner_id, owner)
        except StorageFault as fault:
            if fault.code == "ResourceAlreadyExists":
                raise key_already_exists() from fault
            raise
        if row is None:
            raise object_not_found()
        return row

    async def copy(self, request: StorageRequest, _: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        body = await request.json(_COPY)
        source = (body["bucketId"], body["sourceKey"])
        target = (body.get("destinationBucket") or body["bucketId"], body["destinationKey"])
        _check(source, target)
        version = str(uuid.uuid4())
        new_blob = BlobName(*target, version)
        encoded = request.headers.get("x-metadata")
        with self._blobs.claim(new_blob):
            try:
                async with self._catalog.transaction(request, caller) as transaction:
                    # What the caller may not see cannot be copied.
                    await require_object(transaction, *source)
                    await transaction.act_as(self._callers.elevated)
                    await lock_names(transaction, source, target)
                    origin = await require_object(transaction, *source, lock=True)
                    former = await find_object(transaction, *target, lock=True)
                    wanted = _copied_row(origin, body, target, caller.owner, encoded)
                    async with transaction.probe(caller):
                        await try_write(transaction, replace(wanted, version="1"), upsert=request.upsert)
                    await self._link(origin, new_blob)
                    row = await write_object(
                        transaction, replace(wanted, version=version), upsert=request.upsert
                    )
            except BaseException as error:
                if not outcome_is_unknown(error):
                    await self._blobs.run(self._blobs.remove, new_blob)
                raise
        assert row is not None
        if former is not None:
            await self._blobs.run(self._blobs.remove, BlobName(*target, former["version"]))
        return json_reply({**object_json(row), "Id": str(row["id"]), "Key": f"{target[0]}/{target[1]}"})

    async def _link(self, row: asyncpg.Record, target: BlobName) -> None:
        source = BlobName(row["bucket_id"], row["name"], row["version"])
        try:
            await self._blobs.run(self._blobs.copy, source, target)
        except BlobMissing:
            raise StorageFault(404, "NoSuchKey", "The resource was not found", error="Not found") from None


def _check(source: tuple[str, str], target: tuple[str, str]) -> None:
    for bucket_id, key in (source, target):
        check_bucket_name(bucket_id)
        check_key(key)


def _copied_row(
    origin: asyncpg.Record,
    body: dict[str, Any],
    target: tuple[str, str],
    owner: str | None,
    encoded_user_metadata: str | None,
) -> NewObject:
    """The copy's row; its version is still to be chosen."""
    copies = body.get("copyMetadata", True)
    metadata = dict(origin["metadata"] or {}) if isinstance(origin["metadata"], dict) else {}
    user_metadata = origin["user_metadata"]
    if not copies:
        for name, value in body.get("metadata", {}).items():
            metadata[name] = check_header_value(name, value)
        user_metadata = None if encoded_user_metadata is None else parse_user_metadata(encoded_user_metadata)
    metadata["lastModified"] = js_time(datetime.now(UTC))
    return NewObject(*target, "", owner, metadata, {} if user_metadata is None else user_metadata)
