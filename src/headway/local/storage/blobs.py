"""The bytes of objects on disk.

A blob's name is made of a hash of bucket and key, and of the version in the object's row; nothing that a
caller wrote ever becomes part of a path. Blobs never change once they are in place, so whoever has one open
keeps reading the old bytes while the object is replaced, and a copy is another link to the same bytes.

::

    <root>/objects/<hh>/<hash of bucket and key>.<version>
    <root>/incoming/<random>        uploads under way
    <root>/resumable/<upload id>    resumable uploads under way

Every file is opened relative to a directory that was opened before, without following symbolic links.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from headway.local.storage.blob_names import BlobMissing, BlobName, is_blob_file

__all__ = ["BlobStore", "OpenBlob"]

_log = logging.getLogger("headway.storage")

P = ParamSpec("P")
T = TypeVar("T")

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_THREADS = 8
_SYNCING_THREADS = 2

# Hard links fail with these where a file system has none, or has too many of one file.
_NO_LINKS = frozenset((errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EXDEV, errno.ENOSYS, errno.EACCES))


@dataclass(slots=True)
class OpenBlob:
    """A blob that is open for reading.

    Args:
        descriptor: Closed by ``close``.
        size: Bytes.
    """

    descriptor: int
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Some bytes; fewer only at the end. Blocks.

        Args:
            offset: The first byte's place.
            length: How many at most.
        """
        return os.pread(self.descriptor, length, offset)

    def close(self) -> None:
        """Give the file back; safe to call twice."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class BlobStore:
    """The directory tree of one stack's objects.

    Args:
        root: Where it is; made by ``start``.
        durable: Whether bytes and names reach the disk before a call returns.
    """

    def __init__(self, root: Path, *, durable: bool) -> None:
        self._root = root
        self._durable = durable
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage")
        self._directories: dict[str, int] = {}
        self._claimed: set[str] = set()
        self._syncing = ThreadPoolExecutor(_SYNCING_THREADS, thread_name_prefix="storage-sync")
        self._behind: dict[str, Future[None]] = {}

    async def start(self) -> None:
        """Make the directories and open them."""
        await self.run(self._open_directories)

    async def stop(self) -> None:
        """Wait for what is being written and close the directories; safe to call twice."""
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._syncing.shutdown)
        while self._directories:
            os.close(self._directories.popitem()[1])

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do blocking work on one of the store's threads.

        Args:
            work: What blocks.
            args: Its arguments.
            kwargs: Its keyword arguments.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))

    def _open_directories(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("objects", "incoming", "resumable"):
            with suppress(FileExistsError):
                (self._root / name).mkdir(mode=0o700)
            self._directories[name] = os.open(self._root / name, _DIRECTORY)

    # -- writing ----------------------------------------------------------------------------------------

    def create(self, area: str, name: str) -> int:
        """A new empty file, open for writing. Blocks.

        Args:
            area: ``incoming`` or ``resumable``.
            name: A name made by Storage.
        """
        return os.open(name, _CREATE, 0o600, dir_fd=self._directories[area])

    def create_empty(self, area: str, name: str) -> None:
        """A new empty file whose name is on disk. Blocks.

        Args:
            area: ``resumable``.
            name: A name made by Storage.
        """
        os.close(self.create(area, name))
        self.sync(self._directories[area])

    def open_for_append(self, area: str, name: str, size: int) -> int:
        """A file cut to a length and open for writing at its end. Blocks.

        Args:
            area: ``resumable``.
            name: The file's name.
            size: The length that is known to be good; what is behind it is dropped.

        Raises:
            BlobMissing: the file is not there or shorter than that.
        """
        try:
            descriptor = os.open(name, _APPEND, dir_fd=self._directories[area])
        except OSError as error:
            raise BlobMissing from error
        try:
            if os.fstat(descriptor).st_size < size:
                raise BlobMissing
            os.ftruncate(descriptor, size)
            os.lseek(descriptor, size, os.SEEK_SET)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def sync_behind(self, name: str, descriptor: int) -> None:
        """Begin to bring to disk what a growing file holds by now, without waiting for it.

        So the disk works while more bytes arrive, and little is left to wait for at the end.

        Args:
            name: The file's name, unique in the store.
            descriptor: The open file; may be closed meanwhile.

        Raises:
            OSError: an earlier attempt failed.
        """
        if not self._durable:
            return
        former = self._behind.get(name)
        if former is not None:
            if not former.done():
                return
            former.result()
        self._behind[name] = self._syncing.submit(_sync_and_close, os.dup(descriptor))

    def settle(self, name: str) -> None:
        """Wait for what ``sync_behind`` began, if anything. Blocks.

        Args:
            name: The file's name.

        Raises:
            OSError: it failed, so that bytes may be missing on disk.
        """
        former = self._behind.pop(name, None)
        if former is not None:
            former.result()

    def sync(self, descriptor: int) -> None:
        """See to it that what was written survives a loss of power. Blocks.

        Args:
            descriptor: An open file or directory.
        """
        if self._durable:
            os.fsync(descriptor)

    def discard(self, area: str, name: str) -> None:
        """Remove a file that may be gone already. Blocks.

        Args:
            area: The file's directory.
            name: The file's name.
        """
        self._behind.pop(name, None)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._directories[area])

    @contextmanager
    def claim(self, blob: BlobName) -> Iterator[None]:
        """Keep the sweep away from a blob whose row is not committed yet.

        Args:
            blob: The blob, before its file is made.
        """
        name = blob.file_name
        self._claimed.add(name)
        try:
            yield
        finally:
            self._claimed.discard(name)

    def place(self, area: str, name: str, blob: BlobName, *, keep: bool = False) -> None:
        """Give a complete file its final name. Blocks.

        Args:
            area: Where the file is.
            name: Its name there.
            blob: Its final name.
            keep: Whether the file keeps its former name as well.
        """
        source = self._directories[area]
        with self._shard(blob, create=True) as shard:
            if keep:
                self._link(name, source, blob.file_name, shard)
            else:
                os.rename(name, blob.file_name, src_dir_fd=source, dst_dir_fd=shard)
            self.sync(shard)

    def copy(self, source: BlobName, target: BlobName) -> None:
        """Let the same bytes be had under another name. Blocks.

        Args:
            source: A blob in place.
            target: The new name.

        Raises:
            BlobMissing: there is no such source.
        """
        try:
            with self._shard(source) as from_shard, self._shard(target, create=True) as to_shard:
                self._link(source.file_name, from_shard, target.file_name, to_shard)
                self.sync(to_shard)
        except FileNotFoundError:
            raise BlobMissing from None

    def _link(self, source: str, source_fd: int, target: str, target_fd: int) -> None:
        try:
            os.link(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._copy_bytes(source, source_fd, target, target_fd)

    def _copy_bytes(self, source: str, source_fd: int, target: str, target_fd: int) -> None:
        with (
            open(os.open(source, _READ, dir_fd=source_fd), "rb") as reader,  # noqa: PTH123
            open(os.open(target, _CREATE, 0o600, dir_fd=target_fd), "wb") as writer,  # noqa: PTH123
        ):
            shutil.copyfileobj(reader, writer, 1024 * 1024)
            writer.flush()
            self.sync(writer.fileno())

    # -- reading and removing ---------------------------------------------------------------------------

    def open(self, blob: BlobName) -> OpenBlob:
        """Open a blob for reading. Blocks.

        Args:
            blob: Which one.

        Raises:
            BlobMissing: it is not there, or what is there is no plain file.
        """
        try:
            with self._shard(blob) as shard:
                descriptor = os.open(blob.file_name, _READ, dir_fd=shard)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
                raise BlobMissing from error
            raise
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            os.close(descriptor)
            raise BlobMissing
        return OpenBlob(descriptor, state.st_size)

    def remove(self, *blobs: BlobName) -> None:
        """Remove blobs that no row names any more; what cannot be removed is left to the sweep. Blocks.

        Args:
            blobs: Which ones.
        """
        for blob in blobs:
            try:
                with self._shard(blob) as shard:
                    os.unlink(blob.file_name, dir_fd=shard)
            except (FileNotFoundError, BlobMissing):
                continue
            except OSError as error:
                # The row is committed by now: the request has succeeded, whatever becomes of the bytes.
                _log.warning("bytes that are not needed any more could not be removed: %s", error)

    # -- sweeping ---------------------------------------------------------------------------------------

    def listing(self) -> list[str]:
        """The file names of all blobs, and of nothing else that somebody put there. Blocks."""
        objects = self._directories["objects"]
        names: list[str] = []
        for shard in os.listdir(objects):  # noqa: PTH208 — of an open directory
            with suppress(NotADirectoryError, FileNotFoundError):
                descriptor = os.open(shard, _DIRECTORY, dir_fd=objects)
                try:
                    names += filter(is_blob_file, os.listdir(descriptor))  # noqa: PTH208
                finally:
                    os.close(descriptor)
        return names

    def unclaimed(self, names: list[str]) -> list[str]:
        """Those names that no upload under way stands behind.

        Args:
            names: File names of blobs.
        """
        return [name for name in names if name not in self._claimed]

    def remove_file(self, name: str) -> None:
        """Remove a blob by its file name. Blocks.

        Args:
            name: From ``listing``.
        """
        with (
            suppress(FileNotFoundError, IsADirectoryError, PermissionError, NotADirectoryError),
            self._opened(name[:2]) as shard,
        ):
            os.unlink(name, dir_fd=shard)

    def area_listing(self, area: str) -> list[str]:
        """The file names in one of the other directories. Blocks.

        Args:
            area: ``incoming`` or ``resumable``.
        """
        return os.listdir(self._directories[area])  # noqa: PTH208

    def length(self, area: str, name: str) -> int | None:
        """How many bytes a file holds; ``None`` when it is not there. Blocks.

        Args:
            area: The file's directory.
            name: The file's name.
        """
        try:
            return os.stat(name, dir_fd=self._directories[area], follow_symlinks=False).st_size
        except FileNotFoundError:
            return None

    @contextmanager
    def _shard(self, blob: BlobName, *, create: bool = False) -> Iterator[int]:
        shard = blob.file_name[:2]
        if create:
            with suppress(FileExistsError):
                os.mkdir(shard, 0o700, dir_fd=self._directories["objects"])
                self.sync(self._directories["objects"])
        with self._opened(shard) as descriptor:
            yield descriptor

    @contextmanager
    def _opened(self, shard: str) -> Iterator[int]:
        descriptor = os.open(shard, _DIRECTORY, dir_fd=self._directories["objects"])
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def status(self) -> dict[str, Any]:
        """How many uploads are being completed."""
        return {"completing": len(self._claimed)}


def _sync_and_close(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
