"""Whether processes have ended, on machines whose init does not reap orphans too."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil

__all__ = ["all_gone", "ended", "family"]


def ended(process: psutil.Process) -> bool:
    """Whether a process runs no more; an orphan that nobody reaps has ended all the same."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def all_gone(processes: Sequence[psutil.Process], timeout: float = 30) -> bool:
    """Whether all of some processes end within a time."""
    deadline = time.monotonic() + timeout
    while not all(ended(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def family(pid: int) -> list[psutil.Process]:
    """A process with everything below it."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
