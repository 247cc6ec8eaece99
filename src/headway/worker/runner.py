"""Runs claimed jobs: their tasks, their timers, and what becomes of them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace

from headway.errors import HeadwayError, LeaseLost
from headway.worker.attempt import Attempt
from headway.worker.containment import RUNNING_ATTEMPT, Containment
from headway.worker.ending import LOST, Ending
from headway.worker.execution import Executor
from headway.worker.finisher import Finisher
from headway.worker.keeper import Keeper
from headway.worker.logs import job_logging
from headway.worker.observations import Observations
from headway.worker.printing import log_rest

__all__ = ["Runner"]

_log = logging.getLogger("headway.worker")

# How long a handler may clean up after it was cancelled, before its job ends without it.
_PATIENCE = 5.0
# A person who cancels waits for it, and so does whoever stops a worker.
_PATIENCE_BY_REASON = {"cancelled": 0.8, "released": 1.5}


class Runner:
    """The slots of a worker.

    Args:
        executor: Runs handlers.
        keeper: Keeps the leases.
        finisher: Tells of the ends.
        containment: Keeps what handlers do to their process from harming others.
        observations: Are told of starts and ends.
        slots: How many jobs run at once.
    """

    name = "runner"

    def __init__(
        self,
        executor: Executor,
        keeper: Keeper,
        finisher: Finisher,
        containment: Containment,
        observations: Observations,
        *,
        slots: int,
    ) -> None:
        self._executor = executor
        self._keeper = keeper
        self._finisher = finisher
        self._containment = containment
        self._observations = observations
        self.slots = slots
        self._tasks: dict[Attempt, asyncio.Task[Ending]] = {}
        self._timers: dict[Attempt, list[asyncio.TimerHandle]] = {}
        self._kinds: Counter[str] = Counter()
        self._settling = 0
        self._told_to_stop = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.on_free: Callable[[], None] | None = None
        """Called whenever a slot has become free."""
        self.on_postponed: Callable[[float], None] | None = None
        """Called with the seconds until a job is due that this worker has put off."""

    # Slots --------------------------------------------------------------------------------------------------

    @property
    def free(self) -> int:
        """How many more jobs may start. Ends that the engine does not know yet count once they pile up."""
        piled = max(0, self._finisher.unfinished - self.slots)
        return max(0, self.slots - len(self._tasks) - piled)

    @property
    def running(self) -> Mapping[str, int]:
        """How many run, by kind."""
        return +self._kinds

    @property
    def attempts(self) -> list[Attempt]:
        """What runs."""
        return list(self._tasks)

    def room(self, kind: str, limit: int) -> int:
        """How many more of a kind may start that has a limit of its own."""
        return max(0, min(self.free, limit - self._kinds[kind]))

    # Life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Be ready for jobs."""
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        """Hand back what still runs, and wait until the engine knows; bounded by who asks."""
        for attempt in list(self._tasks):
            attempt.stop("released")
        await self._empty.wait()

    def tell_to_stop(self) -> None:
        """Ask all handlers to finish up."""
        self._told_to_stop = True
        for attempt in self._tasks:
            attempt.told_to_stop = True

    async def emptied(self) -> None:
        """Wait until nothing runs."""
        await self._empty.wait()

    def run(self, attempts: Iterable[Attempt]) -> None:
        """Start some jobs, whose slots are taken from now on."""
        attempts = list(attempts)
        self._keeper.add(attempts)
        for attempt in attempts:
            self._start(attempt)

    def hand_back(self, attempts: Iterable[Attempt]) -> None:
        """Give back some jobs that were claimed too late to be started."""
        for attempt in attempts:
            self._keeper.add([attempt])
            self._tell(attempt, Ending("release"))

    def _start(self, attempt: Attempt) -> None:
        assert self._loop is not None
        spec = attempt.spec
        attempt.told_to_stop = self._told_to_stop
        self._kinds[spec.kind] += 1
        self._empty.clear()
        task = self._loop.create_task(self._execute(attempt), name=f"job {attempt.job.kind} {attempt.job.id}")
        self._tasks[attempt] = task
        loop = self._loop
        attempt.on_stop = lambda: loop.call_soon_threadsafe(self._cancel, attempt)
        left = spec.timeout - attempt.elapsed
        timers = [loop.call_later(max(0.0, left), attempt.stop, "timeout")]
        if spec.soft_timeout is not None:
            soft = max(0.0, spec.soft_timeout - attempt.elapsed)
            timers.append(loop.call_later(soft, setattr, attempt, "told_to_stop", True))
        self._timers[attempt] = timers
        if attempt.claimed.cancel_requested:
            attempt.stop("cancelled")
        task.add_done_callback(lambda done: self._done(attempt, done))

    async def _execute(self, attempt: Attempt) -> Ending:
        RUNNING_ATTEMPT.set(attempt)
        self._observations.started(attempt.job)
        with ExitStack() as stack:
            stack.enter_context(job_logging(attempt.job))
            stack.enter_context(self._observations.around(attempt.job))
            return await self._executor.run(attempt)

    # Stopping -----------------------------------------------------------------------------------------------

    def _cancel(self, attempt: Attempt) -> None:
        task = self._tasks.get(attempt)
        if task is None or task.done() or self._loop is None:
            return
        task.cancel()
        patience = _PATIENCE_BY_REASON.get(attempt.stop_reason or "", _PATIENCE)
        self._timers[attempt].append(self._loop.call_later(patience, self._abandon, attempt))

    def _abandon(self, attempt: Attempt) -> None:
        """A handler that swallows its cancellation: its job ends without it."""
        task = self._tasks.get(attempt)
        if task is None or task.done():
            return
        _log.error(
            "the handler of %s %s goes on although it was cancelled: abandoned",
            attempt.job.kind,
            attempt.job.id,
            extra=attempt.log_fields(),
        )
        self._observations.incident("task_abandoned", attempt.job)
        self._containment.abandoned(task)
        self._conclude(attempt, self._executor.of_stop(attempt))

    def _done(self, attempt: Attempt, task: asyncio.Task[Ending]) -> None:
        if attempt not in self._tasks:
            # Abandoned before: what it answers now is nobody's.
            if not task.cancelled():
                task.exception()
            return
        if task.cancelled():
            ending = self._executor.of_stop(attempt)
        elif (error := task.exception()) is not None:
            _log.error("the run of a job failed", exc_info=error, extra=attempt.log_fields())
            ending = self._executor.of_failure(attempt, error)
        else:
            ending = task.result()
        self._conclude(attempt, ending)

    # What becomes of it -------------------------------------------------------------------------------------

    def _conclude(self, attempt: Attempt, ending: Ending) -> None:
        """The slot is free; the engine is told when it knows all that the job has said before."""
        del self._tasks[attempt]
        for timer in self._timers.pop(attempt):
            timer.cancel()
        self._kinds[attempt.spec.kind] -= 1
        self._containment.leave(attempt)
        if attempt.printed.rest:
            log_rest(attempt)
        if ending.word == "lost":
            self._finished(attempt, LOST)
        elif attempt.reports.must_settle:
            assert self._loop is not None
            self._settling += 1
            settling = self._loop.create_task(self._settle(attempt, ending), name="headway settling")
            self._containment.hold(settling)
        else:
            self._tell(attempt, ending)
        self._check_empty()
        if self.on_free is not None:
            self.on_free()

    async def _settle(self, attempt: Attempt, ending: Ending) -> None:
        try:
            await self._keeper.settle(attempt)
        except LeaseLost:
            ending = LOST
        except HeadwayError as error:
            _log.warning("the last progress was refused: %s", error, extra=attempt.log_fields())
        finally:
            self._settling -= 1
        if ending.word == "lost":
            self._finished(attempt, LOST)
        else:
            self._tell(attempt, ending)
        self._check_empty()

    def _tell(self, attempt: Attempt, ending: Ending) -> None:
        last = attempt.reports.close(_ENDED)
        if last is not None:
            # Progress that was not sent: of it only this is still worth telling.
            ending = replace(ending, metrics=last.metrics, message=ending.message or last.message)
        # From here on the finisher alone learns whether the lease was lost.
        attempt.ended = True
        self._finisher.put(attempt, ending, lambda applied: self._finished(attempt, applied))

    def _finished(self, attempt: Attempt, ending: Ending) -> None:
        attempt.ended = True
        self._keeper.remove(attempt)
        code = ending.fault.code if ending.fault is not None else None
        self._observations.ended(attempt.job, ending.outcome, attempt.elapsed, code)
        _tell_log(attempt, ending)
        if ending.delay is not None and self.on_postponed is not None:
            self.on_postponed(ending.delay)
        self._check_empty()
        if self.on_free is not None and self._finisher.unfinished >= self.slots:
            self.on_free()

    def _check_empty(self) -> None:
        if not self._tasks and not self._settling:
            self._empty.set()


_ENDED = HeadwayError("the execution has ended", code="execution_ended")


def _tell_log(attempt: Attempt, ending: Ending) -> None:
    job, fields = attempt.job, attempt.log_fields()
    if ending.word in ("failed", "retry"):
        fault = ending.fault
        said = f"{fault.code}: {fault.message}" if fault is not None else "no reason"
        again = (
            f", again in {ending.delay:.1f} s" if ending.word == "retry" and ending.delay is not None else ""
        )
        trace = ending.cause if ending.cause is not None and ending.cause.__traceback__ is not None else None
        _log.warning("%s %s has failed%s: %s", job.kind, job.id, again, said, exc_info=trace, extra=fields)
    elif ending.word == "lost":
        _log.warning("%s %s belongs to another worker by now", job.kind, job.id, extra=fields)
    elif _log.isEnabledFor(logging.DEBUG):
        _log.debug("%s %s: %s after %.3f s", job.kind, job.id, ending.outcome, attempt.elapsed, extra=fields)
