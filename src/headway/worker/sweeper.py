"""Takes back what dead workers held, promotes what is due, and learns what else is: the one idle request."""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from headway.errors import Conflict, HeadwayError, TransportError
from headway.worker.agenda import Agenda
from headway.worker.claimer import Claimer
from headway.worker.store import Store, Swept

__all__ = ["Sweeper"]

_log = logging.getLogger("headway.worker")

# Shorter than the lease: whatever a dead worker held is seen while it runs out, and taken back at once then.
_IDLE_SECONDS = (5.8, 7.2)
_SHORTEST = 0.25
_MOST_JOBS = 500


class Sweeper:
    """Sweeps when something is due, and every six seconds or so when nothing is known to be.

    What this worker itself has put off is known before a sweep tells of it: see ``expect``.

    Args:
        store: The engine.
        worker_id: The worker.
        claimer: Is woken when something can be claimed.
        agenda: Is told what is due for other services.
        register: Registers the worker anew.
    """

    name = "sweeper"

    def __init__(
        self,
        store: Store,
        worker_id: UUID,
        *,
        claimer: Claimer,
        agenda: Agenda,
        register: Callable[[], Awaitable[object]],
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._claimer = claimer
        self._agenda = agenda
        self._register = register
        self._task: asyncio.Task[None] | None = None
        self._expected: list[float] = []
        self._sooner = asyncio.Event()
        self.answered_at: float | None = None
        """When the engine last answered a sweep, by ``time.monotonic()``."""

    async def start(self) -> None:
        """Begin to sweep."""
        if self._task is None:
            self._task = asyncio.create_task(self._live(), name="headway sweeper")

    async def stop(self) -> None:
        """Sweep no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    def expect(self, seconds: float) -> None:
        """A job will be due: sweep then, if not before.

        Args:
            seconds: From now; what is far is left to the sweeps in between, which learn of it.
        """
        if seconds <= _IDLE_SECONDS[1]:
            heapq.heappush(self._expected, time.monotonic() + seconds + _by_chance())
            self._sooner.set()

    async def sweep(self) -> Swept:
        """Sweep once, and pass on what was learnt."""
        swept = await self._store.sweep(self._worker_id, most=_MOST_JOBS)
        self.answered_at = time.monotonic()
        self._agenda.put("schedules", swept.schedule_seconds)
        self._agenda.put("deliveries", swept.delivery_seconds)
        self._agenda.put("retention", swept.retention_seconds)
        if swept.lost:
            _log.info("took back %d jobs whose workers have disappeared", swept.lost)
        if swept.ready:
            self._claimer.wake("sweep")
        return swept

    async def _live(self) -> None:
        failures = 0
        # Workers that start together shall not sweep together.
        pause = random.uniform(0, 1)  # noqa: S311 - no secret
        while True:
            await self._rest(pause)
            try:
                pause = _pause_after(await self.sweep())
                failures = 0
            except Conflict as error:
                _log.warning("sweeping failed: %s", error)
                pause = await self._registered_anew()
            except TransportError as error:
                failures += 1
                if failures in (1, 10):
                    _log.warning("sweeping failed: %s", error)
                pause = min(5.0, 0.2 * 2**failures) * random.uniform(0.5, 1)  # noqa: S311
            except HeadwayError as error:
                _log.error("sweeping failed: %s", error)
                pause = _IDLE_SECONDS[1]
            except Exception:  # noqa: BLE001 - the next sweep may be better, and there must be one
                _log.exception("sweeping failed")
                pause = _IDLE_SECONDS[1]

    async def _rest(self, pause: float) -> None:
        """Until the pause is over or what is expected is due, but not more often than is of use."""
        now = time.monotonic()
        earliest, latest = now + min(pause, _SHORTEST), now + pause
        while True:
            self._sooner.clear()
            until = max(earliest, min([latest, *self._expected[:1]]))
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                await asyncio.wait_for(self._sooner.wait(), left)
            except TimeoutError:
                break
        while self._expected and self._expected[0] <= time.monotonic():
            heapq.heappop(self._expected)

    async def _registered_anew(self) -> float:
        try:
            await self._register()
        except HeadwayError as error:
            _log.error("registering failed: %s", error)
            return _IDLE_SECONDS[0]
        return _SHORTEST


def _by_chance() -> float:
    # Not all workers at the same moment.
    return random.uniform(0.02, 0.2)  # noqa: S311 - no secret


def _pause_after(swept: Swept) -> float:
    """Until the next lease expires or the next delayed job is due; a little later, by chance."""
    if swept.lost >= _MOST_JOBS or swept.promoted >= _MOST_JOBS:
        return 0.0
    pause = random.uniform(*_IDLE_SECONDS)  # noqa: S311
    for due in (swept.lease_seconds, swept.run_seconds):
        if due is not None:
            pause = min(pause, max(_SHORTEST, due + _by_chance()))
    return pause
