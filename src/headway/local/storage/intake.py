"""Writes a stream to a file, off the event loop, with a bounded buffer.

Bytes are collected to about one MiB and written by a thread while the next ones arrive, so an upload of any
size takes the memory of a few pieces.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from collections.abc import Callable, Sequence

from headway.local.storage.blobs import BlobStore

__all__ = ["Intake", "opaque_etag"]

_BATCH_BYTES = 1024 * 1024
_MAX_PIECES = 512
_SYNC_BYTES = 16 * 1024 * 1024
# What the real service uploads in one request has its MD5 as ETag; larger ones have an opaque multipart tag.
_PART_BYTES = 5 * 1024 * 1024


def opaque_etag(size: int) -> str:
    """An entity tag for content that was not hashed, in the form that multipart uploads have.

    Args:
        size: Bytes of the content.
    """
    return f'"{uuid.uuid4().hex}-{max(1, -(-size // _PART_BYTES))}"'


class Intake:
    """One file that is being written, piece by piece.

    Args:
        store: Whose threads write.
        area: The store's directory of the file.
        name: The file's name there.
        descriptor: The open file; ``None`` for one that is made with the first bytes.
    """

    def __init__(self, store: BlobStore, area: str, name: str, descriptor: int | None = None) -> None:
        self._store = store
        self._descriptor = descriptor
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._writing: asyncio.Future[None] | None = None
        self._behind = 0
        self._digest = hashlib.md5(usedforsecurity=False)
        self.area = area
        self.name = name
        self.size = 0
        """Bytes taken so far."""

    @classmethod
    def new(cls, store: BlobStore) -> Intake:
        """A file for a new upload; nothing is on disk before the first bytes are written.

        Args:
            store: Where it goes.
        """
        return cls(store, "incoming", uuid.uuid4().hex)

    async def write(self, data: bytes) -> None:
        """Take some bytes; waits while the disk is behind.

        Args:
            data: Bytes that nobody changes afterwards.
        """
        self._pieces.append(data)
        self._buffered += len(data)
        self.size += len(data)
        if self._buffered >= _BATCH_BYTES or len(self._pieces) >= _MAX_PIECES:
            await self._hand_over(self._write_pieces)

    async def finish(self, *, sync: bool = True) -> None:
        """Write what is buffered; the file is closed then.

        Args:
            sync: Whether to see to it that everything is on disk.
        """
        await self._hand_over(self._write_last if sync else self._write_last_unsynced)
        await self._settle()

    async def abandon(self) -> None:
        """Close and remove the file, whatever state it is in."""
        await self.close()
        await self._store.run(self._store.discard, self.area, self.name)

    async def close(self) -> None:
        """Close the file without what is still buffered; safe to call after ``finish``."""
        self._pieces, self._buffered = [], 0
        writing, self._writing = self._writing, None
        if writing is not None:
            await asyncio.wait([writing])
            writing.exception()
        if self._descriptor is not None:
            await self._store.run(self._close_file)

    @property
    def etag(self) -> str:
        """The entity tag of the finished file: the MD5 of what one part holds, opaque for more."""
        if self.size <= _PART_BYTES:
            return f'"{self._digest.hexdigest()}"'
        return opaque_etag(self.size)

    async def _hand_over(self, work: Callable[[Sequence[bytes], int], None]) -> None:
        await self._settle()
        pieces, self._pieces, self._buffered = self._pieces, [], 0
        self._writing = asyncio.ensure_future(self._store.run(work, pieces, self.size))

    async def _settle(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                self._writing = writing
                raise

    def _write_pieces(self, pieces: Sequence[bytes], size: int) -> None:
        if self._descriptor is None:
            self._descriptor = self._store.create(self.area, self.name)
        if size <= _PART_BYTES:
            for piece in pieces:
                self._digest.update(piece)
        rest: list[bytes | memoryview] = list(pieces)
        while rest:
            written = os.writev(self._descriptor, rest)
            while rest and written >= len(rest[0]):
                written -= len(rest.pop(0))
            if written:
                rest[0] = memoryview(rest[0])[written:]
        if size - self._behind >= _SYNC_BYTES:
            self._behind = size
            self._store.sync_behind(self.name, self._descriptor)

    def _write_last(self, pieces: Sequence[bytes], size: int) -> None:
        self._write_pieces(pieces, size)
        assert self._descriptor is not None
        self._store.settle(self.name)
        self._store.sync(self._descriptor)
        self._close_file()

    def _write_last_unsynced(self, pieces: Sequence[bytes], size: int) -> None:
        self._write_pieces(pieces, size)
        assert self._descriptor is not None
        self._store.sync_behind(self.name, self._descriptor)
        self._close_file()

    def _close_file(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
