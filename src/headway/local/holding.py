"""Who holds a data directory: one running stack at a time, known to everybody who looks."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from headway.errors import ConfigError

__all__ = ["DataDirLock", "RunningStack", "holder_pid", "read_running"]

_STATE_FILE = "stack.json"
_LOCK_FILE = "stack.lock"
# Whoever looks holds the lock for a moment, too; that must not pass for a running stack.
_LOOKS = 5
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that runs, as other processes find it.

    Args:
        pid: The process that holds the data directory.
        api_url: The gateway's address.
        db_url: Postgres's address without its password, or ``None`` when it listens on no TCP port.
        inbox_url: The mail inbox's address, or ``None``.
        socket_dir: Postgres's Unix socket directory.
        db_port: The port in the socket's name.
    """

    pid: int
    api_url: str
    db_url: str | None
    inbox_url: str | None
    socket_dir: str
    db_port: int


def read_running(data_dir: Path) -> RunningStack | None:
    """The stack that holds ``data_dir`` now, or ``None``; what a killed stack left behind does not count.

    Args:
        data_dir: The stack's data directory.
    """
    return _read_state(data_dir) if holder_pid(data_dir) is not None else None


def holder_pid(data_dir: Path) -> int | None:
    """The process that holds ``data_dir`` now, whether its stack answers already or not; ``None`` for none.

    Args:
        data_dir: The stack's data directory.
    """
    try:
        descriptor = os.open(data_dir / _LOCK_FILE, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(descriptor)
    finally:
        os.close(descriptor)
    return None


def _read_pid(descriptor: int) -> int | None:
    # Empty for the moment between taking the lock and writing the number.
    for _ in range(_LOOKS):
        if number := os.pread(descriptor, 20, 0):
            return int(number)
        time.sleep(_LOOK_S)
    return None


def _read_state(data_dir: Path) -> RunningStack | None:
    try:
        raw: Mapping[str, object] = json.loads((data_dir / _STATE_FILE).read_text("utf-8"))
        return RunningStack(**raw)  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError):
        return None


def _take(descriptor: int) -> bool:
    for _ in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOK_S)
        else:
            return True
    return False


class DataDirLock:
    """The exclusive hold of one process on a data directory.

    The kernel drops the lock when the process ends, however it ends, so a killed stack never blocks the next.

    Args:
        data_dir: The directory; made, readable by this user only, when it is not there.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the directory.

        Raises:
            ConfigError: another stack holds it; the message names its process and address.
        """
        self._data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._data_dir / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        if not _take(descriptor):
            pid = _read_pid(descriptor)
            os.close(descriptor)
            holder = _read_state(self._data_dir)
            who = f"process {pid}" if pid else "another process"
            raise ConfigError(
                f"{self._data_dir} is in use by {who}" + (f" at {holder.api_url}" if holder else ""),
                hint="Use the running stack, stop it with `headway down`, or choose another data directory.",
                code="data_dir_in_use",
            )
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        (self._data_dir / _STATE_FILE).unlink(missing_ok=True)
        self._descriptor = descriptor

    def publish(self, running: RunningStack) -> None:
        """Let other processes find the stack.

        Args:
            running: What they are told; it holds no secret.
        """
        temporary = self._data_dir / f"{_STATE_FILE}.new"
        temporary.write_text(json.dumps(asdict(running), indent=2), "utf-8")
        temporary.replace(self._data_dir / _STATE_FILE)

    def release(self) -> None:
        """Give the directory up; safe to call twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            (self._data_dir / _STATE_FILE).unlink(missing_ok=True)
            os.close(descriptor)
