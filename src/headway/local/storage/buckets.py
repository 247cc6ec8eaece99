"""The endpoints below ``/bucket``."""

from __future__ import annotations

import re
from typing import Any

import asyncpg

from headway.local.storage.bodies import Choice, Flag, ListOf, Nullable, OneOf, Record, Text, Whole
from headway.local.storage.callers import Callers
from headway.local.storage.catalog import Catalog
from headway.local.storage.emptying import BucketEmptier
from headway.local.storage.faults import (
    StorageFault,
    bucket_already_exists,
    bucket_not_empty,
    bucket_not_found,
    entity_too_large,
    unreadable_request,
)
from headway.local.storage.names import (
    check_bucket_name,
    check_mime_types_setting,
    parse_size_setting,
)
from headway.local.storage.options import StorageOptions
from headway.local.storage.replies import Reply, js_time, json_reply
from headway.local.storage.requests import StorageRequest
from headway.local.storage.routing import Route
from headway.local.storage.rows import find_bucket, is_uuid

__all__ = ["BucketEndpoints"]

_SIZE_SETTING = OneOf(
    (
        Nullable(Whole(minimum=0)),
        Text(re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[gG][bB]|[mM][bB]|[kK][bB]|[bB])")),
    )
)
_NEW_BUCKET = Record(
    {
        "name": Text(),
        "id": Text(),
        "public": Flag(),
        "type": Choice(("STANDARD", "ANALYTICS")),
        "file_size_limit": _SIZE_SETTING,
        "allowed_mime_types": Nullable(ListOf(Text())),
    },
    required=("name",),
)
_BUCKET_CHANGES = Record(
    {
        "public": Flag(),
        "file_size_limit": _SIZE_SETTING,
        "allowed_mime_types": Nullable(ListOf(Text())),
    }
)
_LISTING = Record(
    {
        "limit": Whole(minimum=1),
        "offset": Whole(minimum=0),
        "sortColumn": Choice(("id", "name", "created_at", "updated_at")),
        "sortOrder": Choice(("asc", "desc")),
        "search": Text(),
    }
)
_COLUMNS = "id, name, public, owner, created_at, updated_at, file_size_limit, allowed_mime_types, type"
_OLD_CLIENTS = (
    ("x-client-info", re.compile(r"supabase-py/(\d+)\.(\d+)\.(\d+)"), (2, 18, 0)),
    ("user-agent", re.compile(r"supabase-py/storage3 v(\d+)\.(\d+)\.(\d+)"), (0, 12, 1)),
)


class BucketEndpoints:
    """Creates, shows, changes, empties and deletes buckets.

    Args:
        catalog: The database.
        callers: Tells who asks.
        emptier: Empties buckets in the background.
        options: The limits.
    """

    def __init__(
        self, catalog: Catalog, callers: Callers, emptier: BucketEmptier, options: StorageOptions
    ) -> None:
        self._catalog = catalog
        self._callers = callers
        self._emptier = emptier
        self._options = options

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [
            Route("POST", "/bucket/:id/empty", "storage.bucket.empty", self.empty),
            Route("POST", "/bucket", "storage.bucket.create", self.create),
            Route("GET", "/bucket", "storage.bucket.list", self.list),
            Route("GET", "/bucket/:id", "storage.bucket.get", self.get),
            Route("PUT", "/bucket/:id", "storage.bucket.update", self.update),
            Route("DELETE", "/bucket/:id", "storage.bucket.delete", self.delete),
        ]

    async def create(self, request: StorageRequest, _: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        body = await request.json(_NEW_BUCKET)
        name = body["name"]
        check_bucket_name(name, new=True)
        bucket_id = body.get("id") or name
        check_bucket_name(bucket_id, new=True)
        if body.get("type") == "ANALYTICS":
            raise StorageFault(
                409,
                "FeatureNotEnabled",
                "The feature Iceberg buckets are not enabled for this tenant"
                " is not enabled for this resource",
            )
        columns: dict[str, Any] = {
            "id": bucket_id,
            "name": name,
            "public": body.get("public", False),
            "type": "STANDARD",
            **self._limits(body),
        }
        if caller.owner is not None:
            columns["owner_id"] = caller.owner
            if is_uuid(caller.owner):
                columns["owner"] = caller.owner
        try:
            async with self._catalog.transaction(request, caller) as transaction:
                places = ", ".join(f"${index}" for index in range(1, len(columns) + 1))
                await transaction.execute(
                    f"insert into storage.buckets ({', '.join(columns)}) values ({places})",  # noqa: S608
                    *columns.values(),
                )
        except StorageFault as fault:
            if fault.code == "ResourceAlreadyExists":
                raise bucket_already_exists() from fault
            raise
        return json_reply({"name": name})

    async def list(self, request: StorageRequest, _: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        query = _LISTING.check(request.query, "querystring")
        sql = f"select {_COLUMNS} from storage.buckets"  # noqa: S608
        values: list[Any] = []
        if query.get("search"):
            values.append(f"%{escape_like(query['search'])}%")
            sql += f" where name ilike ${len(values)}"
        if "sortColumn" in query:
            sql += f" order by {query['sortColumn']} {query.get('sortOrder', 'asc')}"
        for clause in ("limit", "offset"):
            if clause in query:
                values.append(query[clause])
                sql += f" {clause} ${len(values)}"
        async with self._catalog.transaction(request, caller) as transaction:
            rows = await transaction.fetch(sql, *values)
        with_type = not _is_old_client(request)
        return json_reply([_bucket_json(row, with_type=with_type) for row in rows])

    async def get(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        async with self._catalog.transaction(request, caller) as transaction:
            row = await transaction.fetchrow(
                f"select {_COLUMNS} from storage.buckets where id = $1",  # noqa: S608
                _text(values["id"]),
            )
        if row is None:
            raise bucket_not_found()
        return json_reply(_bucket_json(row, with_type=False))

    async def update(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        body = await request.json(_BUCKET_CHANGES)
        if not body:
            raise unreadable_request("body must match a schema in anyOf")
        check_bucket_name(values["id"])
        changes = self._limits(body)
        if "public" in body:
            changes["public"] = body["public"]
        assignments = ", ".join(f"{name} = ${index}" for index, name in enumerate(changes, 2))
        async with self._catalog.transaction(request, caller) as transaction:
            row = await transaction.fetchrow(
                f"update storage.buckets set {assignments} where id = $1 returning id",  # noqa: S608
                values["id"],
                *changes.values(),
            )
        if row is None:
            raise bucket_not_found()
        return json_reply({"message": "Successfully updated"})

    async def empty(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        caller = self._callers.require_service(request)
        async with self._catalog.transaction(request, caller) as transaction:
            bucket = await find_bucket(transaction, _text(values["id"]))
            await self._emptier.queue(transaction, bucket.id)
        self._emptier.wake()
        return json_reply({"message": "Empty bucket has been queued. Completion may take up to an hour."})

    async def delete(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        bucket_id = _text(values["id"])
        async with self._catalog.transaction(request, self._callers.elevated) as transaction:
            await find_bucket(transaction, bucket_id, lock=True)
            if await transaction.fetchval(
                "select exists (select from storage.objects where bucket_id = $1)", bucket_id
            ):
                raise bucket_not_empty()
            await transaction.act_as(caller)
            row = await transaction.fetchrow(
                "delete from storage.buckets where id = $1 returning id", bucket_id
            )
            if row is None:
                raise bucket_not_found()
        return json_reply({"message": "Successfully deleted"})

    def _limits(self, body: dict[str, Any]) -> dict[str, Any]:
        """The columns of the limits that a body sets."""
        columns: dict[str, Any] = {}
        if "file_size_limit" in body:
            limit = body["file_size_limit"]
            if isinstance(limit, str):
                limit = parse_size_setting(limit)
            if limit is not None and limit > self._options.file_size_limit:
                raise entity_too_large()
            columns["file_size_limit"] = limit
        if "allowed_mime_types" in body:
            types = body["allowed_mime_types"]
            if types is not None:
                types = [entry for entry in types if entry]
                check_mime_types_setting(types)
            columns["allowed_mime_types"] = types
        return columns


def escape_like(text: str) -> str:
    """Text in which LIKE finds no wildcard.

    Args:
        text: Any text.
    """
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _text(value: str) -> str:
    """A bucket id to look up; one that Postgres could not even hold is simply not there."""
    if "\0" in value:
        raise bucket_not_found()
    return value


def _is_old_client(request: StorageRequest) -> bool:
    """Whether the client is one that fails on the key ``type``."""
    for header, pattern, since in _OLD_CLIENTS:
        match = pattern.search(request.headers.get(header, ""))
        if match is not None and tuple(map(int, match.groups())) < since:
            return True
    return False


def _bucket_json(row: asyncpg.Record, *, with_type: bool) -> dict[str, Any]:
    content = {
        "id": row["id"],
        "name": row["name"],
        "owner": str(row["owner"] or ""),
        "public": bool(row["public"]),
        "file_size_limit": row["file_size_limit"],
        "allowed_mime_types": row["allowed_mime_types"],
        "created_at": js_time(row["created_at"]),
        "updated_at": js_time(row["updated_at"]),
    }
    if with_type:
        content["type"] = row["type"]
    return content
