"""Keeps the leases of all running jobs, and writes what those jobs say: one request for all of them.

It lives in a thread with an event loop of its own. A handler that blocks the worker's loop, or a burst of
work in it, costs nobody a lease that way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from headway.core.lease import Beaten
from headway.errors import Conflict, HeadwayError, InvalidRequest, LeaseLost, TransportError
from headway.worker.attempt import Attempt
from headway.worker.observations import Observations
from headway.worker.pace import Pace
from headway.worker.reporting import read_event
from headway.worker.reports import Frame
from headway.worker.store import Store

__all__ = ["Keeper"]

_log = logging.getLogger("headway.worker")

_MOST_BEATS = 500
_LONGEST_PAUSE = 1.0
_LAST_BEAT = 1.0


class Keeper:
    """The heart of a worker.

    Args:
        make_store: Makes a store of its own, called in the keeper's thread.
        worker_id: The worker.
        lease_seconds: How long a lease lasts without it.
        pace: How often what is said.
        observations: Are told of lost leases and refused progress.
        register: Registers the worker anew with a store, when the engine has forgotten it.
    """

    name = "keeper"

    def __init__(
        self,
        make_store: Callable[[], Store],
        worker_id: UUID,
        *,
        lease_seconds: int,
        pace: Pace,
        observations: Observations,
        register: Callable[[Store], Any],
    ) -> None:
        self._make_store = make_store
        self._worker_id = worker_id
        self._lease_seconds = lease_seconds
        self._pace = pace
        self._observations = observations
        self._register = register
        self._attempts: dict[UUID, Attempt] = {}
        self._asked: set[UUID] = set()
        self._weight = 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._life: asyncio.Task[None] | None = None
        self._poked: asyncio.Event | None = None
        self._stopping = False
        self._next_beat = 0.0
        self._wakes_at = 0.0
        self.beaten_at: float | None = None
        """When the engine last answered a heartbeat, by ``time.monotonic()``."""

    # Life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the thread; returns when its loop runs. Starting what runs changes nothing."""
        if self._thread is not None:
            return
        self._stopping = False
        main = asyncio.get_running_loop()
        running = main.create_future()

        def ready() -> None:
            # Whoever waited may have been cancelled meanwhile.
            if not running.done():
                running.set_result(None)

        def live() -> None:
            async def begin() -> None:
                self._loop = asyncio.get_running_loop()
                self._life = asyncio.current_task()
                self._poked = asyncio.Event()
                main.call_soon_threadsafe(ready)
                await self._live()

            with contextlib.suppress(asyncio.CancelledError):
                asyncio.run(begin())

        self._thread = threading.Thread(target=live, name="headway keeper", daemon=True)
        self._thread.start()
        await running

    async def stop(self) -> None:
        """End the thread; leases that are left expire. Safe to call twice, and when it was never started."""
        thread = self._thread
        if thread is None:
            return
        self._stopping = True
        self._poke()
        await asyncio.get_running_loop().run_in_executor(None, thread.join, _LAST_BEAT)
        if thread.is_alive() and self._loop is not None and self._life is not None:
            # A heartbeat that is not answered is waited for no longer.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._life.cancel)
            await asyncio.get_running_loop().run_in_executor(None, thread.join, 5.0)
        if self._thread is thread:
            self._thread = None

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    # Which jobs ---------------------------------------------------------------------------------------------

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Keep some leases, from now on."""
        now = time.monotonic()
        superseded: list[Attempt] = []
        with self._lock:
            if not self._attempts:
                self._next_beat = now + self._pace.beat_seconds
            for attempt in attempts:
                if (former := self._attempts.get(attempt.job.id)) is not None:
                    # It lost its lease unnoticed, and this very worker was given the job again.
                    self._weight -= self._pace.weight(former)
                    superseded.append(former)
                self._attempts[attempt.job.id] = attempt
                self._weight += self._pace.weight(attempt)
        for former in superseded:
            self._give_up(former, "the same worker has claimed the job again")
        self._wake_by(self._next_beat)

    def remove(self, attempt: Attempt) -> None:
        """A lease is over."""
        with self._lock:
            if self._attempts.get(attempt.job.id) is attempt:
                del self._attempts[attempt.job.id]
                self._weight -= self._pace.weight(attempt)

    def ask_about(self, jobs: Iterable[UUID]) -> None:
        """Beat for some jobs at once, if they run here: perhaps they are to stop."""
        with self._lock:
            ours = self._attempts.keys() & set(jobs)
            self._asked |= ours
        if ours:
            self._poke()

    def hurry(self) -> None:
        """The pace has changed."""
        with self._lock:
            soonest = time.monotonic() + self._pace.beat_seconds
            self._next_beat = min(self._next_beat, soonest)
        self._wake_by(self._next_beat)

    # What jobs say ------------------------------------------------------------------------------------------

    def changed(self, attempt: Attempt) -> None:
        """As ``Reporter.changed``."""
        reports = attempt.reports
        if reports.urgent:
            self._wake_by(self._pace.urgent_at(len(self._attempts)))
        elif reports.pending:
            self._wake_by(self._pace.due_at(attempt, self._weight))

    async def emit(self, attempt: Attempt, name: str, data: Any) -> None:
        """As ``Reporter.emit``."""
        waiter = attempt.reports.event(name, read_event(name, data), urgent=True, wait=True)
        assert waiter is not None
        self._wake_by(self._pace.urgent_at(len(self._attempts)))
        await asyncio.wrap_future(waiter)

    async def settle(self, attempt: Attempt) -> None:
        """As ``Reporter.settle``."""
        waiter = attempt.reports.settled(urgent_only=True)
        if waiter is not None:
            self._wake_by(self._pace.urgent_at(len(self._attempts)))
            await asyncio.wrap_future(waiter)

    def _wake_by(self, moment: float) -> None:
        if moment < self._wakes_at - 0.001:
            self._poke()

    def _poke(self) -> None:
        loop, poked = self._loop, self._poked
        if loop is None or poked is None:
            return
        self._wakes_at = 0.0
        try:
            loop.call_soon_threadsafe(poked.set)
        except RuntimeError:
            pass  # the thread has ended

    # In the keeper's thread ---------------------------------------------------------------------------------

    async def _live(self) -> None:
        assert self._poked is not None
        store = self._make_store()
        failures = 0
        try:
            while not self._stopping:
                self._poked.clear()
                due, everything = self._due()
                if not due:
                    await self._rest()
                    continue
                try:
                    answered = await self._beat(store, due)
                except Exception:  # noqa: BLE001 - without heartbeats every job of this worker would be lost
                    _log.exception("a heartbeat failed")
                    answered = False
                if answered:
                    failures = 0
                    if everything:
                        self._next_beat = time.monotonic() + self._pace.beat_seconds
                    continue
                failures += 1
                await asyncio.sleep(min(_LONGEST_PAUSE, 0.1 * 2**failures))
        finally:
            await store.close()

    async def _rest(self) -> None:
        """Until the next beat, the next report that is due, or until poked."""
        assert self._poked is not None
        with self._lock:
            attempts = list(self._attempts.values())
        if not attempts:
            self._wakes_at = float("inf")
            await self._poked.wait()
            return
        moments = [self._next_beat]
        moments += [
            self._pace.urgent_at(len(attempts)) if a.reports.urgent else self._pace.due_at(a, self._weight)
            for a in attempts
            if a.reports.pending
        ]
        self._wakes_at = min(moments)
        try:
            await asyncio.wait_for(self._poked.wait(), max(0.001, self._wakes_at - time.monotonic()))
        except TimeoutError:
            pass  # something is due

    def _due(self) -> tuple[list[Attempt], bool]:
        """Whom to beat for now; whether that is everybody."""
        now = time.monotonic()
        with self._lock:
            attempts = list(self._attempts.values())
            asked, self._asked = self._asked, set()
        if not attempts:
            return [], False
        if now >= self._next_beat:
            return attempts, True
        running = len(attempts)
        due = [
            attempt
            for attempt in attempts
            if attempt.job.id in asked
            or (attempt.reports.urgent and now >= self._pace.urgent_at(running))
            or (attempt.reports.pending and now >= self._pace.due_at(attempt, self._weight))
        ]
        return due, False

    def _speaks(self, attempt: Attempt, now: float) -> bool:
        """Whether what a job has said may go with this beat."""
        reports = attempt.reports
        return reports.urgent or (reports.pending and now >= self._pace.due_at(attempt, self._weight))

    async def _beat(self, store: Store, attempts: list[Attempt]) -> bool:
        """Beat for some jobs; whether the engine has answered."""
        for start in range(0, len(attempts), _MOST_BEATS):
            part = attempts[start : start + _MOST_BEATS]
            now = time.monotonic()
            frames = {
                attempt.job.id: attempt.reports.take() if self._speaks(attempt, now) else None
                for attempt in part
            }
            beats = [_document(attempt, frames[attempt.job.id]) for attempt in part]
            began = time.monotonic()
            try:
                rows = await store.heartbeat(self._worker_id, beats, lease_seconds=self._lease_seconds)
            except HeadwayError as error:
                await self._failed(store, part, frames, error)
                return False
            except BaseException:
                _put_back(part, frames)
                raise
            self.beaten_at = began
            self._pace.beaten(part, frames)
            by_job = {row.job_id: row for row in rows}
            for attempt in part:
                self._answered(attempt, frames[attempt.job.id], by_job.get(attempt.job.id))
        return True

    async def _failed(
        self,
        store: Store,
        attempts: list[Attempt],
        frames: Mapping[UUID, Frame | None],
        error: HeadwayError,
    ) -> None:
        if isinstance(error, Conflict) and error.code == "HW002":
            _put_back(attempts, frames)
            _log.warning("the engine does not know this worker any more: registering again")
            try:
                await self._register(store)
            except HeadwayError as refused:
                _log.error("registering failed: %s", refused)
            return
        if isinstance(error, TransportError):
            _put_back(attempts, frames)
            _log.warning("no heartbeat: %s", error)
            return
        # A body that the engine cannot read, or a limit of what stands before it: whoever spoke loses it.
        _log.error("heartbeats are refused: %s", error)
        spoke = [attempt for attempt in attempts if frames[attempt.job.id] is not None]
        for attempt in attempts:
            attempt.reports.put_back()
        victims = spoke if len(spoke) <= 1 else [max(spoke, key=lambda a: _weight(frames[a.job.id]))]
        for attempt in victims:
            attempt.reports.take()
            attempt.reports.stored(_refusal(error.code, error.message))
            self._observations.incident("progress_refused", attempt.job)

    def _answered(self, attempt: Attempt, frame: Frame | None, row: Beaten | None) -> None:
        refusal = None
        if row is not None and row.state == "invalid":
            refusal = _refusal(row.code, row.reason)
            _log.warning(
                "progress of %s was refused: %s", attempt.job.kind, row.reason, extra=attempt.log_fields()
            )
            self._observations.incident("progress_refused", attempt.job)
        if row is not None and row.state == "lost":
            self._lost(attempt, row)
            return
        if frame is not None:
            attempt.reports.stored(refusal)
        if row is not None and row.state == "cancel":
            attempt.stop("cancelled", row.cancel_reason)

    def _lost(self, attempt: Attempt, row: Beaten) -> None:
        with self._lock:
            ours = self._attempts.get(attempt.job.id) is attempt
        attempt.reports.put_back()
        if not ours or attempt.ended:
            return  # it was finished while this beat was under way
        self._give_up(attempt, row.reason)

    def _give_up(self, attempt: Attempt, reason: str | None) -> None:
        """An execution that owns its job no more."""
        if attempt.stop("lost", reason):
            _log.warning(
                "the lease of %s %s is lost: it is stopped here",
                attempt.job.kind,
                attempt.job.id,
                extra=attempt.log_fields(),
            )
            self._observations.incident("lease_lost", attempt.job)
        attempt.reports.close(LeaseLost(hint="Stop: another worker runs this job now."))


def _document(attempt: Attempt, frame: Frame | None) -> dict[str, Any]:
    document = attempt.lease.fields()
    if frame is not None:
        document |= frame.fields()
    return document


def _put_back(attempts: list[Attempt], frames: Mapping[UUID, Frame | None]) -> None:
    for attempt in attempts:
        if frames[attempt.job.id] is not None:
            attempt.reports.put_back()


def _refusal(code: str | None, reason: str | None) -> InvalidRequest:
    return InvalidRequest(
        reason or "the progress was refused", hint="Report what can be stored.", code=code or "HW100"
    )


def _weight(frame: Frame | None) -> int:
    return 0 if frame is None else len(str(frame.fields()))
