"""Takes jobs as slots become free, whenever it is told that there may be some."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from headway.core.lease import Claimed
from headway.errors import Conflict, HeadwayError, TransportError
from headway.worker.attempt import Attempt
from headway.worker.observations import Learnt, Observations
from headway.worker.registry import Registry
from headway.worker.runner import Runner
from headway.worker.store import Store

__all__ = ["Claimer"]

_log = logging.getLogger("headway.worker")

_MOST_JOBS = 500
_POLL_SECONDS = 1.0
_LONGEST_PAUSE = 5.0
# While more waits than there are slots: long enough for several to become free, too short to notice.
_GATHER_SECONDS = 0.02
# Realtime reads the log, and a commit is in the log before other sessions see it: on a busy server, the claim
# that a message has caused may come too early. It looks again, instead of leaving the job to the next sweep.
_LOOK_AGAIN_SECONDS = (0.004, 0.03, 0.3)


@dataclass(frozen=True, slots=True)
class _Lane:
    """Kinds that are claimed together: all without a limit of their own in this process, or one with."""

    kinds: tuple[str, ...]
    limit: int | None


class Claimer:
    """Claims in batches.

    Args:
        store: The engine.
        runner: Where jobs run.
        registry: Which kinds this worker knows; others stay for others.
        kinds: Which of them it claims.
        queues: From which queues, in order of preference; ``None`` is every queue that holds such jobs.
        worker_id: The worker.
        lease_seconds: How long a lease lasts.
        observations: Are told of what was claimed, and how it was learnt of.
        register: Registers the worker anew.
    """

    name = "claimer"

    def __init__(
        self,
        store: Store,
        runner: Runner,
        registry: Registry,
        *,
        kinds: Sequence[str],
        queues: Sequence[str] | None,
        worker_id: UUID,
        lease_seconds: int,
        observations: Observations,
        register: Callable[[], Awaitable[object]],
    ) -> None:
        self.kinds = tuple(kinds)
        self._store = store
        self._runner = runner
        self._registry = registry
        self._queues = queues
        self._worker_id = worker_id
        self._lease_seconds = lease_seconds
        self._observations = observations
        self._register = register
        free = tuple(kind for kind in kinds if registry.get(kind).concurrency is None)
        limited = [kind for kind in kinds if registry.get(kind).concurrency is not None]
        self._lanes = [_Lane((kind,), registry.get(kind).concurrency) for kind in limited]
        if free:
            self._lanes.insert(0, _Lane(free, None))
        self._more: set[_Lane] = set()
        self._learnt: Learnt | None = None
        # Whether that is the second look for what was told before.
        self._again = False
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._requests: dict[_Lane, UUID] = {}
        self._looks: list[asyncio.TimerHandle] = []
        self._stopping = False
        self.hears = False
        """Whether what becomes claimable is told; if not, it is asked for every second."""
        self.answered_at: float | None = None
        """When the engine last answered a claim, by ``time.monotonic()``."""

    async def start(self) -> None:
        """Begin to claim."""
        if self._task is None:
            self._runner.on_free = self._slot_free
            self.wake("start")
            self._task = asyncio.create_task(self._live(), name="headway claimer")

    async def stop(self) -> None:
        """Claim no more. A claim that is under way is waited for: its jobs are handed back by who drains."""
        self._stopping = True
        for look in self._looks:
            look.cancel()
        self._woken.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait({task}, timeout=self._lease_seconds)
            task.cancel()

    def wake(self, learnt: Learnt) -> None:
        """There may be something to claim."""
        if self._learnt is None:
            self._learnt = learnt
        self._again = False
        self._woken.set()

    def _look(self, learnt: Learnt) -> None:
        if self._learnt is None:
            self._learnt, self._again = learnt, True
            self._woken.set()

    def _slot_free(self) -> None:
        if self._more or self._learnt is not None:
            self._woken.set()

    async def claim_once(self, learnt: Learnt) -> int:
        """Claim for the slots that are free now; how many jobs were taken."""
        return sum([await self._claim(lane, learnt) for lane in self._lanes])

    async def _live(self) -> None:
        failures = 0
        while not self._stopping:
            learnt = await self._next()
            again, self._again = self._again, False
            if self._stopping:
                return
            try:
                taken = 0
                for lane in self._lanes:
                    if learnt != "slot" or lane in self._more:
                        taken += await self._claim(lane, learnt)
                failures = 0
                if taken == 0 and not again and learnt in ("broadcast", "changes"):
                    self._look_again(learnt)
            except TransportError as error:
                failures += 1
                if failures in (1, 10):
                    _log.warning("no jobs can be claimed: %s", error)
                self._learnt = self._learnt or learnt
                pause = min(_LONGEST_PAUSE, 0.1 * 2**failures) * random.uniform(0.5, 1)  # noqa: S311
                await asyncio.sleep(max(pause, error.retry_after or 0.0))
            except HeadwayError as error:
                failures += 1
                _log.error("no jobs can be claimed: %s", error)
                await asyncio.sleep(_LONGEST_PAUSE)
            except Exception:  # noqa: BLE001 - a worker that claims no more would look idle for ever
                _log.exception("claiming failed")
                await asyncio.sleep(_LONGEST_PAUSE)

    def _look_again(self, learnt: Learnt) -> None:
        """Told of something and found nothing: taken by another worker, or not to be seen yet."""
        for look in self._looks:
            look.cancel()
        loop = asyncio.get_running_loop()
        self._looks = [
            loop.call_later(seconds * random.uniform(0.8, 1.2), self._look, learnt)  # noqa: S311
            for seconds in _LOOK_AGAIN_SECONDS
        ]

    async def _next(self) -> Learnt:
        """Wait until there may be something to claim and room for it; how that was learnt."""
        while True:
            self._woken.clear()
            room = self._runner.free > 0
            if self._stopping:
                return "start"
            if room and self._learnt is not None:
                learnt, self._learnt = self._learnt, None
                return learnt
            if any(self._room(lane) > 0 for lane in self._more):
                await self._gather()
                return "slot"
            poll = None if self.hears else _POLL_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311
            try:
                await asyncio.wait_for(self._woken.wait(), poll)
            except TimeoutError:
                if self._runner.free > 0:
                    return "poll"
                self._more.update(self._lanes)

    async def _gather(self) -> None:
        """Let a quarter of the slots become free, or a moment pass: batches are cheaper than single jobs."""
        enough = max(1, self._runner.slots // 4)
        until = time.monotonic() + _GATHER_SECONDS
        while self._runner.free < enough and (left := until - time.monotonic()) > 0:
            self._woken.clear()
            try:
                await asyncio.wait_for(self._woken.wait(), left)
            except TimeoutError:
                return

    async def _claim(self, lane: _Lane, learnt: Learnt) -> int:
        most = min(_MOST_JOBS, self._room(lane))
        if most <= 0:
            self._more.add(lane)
            return 0
        # The same request again after a lost answer: what it was granted is not left to expire.
        request = self._requests.setdefault(lane, uuid4())
        began = time.monotonic()
        try:
            rows = await self._store.claim(
                self._worker_id,
                request,
                queues=self._queues,
                kinds=lane.kinds,
                most=most,
                lease_seconds=self._lease_seconds,
            )
        except Conflict as error:
            if error.code != "HW002":
                raise
            _log.warning("the engine does not know this worker any more: registering again")
            await self._register()
            self.wake(learnt)
            return 0
        del self._requests[lane]
        self.answered_at = time.monotonic()
        if len(rows) >= most:
            self._more.add(lane)
        else:
            self._more.discard(lane)
        self._run(rows, began, learnt)
        return len(rows)

    def _room(self, lane: _Lane) -> int:
        return self._runner.free if lane.limit is None else self._runner.room(lane.kinds[0], lane.limit)

    def _run(self, rows: list[Claimed], began: float, learnt: Learnt) -> None:
        if not rows:
            return
        for (kind, queue), count in Counter((row.kind, row.queue) for row in rows).items():
            self._observations.claimed(kind, queue, learnt, count)
        attempts = [Attempt(self._registry.get(row.kind), row, started=began) for row in rows]
        if self._stopping:
            self._runner.hand_back(attempts)
        else:
            self._runner.run(attempts)
