"""The two list endpoints."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

import asyncpg

from headway.local.storage.bodies import Choice, Flag, Record, Text, Whole
from headway.local.storage.callers import Callers
from headway.local.storage.catalog import Catalog, Transaction
from headway.local.storage.faults import invalid_parameter
from headway.local.storage.names import check_bucket_name
from headway.local.storage.replies import Reply, js_time, json_reply
from headway.local.storage.requests import StorageRequest
from headway.local.storage.routing import Route

__all__ = ["ListEndpoints"]

_V1 = Record(
    {
        "prefix": Text(),
        "limit": Whole(minimum=1),
        "offset": Whole(minimum=0),
        "sortBy": Record(
            {
                "column": Choice(("name", "updated_at", "created_at", "last_accessed_at")),
                "order": Choice(("asc", "desc")),
            },
            required=("column",),
        ),
        "search": Text(),
    },
    required=("prefix",),
)
_V2 = Record(
    {
        "prefix": Text(),
        "limit": Whole(minimum=1),
        "cursor": Text(),
        "with_delimiter": Flag(),
        "sortBy": Record(
            {
                "column": Choice(("name", "updated_at", "created_at")),
                "order": Choice(("asc", "desc")),
            },
            required=("column",),
        ),
    }
)
_V2_PAGE = 1000
_INT4 = 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where a page of the v2 list ended, and how it was sorted.

    Args:
        after: The last name.
        order: ``asc`` or ``desc``.
        column: ``name`` or a time stamp.
        column_after: The last time stamp.
    """

    after: str
    order: str
    column: str
    column_after: str

    def encode(self) -> str:
        lines = [f"l:{self.after}", f"o:{self.order}", f"c:{self.column}"]
        if self.column_after:
            lines.append(f"a:{self.column_after}")
        return base64.b64encode("\n".join(lines).encode()).decode()

    @classmethod
    def decode(cls, text: str) -> _Cursor:
        values = {"l": "", "o": "asc", "c": "name", "a": ""}
        try:
            lines = base64.b64decode(text, validate=True).decode().split("\n")
        except (binascii.Error, ValueError):
            raise invalid_parameter("continuation token") from None
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or name not in values or "\0" in value:
                raise invalid_parameter("continuation token")
            values[name] = value
        if (
            values["o"] not in ("asc", "desc")
            or values["c"] not in ("name", "updated_at", "created_at")
            or not re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)?", values["a"])
        ):
            raise invalid_parameter("continuation token")
        return cls(values["l"], values["o"], values["c"], values["a"])


class ListEndpoints:
    """Lists what a caller may see of a bucket.

    Args:
        catalog: The database.
        callers: Tells who asks.
    """

    def __init__(self, catalog: Catalog, callers: Callers) -> None:
        self._catalog = catalog
        self._callers = callers

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [
            Route("POST", "/object/list/:bucket", "storage.object.list", self.list_v1),
            Route("POST", "/object/list-v2/:bucket", "storage.object.list_v2", self.list_v2),
        ]

    async def list_v1(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        body = await request.json(_V1)
        check_bucket_name(values["bucket"])
        prefix, search = _searchable(body["prefix"]), _searchable(body.get("search", ""))
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        sort = body.get("sortBy", {})
        async with self._catalog.transaction(request, caller) as transaction:
            rows = await transaction.fetch(
                "select name, id, updated_at, created_at, last_accessed_at, metadata"
                " from storage.search($1, $2, $3, $4, $5, $6, $7, $8)",
                prefix,
                values["bucket"],
                min(body.get("limit", 100), _INT4),
                (prefix + search).count("/") + 1,
                min(body.get("offset", 0), _INT4),
                search,
                sort.get("column", "name"),
                sort.get("order", "asc"),
            )
        return json_reply([_entry(row) for row in rows])

    async def list_v2(self, request: StorageRequest, values: dict[str, str]) -> Reply:
        caller = self._callers.require(request)
        body = await request.json(_V2)
        check_bucket_name(values["bucket"])
        prefix = _searchable(body.get("prefix", ""))
        limit = min(body.get("limit", _V2_PAGE), _V2_PAGE)
        sort = body.get("sortBy", {})
        if body.get("cursor"):
            cursor = _Cursor.decode(body["cursor"])
        else:
            cursor = _Cursor("", sort.get("order", "asc"), sort.get("column", "name"), "")
        async with self._catalog.transaction(request, caller) as transaction:
            if body.get("with_delimiter"):
                rows = await transaction.fetch(
                    "select key, name, id, updated_at, created_at, last_accessed_at, metadata"
                    " from storage.search_v2($1, $2, $3, $4, $5, $6, $7, $8)",
                    prefix,
                    values["bucket"],
                    limit + 1,
                    prefix.count("/") + 1,
                    cursor.after,
                    cursor.order,
                    cursor.column,
                    cursor.column_after,
                )
            else:
                rows = await _flat_page(transaction, values["bucket"], prefix, cursor, limit + 1)
        page = rows[:limit]
        content: dict[str, Any] = {
            "hasNext": len(rows) > limit,
            "folders": [_v2_entry(row) for row in page if row["id"] is None],
            "objects": [_v2_entry(row) for row in page if row["id"] is not None],
        }
        if len(rows) > limit:
            last = page[-1]
            stamp = "" if cursor.column == "name" else js_time(last[cursor.column]) or ""
            following = _Cursor(last["name"], cursor.order, cursor.column, stamp)
            content["nextCursor"] = following.encode()
            content["nextCursorKey"] = last["name"]
        return json_reply(content)


async def _flat_page(
    transaction: Transaction, bucket_id: str, prefix: str, cursor: _Cursor, limit: int
) -> list[asyncpg.Record]:
    """One page of all objects below a prefix, whatever folder they are in."""
    sql = (
        "select id, name, metadata, updated_at, created_at, last_accessed_at"
        " from storage.objects where bucket_id = $1 and starts_with(name, $2)"
    )
    values: list[Any] = [bucket_id, prefix]
    comparison = ">" if cursor.order == "asc" else "<"
    order = f'name collate "C" {cursor.order}'
    if cursor.column == "name":
        if cursor.after:
            values.append(cursor.after)
            sql += f' and name collate "C" {comparison} $3'
    else:
        # The cursor carries milliseconds, so rows are compared and sorted by them too.
        stamp = f"date_trunc('milliseconds', {cursor.column})"
        order = f"{stamp} {cursor.order}, {order}"
        if cursor.after:
            values += [cursor.column_after, cursor.after]
            sql += (
                f' and row({stamp}, name collate "C") {comparison}'
                " row(coalesce(nullif($3, '')::timestamptz, 'epoch'), $4::text collate \"C\")"
            )
    values.append(limit)
    return await transaction.fetch(f"{sql} order by {order} limit ${len(values)}", *values)


def _searchable(text: str) -> str:
    """Text that a name may hold; what Postgres cannot hold is found nowhere."""
    return text.replace("\0", "�")


def _entry(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "name": row["name"],
        "id": None if row["id"] is None else str(row["id"]),
        "updated_at": js_time(row["updated_at"]),
        "created_at": js_time(row["created_at"]),
        "last_accessed_at": js_time(row["last_accessed_at"]),
        "metadata": row["metadata"],
    }


def _v2_entry(row: asyncpg.Record) -> dict[str, Any]:
    entry = _entry(row)
    if row["id"] is None and not entry["name"].endswith("/"):
        entry["name"] += "/"
    if "key" in row.keys():  # noqa: SIM118 — a record iterates over its values
        entry["key"] = row["key"]
    return entry
