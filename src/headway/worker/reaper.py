"""The duty of process 1: to bury the orphans that jobs leave behind."""

from __future__ import annotations

import asyncio
import logging
import os

import psutil

from headway.worker.duty import Duty
from headway.worker.observations import Observations

__all__ = ["Reaper", "is_needed"]

_log = logging.getLogger("headway.worker.reaper")

_INTERVAL = 30.0


def is_needed() -> bool:
    """Whether orphans come to this process, as they do to process 1 of a container."""
    return os.getpid() == 1


class Reaper(Duty):
    """Waits for ended processes that nobody waits for, so that they do not fill the process table.

    A handler's subprocess that starts another and ends leaves it to process 1. Children that are waited for
    are gone within moments: what has ended by two looks in a row is waited for by nobody.

    Args:
        observations: Are told of failures.
        interval: Seconds between two looks.
    """

    name = "reaper"

    def __init__(self, observations: Observations, *, interval: float = _INTERVAL) -> None:
        super().__init__(observations)
        self._interval = interval
        self._seen: set[tuple[int, float]] = set()

    async def turn(self) -> None:
        """Look once."""
        await asyncio.sleep(self._interval)
        ended = self._ended()
        for pid, _ in ended & self._seen:
            _bury(pid)
        self._seen = ended - self._seen

    @staticmethod
    def _ended() -> set[tuple[int, float]]:
        """Children that have ended, with when they began: numbers are used again."""
        ended = set()
        for child in psutil.Process().children():
            try:
                if child.status() == psutil.STATUS_ZOMBIE:
                    ended.add((child.pid, child.create_time()))
            except psutil.NoSuchProcess:
                continue
        return ended


def _bury(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # somebody waited for it after all
    _log.debug("buried process %d", pid)
