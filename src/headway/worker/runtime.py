"""The process: puts the services together, starts them in order, and stops them in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import platform
import random
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import Literal, TypeAlias
from uuid import uuid4

from headway.errors import ConfigError, HeadwayError, TransportError
from headway.link import RealtimeLink
from headway.settings import WorkerSettings
from headway.worker.agenda import Agenda
from headway.worker.api import EngineApi
from headway.worker.attempt import Attempt
from headway.worker.blocking_tools import BlockingTools
from headway.worker.claimer import Claimer
from headway.worker.clients import Clients, headers_of
from headway.worker.containment import Containment
from headway.worker.execution import Executor
from headway.worker.finisher import Finisher
from headway.worker.http_port import HttpPort
from headway.worker.http_store import HttpStore
from headway.worker.keeper import Keeper
from headway.worker.limits import Limit
from headway.worker.memory import MemoryGuard, memory_limit
from headway.worker.objects import HttpObjects
from headway.worker.observations import Observations, Observer
from headway.worker.output import OutputCapture
from headway.worker.pace import Pace
from headway.worker.processes import Processes
from headway.worker.redaction import Redactor, secrets_of
from headway.worker.runner import Runner
from headway.worker.service import Condition, Service, ServiceContext
from headway.worker.side_services import side_services
from headway.worker.stopping import Stopping
from headway.worker.store import Store
from headway.worker.sweeper import Sweeper
from headway.worker.tools import Tools
from headway.worker.waking import Waking
from headway.worker.watchdog import Watchdog
from headway.worker.worker import Worker

__all__ = ["Mode", "Runtime", "name_of", "run_worker"]

_log = logging.getLogger("headway.worker")

Mode: TypeAlias = Literal["serve", "once", "burst"]
"""``serve`` runs until it is told to stop; ``burst`` until nothing can be claimed; ``once`` claims once."""

# A beat or a claim that was answered this long ago still speaks for the engine.
_ANSWERED_WITHIN = 30.0
_LAST_WORDS = 3.0
_MOST_ABANDONED = 50
_BURST_ROUNDS = 20
_BURST_PAUSE = 0.5


async def run_worker(
    worker: Worker,
    *,
    mode: Mode = "serve",
    extra: Callable[[Runtime], None] | None = None,
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


@dataclass(slots=True)
class _Incidents(Observer):
    """Counts threads that go on without their jobs: too many, and the process is no good any more."""

    threads: int = 0

    def incident(self, name: str, job: object) -> None:
        if name == "thread_abandoned":
            self.threads += 1
        elif name == "thread_ended":
            self.threads -= 1


class Runtime:
    """One run of a worker.

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
        self.worker_id = uuid4()
        self.name = name_of(settings)
        self._registry = worker.registry
        self._kinds = _chosen_kinds(worker, settings)
        self._declared = worker
        self.observations = Observations()
        self._incidents = _Incidents()
        self.observations.add(self._incidents)
        self.agenda = Agenda()
        self._pace = Pace(
            lease_seconds=settings.lease_seconds, messages_per_second=settings.messages_per_second
        )
        self._stopping = Stopping(self.observations)
        self._services: list[Service] = []
        self._started: list[Service] = []
        self._registered = False
        self._draining = False
        self.ready = asyncio.Event()
        """Set once the worker claims jobs."""
        self.heard = asyncio.Event()
        """Set while the worker hears what becomes claimable."""

    # Life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start, work, drain, stop."""
        self._build()
        self._stopping.install()
        try:
            # Supervisors may ask while the engine does not answer yet.
            await self._start_services([s for s in self._services if isinstance(s, HttpPort)])
            if not await self._register_first():
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

    def stop(self) -> None:
        """Drain and stop, as SIGTERM does; callable from any thread."""
        self._stopping.ask()

    def _build(self) -> None:
        settings, observations = self.settings, self.observations
        self._clients = clients = Clients(settings)
        self.store = HttpStore(settings, observations)
        self.keeper = Keeper(
            lambda: HttpStore(settings, observations, connections=2),
            self.worker_id,
            lease_seconds=settings.lease_seconds,
            pace=self._pace,
            observations=observations,
            register=self._register,
        )
        tools = Tools(
            reporter=self.keeper,
            db=clients.db,
            storage=clients.storage,
            objects=HttpObjects(clients.url, clients.project),
            http=clients.outside,
            limits={name: Limit(rule) for name, rule in self._declared.limits.items()},
            public_url=None if settings.public_url is None else str(settings.public_url),
            redact=Redactor(secrets_of(settings, os.environ)).redact,
            incident=self._incident,
        )
        self._tools = tools
        self._blocking = BlockingTools(clients.url, headers_of(settings))
        processes = Processes(clients.url, headers_of(settings), tools.public_url, observations)
        executor = Executor(self.store, tools, self._blocking, processes=processes)
        self.finisher = Finisher(self.store, self.worker_id)
        self.containment = Containment(observations)
        self.runner = Runner(
            executor,
            self.keeper,
            self.finisher,
            self.containment,
            observations,
            slots=settings.concurrency,
        )
        self.claimer = Claimer(
            self.store,
            self.runner,
            self._registry,
            kinds=self._kinds,
            queues=settings.queues or None,
            worker_id=self.worker_id,
            lease_seconds=settings.lease_seconds,
            observations=observations,
            register=lambda: self._register(self.store),
        )
        self.sweeper = Sweeper(
            self.store,
            self.worker_id,
            claimer=self.claimer,
            agenda=self.agenda,
            register=lambda: self._register(self.store),
        )
        self.link = RealtimeLink(clients.url, settings.secret_key.get_secret_value())
        self._services = [self.containment, self.keeper, self.finisher, processes, self.runner]
        watchdog = Watchdog(
            lambda: self.runner.attempts,
            stall_seconds=settings.stall_seconds,
            observations=observations,
            hand_back=self._hand_back,
        )
        memory = MemoryGuard(memory_limit(settings.memory_limit), drain=self.stop, observations=observations)
        observations.add(memory)
        self._services += [watchdog, memory]
        if settings.capture_output:
            self._services.append(OutputCapture(observations))
        self._services += side_services(self._context(clients))
        if self.mode == "serve":
            waking = Waking(
                self.link,
                self._topics(),
                settings.wake,
                claimer=self.claimer,
                keeper=self.keeper,
                pace=self._pace,
                observations=observations,
            )
            self.heard = waking.heard
            self._services.append(waking)

    def _context(self, clients: Clients) -> ServiceContext:
        return ServiceContext(
            settings=self.settings,
            worker_id=self.worker_id,
            worker_name=self.name,
            version=self.settings.version,
            kinds=self._kinds,
            store=self.store,
            storage=clients.storage,
            http=clients.outside,
            agenda=self.agenda,
            observations=self.observations,
            condition=self.condition,
            routes=tuple(self._declared.routes),
            api=EngineApi(self.store, clients),
            link=self.link if self.mode == "serve" else None,
        )

    def _topics(self) -> list[str]:
        queues = [self._registry.get(kind).queue for kind in self._kinds]
        return list(dict.fromkeys([*self.settings.queues, *([] if self.settings.queues else queues)]))

    async def _start(self) -> None:
        await self._start_services([s for s in self._services if s not in self._started])
        if self.mode == "serve":
            await self._start_services([self.sweeper, self.claimer])
        # What start-up made lives as long as this process: left out of every later collection, it delays no job
        # for the time that walking all imported modules takes.
        gc.collect()
        gc.freeze()
        self.ready.set()
        _log.info(
            "worker %s runs %s, %d at once", self.name, ", ".join(self._kinds), self.settings.concurrency
        )

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
            await self.sweeper.sweep()
            taken = await self.claimer.claim_once("start")
            await self._until_stopped(self.runner.emptied())
            await self._until_stopped(self.finisher.drained())
            if self.mode == "once":
                return
            if taken:
                continue
            # Schedules that are due submit jobs, and ends are told of: the services have a moment for it.
            rounds += 1
            if not self.agenda.anything_due or rounds > _BURST_ROUNDS:
                return
            await asyncio.sleep(_BURST_PAUSE)

    async def _until_stopped(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        asked = asyncio.ensure_future(self._stopping.asked.wait())
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        for each in (task, asked):
            each.cancel()
        await asyncio.wait({task, asked})

    # Stopping -----------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Claim no more, let jobs finish within the grace period, and hand back the rest."""
        if self.claimer in self._started:
            await self._within(self.claimer.stop(), self.settings.lease_seconds)
        self.runner.tell_to_stop()
        left = sum(self.runner.running.values())
        if left:
            _log.info("draining: %d jobs have %.0f s to finish", left, self.settings.grace_seconds)
            await self._stopping.hurried(self.runner.emptied(), self.settings.grace_seconds)
        if sum(self.runner.running.values()):
            _log.warning("handing back %d jobs", sum(self.runner.running.values()))
            await self._within(self.runner.stop(), _LAST_WORDS)
        await self._within(self.finisher.drained(), _LAST_WORDS)

    async def _stop(self) -> None:
        for service in reversed(self._started):
            try:
                await self._within(service.stop(), 10.0)
            except Exception:  # noqa: BLE001 - the others are stopped all the same
                _log.exception("%s could not be stopped", service.name)
        self._started.clear()
        await self._within(self.link.stop(), 5.0)
        await self._within(self._tools.shared.close(), 5.0)
        self._blocking.close()
        if self._registered:
            try:
                await self.store.stop_worker(self.worker_id)
            except HeadwayError as error:
                _log.info("the engine could not be told of the stop: %s", error)
        await self.store.close()
        await self._clients.close()
        _log.info("worker %s has stopped", self.name)

    @staticmethod
    async def _within(work: object, seconds: float) -> None:
        try:
            await asyncio.wait_for(work, seconds)  # type: ignore[arg-type]
        except TimeoutError:
            _log.warning("something took longer than %.0f s to stop", seconds)

    def _hand_back(self, culprit: Attempt | None) -> None:
        """From outside a loop that is blocked for good."""
        others = [attempt for attempt in self.runner.attempts if attempt is not culprit]

        async def release() -> None:
            store = HttpStore(self.settings, self.observations, connections=1)
            outcomes = [{**attempt.lease.fields(), "outcome": "release"} for attempt in others]
            if culprit is not None:
                error = {
                    "code": "loop_blocked",
                    "message": "The handler blocked its whole worker and could not be interrupted.",
                    "hint": "Declare it as an ordinary def, or run it in a process.",
                }
                outcomes.append({**culprit.lease.fields(), "outcome": "retry", "error": error})
            if outcomes:
                await asyncio.wait_for(store.finish(self.worker_id, outcomes), 10.0)

        asyncio.run(release())

    # What it knows ------------------------------------------------------------------------------------------

    def condition(self) -> Condition:
        """How the worker is now."""
        faults = []
        now = time.monotonic()
        running = dict(self.runner.running)
        if not self._registered:
            faults.append("the engine has not answered yet")
        answered = [
            at for at in (self.keeper.beaten_at, self.claimer.answered_at, self.sweeper.answered_at) if at
        ]
        if self._registered and answered and now - max(answered) > _ANSWERED_WITHIN:
            faults.append(f"the engine has not answered for {now - max(answered):.0f} s")
        abandoned = self._incidents.threads + self.containment.abandoned_tasks
        live = abandoned < _MOST_ABANDONED and (self.keeper.alive or not self.ready.is_set())
        if not self.keeper.alive and self.ready.is_set():
            faults.append("no heartbeats are sent any more")
        if abandoned >= _MOST_ABANDONED:
            faults.append(f"{abandoned} handlers go on although they were told to stop")
        if self._draining or self._stopping.asked.is_set():
            faults.append("it was told to stop")
        return Condition(
            live=live,
            ready=not faults and self.ready.is_set(),
            faults=tuple(faults),
            link=self.link.state.status,
            draining=self._draining or self._stopping.asked.is_set(),
            slots=self.settings.concurrency,
            running=running,
            details={
                "unfinished": self.finisher.unfinished,
                "abandoned": abandoned,
                "hears": self.claimer.hears,
            },
        )

    def _incident(self, name: str, attempt: Attempt) -> None:
        self.observations.incident(name, attempt.job)

    # Registration -------------------------------------------------------------------------------------------

    async def _register_first(self) -> bool:
        """Register, however long the engine takes to answer; false when told to stop meanwhile."""
        failures = 0
        while not self._stopping.asked.is_set():
            try:
                # A request is repeated for a while before it fails: too long for who wants to stop.
                registering = asyncio.ensure_future(self._register(self.store))
                await self._until_stopped(registering)
                if registering.cancelled():
                    return False
                registering.result()
            except TransportError as error:
                failures += 1
                if failures in (1, 5, 50):
                    _log.warning("the engine cannot be asked yet: %s", error)
                pause = min(5.0, 0.2 * 2**failures) * random.uniform(0.5, 1)  # noqa: S311
                try:
                    await asyncio.wait_for(self._stopping.asked.wait(), pause)
                except TimeoutError:
                    continue
            else:
                return True
        return False

    async def _register(self, store: Store) -> None:
        registered = await store.register(
            self.worker_id,
            self.name,
            [self._registry.get(kind).registration() for kind in self._kinds],
            version=self.settings.version or version_of("headway"),
            slots=self.settings.concurrency,
            info={
                "headway": version_of("headway"),
                "python": platform.python_version(),
                "platform": sys.platform,
                "pid": os.getpid(),
                "host": socket.gethostname(),
            },
        )
        self._registered = True
        _log.debug("registered with %s", registered.kinds)


def name_of(settings: WorkerSettings) -> str:
    """What a worker is called: in the engine, in its log, in its figures."""
    return settings.worker_name or f"{socket.gethostname()}:{os.getpid()}"


def _chosen_kinds(worker: Worker, settings: WorkerSettings) -> tuple[str, ...]:
    declared = [spec.kind for spec in worker.registry]
    if not declared:
        raise ConfigError(
            "this worker declares no job",
            hint='Declare one with @worker.job("my.kind").',
            code="nothing_declared",
        )
    for kind in settings.kinds:
        worker.registry.get(kind)
    return settings.kinds or tuple(declared)
