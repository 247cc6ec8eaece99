"""The exclusive right to run a server on a data directory."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from pathlib import Path

from headway.errors import ConfigError

__all__ = ["ClusterHold"]

_ORPHAN_GRACE_S = 5


class ClusterHold:
    """A lock that the server process inherits, so that it ends with the last process on the directory.

    Postgres's own pid file cannot tell a live server from an unrelated process that has got the number of a
    killed one, which is usual in containers.

    Args:
        data_dir: The data directory; it may be absent. The lock is a file beside it.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._file = data_dir.with_name(f"{data_dir.name}.lock")
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The descriptor that the server has to inherit."""
        if self._descriptor is None:
            raise RuntimeError("the data directory is not held")
        return self._descriptor

    async def acquire(self) -> None:
        """Take the directory, waiting a little for a server whose owner has just died.

        Raises:
            ConfigError: a server runs on it; the message says which process holds it.
        """
        try:
            self._data_dir.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ConfigError(
                f"{self._file} cannot be opened: {error.strerror}",
                hint="Choose another data directory, or correct its owner and permissions.",
                code="data_dir_unreadable",
            ) from error
        try:
            deadline = time.monotonic() + _ORPHAN_GRACE_S
            while not _lock(descriptor):
                owner = self._owner()
                serving = owner is not None and owner != os.getpid() and _alive(owner)
                if serving or time.monotonic() > deadline:
                    raise self._in_use(owner)
                await asyncio.sleep(0.01)
            if (foreign := self._foreign_server()) is not None:
                raise self._in_use(foreign)
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"owner": os.getpid()}).encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give this process's share up; safe to call twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _owner(self) -> int | None:
        try:
            return int(json.loads(self._file.read_text("utf-8"))["owner"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _foreign_server(self) -> int | None:
        """The process id of a server that somebody started here by hand."""
        try:
            pid = int((self._data_dir / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        if pid == os.getpid() or not _alive(pid):
            return None
        import psutil  # seldom needed, and start-up time counts

        try:
            # Every Postgres process works in its data directory.
            same = Path(psutil.Process(pid).cwd()).resolve() == self._data_dir.resolve()
        except psutil.NoSuchProcess:
            return None
        except psutil.AccessDenied:
            return pid  # somebody else's process: rather refuse than damage
        return pid if same else None

    def _in_use(self, pid: int | None) -> ConfigError:
        who = f"process {pid}" if pid is not None else "another process"
        return ConfigError(
            f"{self._data_dir} is in use by {who}",
            hint="Stop that process, or choose another data directory.",
            code="data_dir_in_use",
        )


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
