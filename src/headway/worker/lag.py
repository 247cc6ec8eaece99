"""Notices when the event loop does not get its turn, and says who keeps it."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from types import FrameType
from uuid import UUID

from headway.worker.job import JobInfo
from headway.worker.logs import job_fields
from headway.worker.observations import Observations, Observer

__all__ = ["LagMonitor"]

_log = logging.getLogger("headway.worker.lag")

_TICK = 0.25
_FRAMES = 12


@dataclass(frozen=True, slots=True)
class _Culprit:
    task: str
    job: JobInfo | None
    stack: str


class LagMonitor(Observer):
    """Measures how late the loop is, and looks at its stack from a thread while it is blocked.

    A handler that blocks the loop keeps heartbeats from being sent, and its worker loses every lease: this is
    how it is found. What holds the interpreter's lock as well (some C extensions) can only be told
    afterwards, without a name.

    Args:
        observations: Are told of every measurement, and of each blockage as the incident ``loop_blocked``.
        threshold: Seconds of delay that are worth a warning.
    """

    name = "lag monitor"

    def __init__(self, observations: Observations, *, threshold: float) -> None:
        self._observations = observations
        self._threshold = threshold
        self._jobs: dict[UUID, JobInfo] = {}
        self._task: asyncio.Task[None] | None = None
        self._watchdog: threading.Thread | None = None
        self._quit = threading.Event()
        self._due = 0.0
        self._culprit: _Culprit | None = None

    # Which handlers run, to put a name to a task ------------------------------------------------------------

    def started(self, job: JobInfo) -> None:
        self._jobs[job.id] = job

    def ended(self, job: JobInfo, outcome: str, seconds: float, code: str | None) -> None:
        self._jobs.pop(job.id, None)

    # Life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to measure; starting what runs changes nothing."""
        if self._task is not None:
            return
        loop = asyncio.get_running_loop()
        self._due = time.monotonic() + _TICK
        self._quit = threading.Event()
        self._task = asyncio.create_task(self._tick(), name="headway lag")
        self._watchdog = threading.Thread(
            target=self._watch,
            args=(loop, threading.get_ident(), self._quit),
            name="headway lag watchdog",
            daemon=True,
        )
        self._watchdog.start()

    async def stop(self) -> None:
        """End task and thread; safe to call twice, and when it was never started."""
        task, self._task = self._task, None
        watchdog, self._watchdog = self._watchdog, None
        self._quit.set()
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        if watchdog is not None:
            await asyncio.to_thread(watchdog.join, 2)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._due - time.monotonic()))
            late = max(0.0, time.monotonic() - self._due)
            # Before anything else: the watchdog looks at it.
            self._due = time.monotonic() + _TICK
            culprit, self._culprit = self._culprit, None
            self._observations.lagged(late)
            if late >= self._threshold:
                self._told(late, culprit)

    def _told(self, late: float, culprit: _Culprit | None) -> None:
        job = culprit.job if culprit is not None else None
        self._observations.incident("loop_blocked", job)
        if culprit is None:
            _log.warning(
                "the event loop was blocked for %.1f s by something that let no other thread run, "
                "or the machine was short of processor time",
                late,
            )
        else:
            _log.warning(
                "the event loop was blocked for %.1f s by %s; run such work with run_in=\"thread\", "
                "run_in=\"process\" or asyncio.to_thread\n%s",
                late, culprit.task, culprit.stack, extra=job_fields(job) if job is not None else None,
            )  # fmt: skip

    # In the watchdog's thread -------------------------------------------------------------------------------

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int, quit_: threading.Event) -> None:
        while not quit_.wait(self._threshold / 2):
            if self._culprit is None and time.monotonic() - self._due >= self._threshold * 0.8:
                self._culprit = self._look(loop, thread)

    def _look(self, loop: asyncio.AbstractEventLoop, thread: int) -> _Culprit | None:
        frame: FrameType | None = sys._current_frames().get(thread)
        if frame is None:
            return None
        stack = "".join(traceback.format_stack(frame)[-_FRAMES:]).rstrip()
        try:
            task = asyncio.current_task(loop)
            name = task.get_name() if task is not None else "a callback"
        except RuntimeError:
            name = "a task"
        job = next((job for key, job in list(self._jobs.items()) if str(key) in name), None)
        if job is not None:
            name = f"the handler of {job.kind}, job {job.id}"
        return _Culprit(name, job, stack)
