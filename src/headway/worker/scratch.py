"""A worker's temporary directory: private, gone at its end, and after a crash removed by the next worker."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import stat
import tempfile
from pathlib import Path

from headway.errors import ConfigError

__all__ = ["Scratch"]

_log = logging.getLogger("headway.worker")

_PREFIX = "headway-worker-"


class Scratch:
    """Where the jobs' own temporary directories are made.

    The directory is locked (``flock``) for as long as its worker lives, and the kernel lets go of the lock
    when it dies, however it dies. Process numbers would not do: in a container the worker that has crashed
    and the one that follows are both number 1.

    Args:
        parent: Where it is made; the system's place for temporary files when ``None``.
    """

    name = "scratch"

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent or Path(tempfile.gettempdir())
        self._lock: int | None = None
        self.path: Path | None = None
        """The directory, while the worker runs."""

    async def start(self) -> None:
        """Make the directory, and remove those of workers that have crashed.

        Raises:
            ConfigError: it cannot be made.
        """
        if self.path is not None:
            return
        try:
            self.path, self._lock = _made(self._parent)
        except OSError as error:
            raise ConfigError(
                f"no temporary directory can be made in {self._parent}: {error.strerror or error}",
                hint="Set TMPDIR to a directory that this user may write to.",
                code="scratch_unwritable",
            ) from None
        await asyncio.to_thread(self._remove_orphans)

    async def stop(self) -> None:
        """Remove the directory."""
        path, self.path = self.path, None
        lock, self._lock = self._lock, None
        if path is not None:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        if lock is not None:
            os.close(lock)

    def _remove_orphans(self) -> None:
        try:
            entries = [entry for entry in self._parent.iterdir() if entry.name.startswith(_PREFIX)]
        except OSError:
            return
        for entry in entries:
            try:
                lock = _opened(entry)
            except OSError:
                continue  # a link, a file, somebody else's, or gone
            try:
                if os.fstat(lock).st_uid == os.getuid() and _locked(lock) and _is_still(entry, lock):
                    _log.info("removing what a worker that has crashed left in %s", entry)
                    shutil.rmtree(entry, ignore_errors=True)
            finally:
                os.close(lock)


def _made(parent: Path) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        try:
            lock = _opened(path)
        except FileNotFoundError:
            continue
        # Another worker may have taken it for an orphan, between its making and its lock.
        if (_locked(lock) or not _can_lock(lock)) and _is_still(path, lock):
            return path, lock
        os.close(lock)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _can_lock(descriptor: int) -> bool:
    """False where the file system knows no locks; there, nothing is ever taken for an orphan."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        there = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(there.st_mode) and os.path.samestat(there, os.fstat(descriptor))
