"""How much memory the process holds, and which handler has made it grow."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import psutil

from headway.worker.job import JobInfo
from headway.worker.observations import Observations, Observer

__all__ = ["MemoryGuard", "memory_limit"]

_log = logging.getLogger("headway.worker")

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_CHECK_SECONDS = 5.0
_SHARE = 0.9
_MB = 1024 * 1024


def memory_limit(configured: int | None) -> int | None:
    """At how many bytes the worker stops by itself; ``None`` for never.

    Args:
        configured: MB, as the settings say.
    """
    if configured is not None:
        return configured * _MB
    for path in _CGROUP_LIMITS:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        # Without a limit it says "max", or a number beyond any machine.
        if text.isdigit() and int(text) < psutil.virtual_memory().total:
            return int(int(text) * _SHARE)
    return None


class MemoryGuard(Observer):
    """Stops the worker in good time, before the system kills it in the middle of its jobs.

    Args:
        limit: Bytes; ``None`` only watches.
        drain: Stops the worker.
        observations: Are told of incidents.
    """

    name = "memory guard"

    def __init__(self, limit: int | None, *, drain: Callable[[], None], observations: Observations) -> None:
        self._limit = limit
        self._drain = drain
        self._observations = observations
        self._process = psutil.Process()
        self._task: asyncio.Task[None] | None = None
        self._running: dict[object, str] = {}
        self._grown: defaultdict[str, int] = defaultdict(int)
        self._seen: set[str] = set()
        self._last = 0

    def started(self, job: JobInfo) -> None:
        self._running[job.id] = job.kind

    def ended(self, job: JobInfo, outcome: str, seconds: float, code: str | None) -> None:
        self._running.pop(job.id, None)
        self._seen.add(job.kind)

    @property
    def used(self) -> int:
        """Bytes of memory that this process holds now."""
        return int(self._process.memory_info().rss)

    async def start(self) -> None:
        """Begin to look."""
        self._last = self.used
        if self._task is None:
            self._task = asyncio.create_task(self._watch(), name="headway memory")

    async def stop(self) -> None:
        """Look no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            used = self.used
            # Whoever ran meanwhile shares in what has been added.
            ran = {*self._running.values(), *self._seen}
            self._seen.clear()
            for kind in ran:
                self._grown[kind] += (used - self._last) // len(ran)
            self._last = used
            if self._limit is not None and used > self._limit:
                self._over(used)
                return

    def _over(self, used: int) -> None:
        worst = sorted(self._grown.items(), key=lambda entry: -entry[1])[:3]
        names = ", ".join(f"{kind} {grown / _MB:+.0f} MB" for kind, grown in worst) or "no job"
        _log.error(
            "the worker holds %.0f MB, more than its %.0f MB: it stops, to be started anew; grown by %s",
            used / _MB,
            (self._limit or 0) / _MB,
            names,
        )
        self._observations.incident("memory_limit", None)
        self._drain()
