"""The process: starts its services in order, works, drains, and stops them in order."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeAlias

from headway.errors import HeadwayError
from headway.settings import WorkerSettings
from headway.worker.assembly import Parts, assemble
from headway.worker.claimer import Claimer
from headway.worker.http_port import HttpPort
from headway.worker.observations import Observations
from headway.worker.registration import name_of
from headway.worker.service import Condition, Service
from headway.worker.stopping import Stopping
from headway.worker.vitals import condition_of
from headway.worker.worker import Worker

__all__ = ["Mode", "Runtime", "name_of", "run_worker"]

_log = logging.getLogger("headway.worker")

Mode: TypeAlias = Literal["serve", "once", "burst"]
"""``serve`` runs until it is told to stop; ``burst`` until nothing can be claimed; ``once`` claims once."""

_LAST_WORDS = 5.0
_LAST_CLAIM = 1.0
_BURST_ROUNDS = 20
_BURST_PAUSE = 0.5


async def run_worker(
    worker: Worker, *, mode: Mode = "serve", extra: Callable[[Runtime], None] | None = None
) -> None:
    """Run a worker until it is told to stop, or, in the other modes, until there is nothing left to do.

    Args:
        worker: What was declared.
        mode: For how long.
        extra: Called with the runtime before it starts, to add services or observers.

    Raises:
        ConfigError: a setting is missing or wrong, or nothing is declared.
        HeadwayError: the engine refused this worker.
    """
    settings = worker.settings or WorkerSettings.load()
    runtime = Runtime(worker, settings, mode=mode)
    if extra is not None:
        extra(runtime)
    await runtime.run()


class Runtime:
    """One run of a worker; made on the loop that it runs on.

    Args:
        worker: What was declared.
        settings: Which project it serves and how.
        mode: For how long.

    Raises:
        ConfigError: nothing is declared, or a setting names what is not.
    """

    def __init__(self, worker: Worker, settings: WorkerSettings, *, mode: Mode = "serve") -> None:
        self.settings = settings
        self.mode = mode
        self.observations = Observations()
        self._stopping = Stopping(self.observations)
        self._started: list[Service] = []
        self._draining = False
        self.parts: Parts = assemble(
            worker,
            settings,
            self.observations,
            listens=mode == "serve",
            drain=self.stop,
            condition=self.condition,
        )
        self.ready = asyncio.Event()
        """Set once the worker claims jobs."""
        waking = self.parts.waking
        self.heard = waking.heard if waking is not None else asyncio.Event()
        """Set while the worker hears what becomes claimable."""

    @property
    def claimer(self) -> Claimer:
        """What claims."""
        return self.parts.claimer

    def condition(self) -> Condition:
        """How the worker is now."""
        stopping = self._draining or self._stopping.asked.is_set()
        return condition_of(self.parts, started=self.ready.is_set(), stopping=stopping)

    def stop(self) -> None:
        """Drain and stop, as SIGTERM does; callable from any thread."""
        self._stopping.ask()

    async def run(self) -> None:
        """Start, work, drain, stop.

        Raises:
            HeadwayError: the engine refused this worker, or a service could not start.
        """
        self._stopping.install()
        try:
            # Supervisors may ask while the engine does not answer yet.
            await self._start_services([s for s in self.parts.services if isinstance(s, HttpPort)])
            if not await self.parts.registration.insist(self.parts.store, self._stopping):
                return
            await self._start()
            await self._work()
        finally:
            self._draining = True
            try:
                await self._drain()
            finally:
                await self._stop()
                self._stopping.remove()

    async def _start(self) -> None:
        await self._start_services([s for s in self.parts.services if s not in self._started])
        if self.mode == "serve":
            await self._start_services([self.parts.sweeper, self.parts.claimer])
        # What start-up made lives as long as this process: left out of every later collection, it delays no
        # job for the time that walking all imported modules takes.
        gc.collect()
        gc.freeze()
        self.ready.set()
        name, slots = name_of(self.settings), self.settings.concurrency
        _log.info("worker %s runs %s, %d at once", name, ", ".join(self.parts.claimer.kinds), slots)

    async def _start_services(self, services: Sequence[Service]) -> None:
        for service in services:
            await service.start()
            self._started.append(service)

    async def _work(self) -> None:
        if self.mode == "serve":
            await self._stopping.asked.wait()
            return
        rounds = 0
        while not self._stopping.asked.is_set():
            await self.parts.sweeper.sweep()
            taken = await self.parts.claimer.claim_once("start")
            await self._stopping.unless_asked(self.parts.runner.emptied())
            await self._stopping.unless_asked(self.parts.finisher.drained())
            if self.mode == "once":
                return
            if taken:
                continue
            # Schedules that are due submit jobs, and ends are told of: the services have a moment for it.
            rounds += 1
            if not self.parts.agenda.anything_due or rounds > _BURST_ROUNDS:
                return
            await asyncio.sleep(_BURST_PAUSE)

    async def _drain(self) -> None:
        """Claim no more, let jobs finish within the grace period, and hand back the rest."""
        runner = self.parts.runner
        if self.parts.claimer in self._started:
            await self._claim_no_more()
        runner.tell_to_stop()
        if left := sum(runner.running.values()):
            _log.info("draining: %d jobs have %.0f s to finish", left, self.settings.grace_seconds)
            await self._stopping.hurried(runner.emptied(), self.settings.grace_seconds)
        if left := sum(runner.running.values()):
            _log.warning("handing back %d jobs", left)
        await _within(self._hand_back(), _LAST_WORDS, "telling how jobs have ended")

    async def _claim_no_more(self) -> None:
        """What a claim under way is granted has to be handed back, unless the engine answers to nothing."""
        stopping = asyncio.ensure_future(self.parts.claimer.stop())
        await self._stopping.hurried(asyncio.shield(stopping), self.settings.lease_seconds)
        if not stopping.done():
            await _within(stopping, _LAST_CLAIM, "the last claim")

    async def _hand_back(self) -> None:
        """Until the engine knows how everything has ended."""
        await self.parts.runner.stop()
        await self.parts.finisher.drained()

    async def _stop(self) -> None:
        for service in reversed(self._started):
            try:
                await _within(service.stop(), 10.0, service.name)
            except Exception:  # noqa: BLE001 - the others are stopped all the same
                _log.exception("%s could not be stopped", service.name)
        self._started.clear()
        await _within(self.parts.link.stop(), 5.0, "the Realtime link")
        await _within(self.parts.tools.shared.close(), 5.0, "what handlers share")
        self.parts.blocking.close()
        if self.parts.registration.done:
            try:
                await self.parts.store.stop_worker(self.parts.worker_id)
            except HeadwayError as error:
                _log.info("the engine could not be told of the stop: %s", error)
        await self.parts.store.close()
        await self.parts.clients.close()
        _log.info("worker %s has stopped", name_of(self.settings))


async def _within(work: Awaitable[object], seconds: float, what: str) -> None:
    try:
        await asyncio.wait_for(work, seconds)
    except TimeoutError:
        _log.warning("stopping: %s took longer than %.0f s", what, seconds)
