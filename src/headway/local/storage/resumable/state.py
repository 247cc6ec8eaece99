"""What is known of each resumable upload; it survives a restart of the stack.

``received`` counts the bytes that are known to be on disk. Whatever a file holds behind them came from a
request that never was acknowledged, and is cut off before the next one writes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from headway.local.storage.catalog import Catalog, Transaction

__all__ = ["Upload", "Uploads"]

_COLUMNS = "id, bucket_id, key, owner, length, received, metadata, created_at, expires_at, completed_at"

# Not waited for on disk: should it be lost with the power, the client sends the same bytes again.
_ADVANCE = """
with unsynced as materialized (select set_config('synchronous_commit', 'off', true))
update _storage_local.resumable_uploads set received = $2 from unsynced where id = $1
"""


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload.

    Args:
        id: Names its file, and becomes the object's version.
        bucket_id: Where the object is to be.
        key: Its key.
        owner: Who began it; ``None`` for API keys.
        length: Bytes of the whole; ``None`` while the client has not said it.
        received: Bytes on disk.
        metadata: The ``Upload-Metadata`` of the creation.
        expires_at: When it is dropped, complete or not.
        completed: Whether the object is in place.
    """

    id: UUID
    bucket_id: str
    key: str
    owner: str | None
    length: int | None
    received: int
    metadata: dict[str, str | None]
    expires_at: datetime
    completed: bool

    @classmethod
    def of(cls, row: asyncpg.Record) -> Upload:
        """An upload from its row.

        Args:
            row: With all columns.
        """
        return cls(
            id=row["id"],
            bucket_id=row["bucket_id"],
            key=row["key"],
            owner=row["owner"],
            length=row["length"],
            received=row["received"],
            metadata=row["metadata"],
            expires_at=row["expires_at"],
            completed=row["completed_at"] is not None,
        )

    @property
    def expired(self) -> bool:
        return datetime.now(UTC) >= self.expires_at


class Uploads:
    """Reads and writes the state of uploads.

    Args:
        catalog: The database.
        lifetime_s: Seconds until an upload is dropped.
    """

    def __init__(self, catalog: Catalog, lifetime_s: float) -> None:
        self._catalog = catalog
        self._lifetime = timedelta(seconds=lifetime_s)

    async def create(
        self,
        upload_id: UUID,
        bucket_id: str,
        key: str,
        *,
        owner: str | None,
        length: int | None,
        metadata: dict[str, str | None],
    ) -> Upload:
        """Note a new upload; its file is there already.

        Args:
            upload_id: Its id.
            bucket_id: Where the object is to be.
            key: Its key.
            owner: Who begins it.
            length: Bytes of the whole, if known.
            metadata: What the client said of it.
        """
        row = await self._catalog.fetchrow(
            "insert into _storage_local.resumable_uploads"  # noqa: S608
            " (id, bucket_id, key, owner, length, metadata, expires_at)"
            f" values ($1, $2, $3, $4, $5, $6, now() + $7) returning {_COLUMNS}",
            upload_id,
            bucket_id,
            key,
            owner,
            length,
            metadata,
            self._lifetime,
        )
        assert row is not None
        return Upload.of(row)

    async def find(self, upload_id: UUID, bucket_id: str, key: str) -> Upload | None:
        """An upload by what its URL says.

        Args:
            upload_id: The id.
            bucket_id: The bucket; must be the upload's.
            key: The key; must be the upload's.
        """
        row = await self._catalog.fetchrow(
            f"select {_COLUMNS} from _storage_local.resumable_uploads"  # noqa: S608
            " where id = $1 and bucket_id = $2 and key = $3",
            upload_id,
            bucket_id,
            key,
        )
        return None if row is None else Upload.of(row)

    async def advance(self, upload_id: UUID, received: int) -> None:
        """Note that more bytes are on disk.

        Args:
            upload_id: The id.
            received: How many altogether.
        """
        await self._catalog.fetchrow(
            _ADVANCE,
            upload_id,
            received,
        )

    async def declare_length(self, upload: Upload, length: int) -> Upload:
        """Note the length that the client has said at last; returns the new state.

        Args:
            upload: The state so far, with its lock held.
            length: Bytes of the whole.
        """
        await self._catalog.fetchrow(
            "update _storage_local.resumable_uploads set length = $2 where id = $1 returning id",
            upload.id,
            length,
        )
        return replace(upload, length=length)

    @staticmethod
    async def complete(transaction: Transaction, upload_id: UUID) -> None:
        """Note within the transaction that writes the object's row that it is in place.

        Args:
            transaction: With the schema owner's rights.
            upload_id: The id.
        """
        await transaction.execute(
            "update _storage_local.resumable_uploads"
            " set received = length, completed_at = now() where id = $1",
            upload_id,
        )

    async def delete(self, upload_id: UUID) -> None:
        """Forget an upload.

        Args:
            upload_id: The id.
        """
        await self._catalog.fetchrow(
            "delete from _storage_local.resumable_uploads where id = $1 returning id", upload_id
        )

    async def forget_expired(self) -> int:
        """Forget every expired upload; returns how many there were."""
        async with self._catalog.transaction(None) as transaction:
            rows = await transaction.fetch(
                "delete from _storage_local.resumable_uploads where expires_at <= now() returning id"
            )
        return len(rows)

    async def unfinished(self) -> dict[str, int]:
        """The ids of the uploads that still need their files, and how long the files must be."""
        async with self._catalog.transaction(None) as transaction:
            rows = await transaction.fetch(
                "select id, received from _storage_local.resumable_uploads where completed_at is null"
            )
        return {str(row["id"]): row["received"] for row in rows}
