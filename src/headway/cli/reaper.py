"""Run as a script, never imported: removes a throwaway stack when the process that made it is gone.

Run with ``python -I -S reaper.py DIRECTORY``. Standard input is a pipe from that process, which says what
else is to be ended (``group PID``, ``socket DIRECTORY``) and at last ``done``; the pipe's end without that
word means that it was killed. Only the standard library is used, so that this stays small while it waits.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path

_GRACE_S = 5.0
_POSTGRES_S = 15.0
_POLL_S = 0.02


def main(directory: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    sockets: set[Path] = set()
    for line in sys.stdin:
        word, _, value = line.rstrip("\n").partition(" ")
        if word == "group":
            groups.add(int(value))
        elif word == "ungroup":
            groups.discard(int(value))
        elif word == "socket":
            sockets.add(Path(value))
        elif word == "done":
            return
    for group in groups:
        _end_group(group)
    _await_postgres(directory / "postgres.lock")
    for place in (directory, *sockets):
        shutil.rmtree(place, ignore_errors=True)


def _end_group(group: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _GRACE_S
        try:
            os.killpg(group, number)
            while time.monotonic() < deadline:
                os.killpg(group, 0)
                time.sleep(_POLL_S)
        except (ProcessLookupError, PermissionError):
            return


def _await_postgres(lock: Path) -> None:
    """Postgres holds the lock until its last process is gone; it is on its way since our maker died."""
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return
    deadline = time.monotonic() + _POSTGRES_S
    while time.monotonic() < deadline:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_POLL_S)
        else:
            return
    try:
        os.kill(
            int((lock.parent / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]), signal.SIGKILL
        )
    except (OSError, ValueError):
        return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
