"""The rows of ``storage.objects`` and ``storage.buckets``: every statement that reads or writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from headway.local.storage.catalog import Catalog, Transaction
from headway.local.storage.faults import (
    StorageFault,
    bucket_not_found,
    key_already_exists,
    object_not_found,
)
from headway.local.storage.replies import js_time

__all__ = [
    "Bucket",
    "NewObject",
    "find_bucket",
    "find_object",
    "is_uuid",
    "lock_names",
    "object_json",
    "require_object",
    "try_write",
    "write_object",
]

OBJECT_COLUMNS = (
    "id, bucket_id, name, owner, owner_id, version, metadata, user_metadata, "
    "created_at, updated_at, last_accessed_at"
)

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-5][0-9a-f]{3}-[089ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
_LOCK_TIMEOUT_MS = 5000
_LOCK_NAME = """
with timeout as materialized (select set_config('lock_timeout', $1, true) as value)
select pg_advisory_xact_lock(hashtextextended($2, 0)) from timeout where value is not null
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What an upload or a download must know of its bucket."""

    id: str
    public: bool
    file_size_limit: int | None
    allowed_mime_types: list[str]


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object's row as it is to be.

    Args:
        bucket_id: Its bucket.
        name: Its key.
        version: Names its bytes.
        owner: The uploader's subject; ``None`` keeps the former owner of a replaced object.
        metadata: What Storage knows of the bytes.
        user_metadata: What the uploader says of them; ``None`` keeps what a replaced object had.
    """

    bucket_id: str
    name: str
    version: str
    owner: str | None
    metadata: Mapping[str, Any]
    user_metadata: Any

    def columns(self) -> dict[str, Any]:
        """The columns to write; absent values are left to their defaults."""
        columns = {
            "bucket_id": self.bucket_id,
            "name": self.name,
            "version": self.version,
            "metadata": dict(self.metadata),
            "user_metadata": self.user_metadata,
            "owner_id": self.owner,
            "owner": self.owner if self.owner and is_uuid(self.owner) else None,
        }
        return {name: value for name, value in columns.items() if value is not None}


async def find_bucket(source: Catalog | Transaction, bucket_id: str, *, lock: bool = False) -> Bucket:
    """A bucket that the transaction's role may see; any, by the catalog itself.

    Args:
        source: The catalog, or an open transaction.
        bucket_id: The bucket's id.
        lock: Whether to keep others from changing it until the transaction ends.

    Raises:
        StorageFault: there is none.
    """
    row = await source.fetchrow(
        "select id, public, file_size_limit, allowed_mime_types from storage.buckets where id = $1"  # noqa: S608
        + (" for update" if lock else ""),
        bucket_id,
    )
    if row is None:
        raise bucket_not_found()
    return Bucket(
        row["id"], bool(row["public"]), row["file_size_limit"], list(row["allowed_mime_types"] or [])
    )


async def find_object(
    source: Catalog | Transaction, bucket_id: str, name: str, *, lock: bool = False
) -> asyncpg.Record | None:
    """An object's row, if the transaction's role may see it; any, by the catalog itself.

    Args:
        source: The catalog, or an open transaction.
        bucket_id: The bucket's id.
        name: The object's key.
        lock: Whether to keep others from changing it until the transaction ends.
    """
    return await source.fetchrow(
        f"select {OBJECT_COLUMNS} from storage.objects where bucket_id = $1 and name = $2"  # noqa: S608
        + (" for update" if lock else ""),
        bucket_id,
        name,
    )


async def require_object(
    source: Catalog | Transaction, bucket_id: str, name: str, *, lock: bool = False
) -> asyncpg.Record:
    """As ``find_object``, but there must be one.

    Raises:
        StorageFault: there is none, or the role may not see it: the answer is the same.
    """
    row = await find_object(source, bucket_id, name, lock=lock)
    if row is None:
        raise object_not_found()
    return row


async def lock_names(transaction: Transaction, *names: tuple[str, str]) -> None:
    """Let one transaction at a time change what stands under these names.

    Args:
        transaction: An open transaction.
        names: Bucket id and key; locked in one order everywhere, so that nobody waits in a circle.

    Raises:
        StorageFault: another transaction kept one of them too long.
    """
    for bucket_id, name in sorted(set(names)):
        await transaction.fetchrow(_LOCK_NAME, str(_LOCK_TIMEOUT_MS), f"{bucket_id}/{name}")


async def try_write(transaction: Transaction, row: NewObject, *, upsert: bool) -> None:
    """Write an object as the transaction's role, to have the policies say whether it may; to be taken back.

    Args:
        transaction: An open transaction with the caller's rights.
        row: What would be written.
        upsert: Whether an existing object would be replaced, which asks for SELECT as well.

    Raises:
        StorageFault: a policy forbids it, or there is one already and it is not to be replaced.
    """
    await write_object(transaction, row, upsert=upsert, returning=upsert)


async def write_object(
    transaction: Transaction, row: NewObject, *, upsert: bool, returning: bool = True
) -> asyncpg.Record | None:
    """Insert an object's row, or replace it.

    Args:
        transaction: An open transaction.
        row: The row.
        upsert: Whether an existing row is replaced.
        returning: Whether to hand back the row, which asks the role for SELECT as well.

    Raises:
        StorageFault: there is one already and it is not to be replaced, or a policy forbids the write.
    """
    columns = row.columns()
    names = ", ".join(columns)
    places = ", ".join(f"${index}" for index in range(1, len(columns) + 1))
    sql = f"insert into storage.objects ({names}) values ({places})"  # noqa: S608
    if upsert:
        updates = ", ".join(
            f"{name} = excluded.{name}" for name in columns if name not in ("bucket_id", "name")
        )
        sql += f" on conflict (bucket_id, name) do update set {updates}"
    if returning:
        sql += f" returning {OBJECT_COLUMNS}"
    try:
        return await transaction.fetchrow(sql, *columns.values())
    except StorageFault as fault:
        if fault.code == "ResourceAlreadyExists":
            raise key_already_exists() from fault
        raise


def is_uuid(text: str) -> bool:
    """Whether text is a UUID, and so can stand in the old column ``owner``.

    Args:
        text: Any text.
    """
    return _UUID.fullmatch(text) is not None


def object_json(row: asyncpg.Record) -> dict[str, Any]:
    """A whole row as the API shows it; an absent owner is an empty string, as there.

    Args:
        row: With ``OBJECT_COLUMNS``.
    """
    return {
        "name": row["name"],
        "bucket_id": row["bucket_id"],
        "owner": str(row["owner"] or ""),
        "owner_id": row["owner_id"] or "",
        "version": row["version"] or "",
        "id": str(row["id"]),
        "updated_at": js_time(row["updated_at"]),
        "created_at": js_time(row["created_at"]),
        "last_accessed_at": js_time(row["last_accessed_at"]),
        "metadata": row["metadata"],
        "user_metadata": row["user_metadata"],
    }
