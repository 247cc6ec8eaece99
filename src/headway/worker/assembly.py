"""Puts the parts of a worker together; nothing here does anything yet."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

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
from headway.worker.handing_back import hand_back
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
from headway.worker.registration import Registration, chosen_kinds, name_of
from headway.worker.runner import Runner
from headway.worker.scratch import Scratch
from headway.worker.service import Condition, Service, ServiceContext
from headway.worker.side_services import side_services
from headway.worker.sweeper import Sweeper
from headway.worker.tools import Tools
from headway.worker.waking import Waking
from headway.worker.watchdog import Watchdog
from headway.worker.worker import Worker

__all__ = ["Parts", "assemble"]


@dataclass(slots=True)
class Incidents(Observer):
    """Counts threads that go on without their jobs: too many, and the process is no good any more."""

    threads: int = 0

    def incident(self, name: str, job: object) -> None:
        if name == "thread_abandoned":
            self.threads += 1
        elif name == "thread_ended":
            self.threads -= 1


@dataclass(slots=True)
class Parts:
    """The parts of one run of a worker.

    Attributes:
        services: In the order of their start, sweeper and claimer not among them.
        waking: Listens; ``None`` for workers that end by themselves.
    """

    settings: WorkerSettings
    worker_id: UUID
    registration: Registration
    observations: Observations
    incidents: Incidents
    agenda: Agenda
    clients: Clients
    store: HttpStore
    keeper: Keeper
    tools: Tools
    blocking: BlockingTools
    finisher: Finisher
    containment: Containment
    runner: Runner
    claimer: Claimer
    sweeper: Sweeper
    link: RealtimeLink
    waking: Waking | None = None
    services: list[Service] = field(default_factory=list)


def assemble(
    worker: Worker,
    settings: WorkerSettings,
    observations: Observations,
    *,
    listens: bool,
    drain: Callable[[], None],
    condition: Callable[[], Condition],
) -> Parts:
    """All parts of a worker, none of them started.

    Args:
        worker: What was declared.
        settings: Which project it serves and how.
        observations: Are told of everything.
        listens: Whether it waits for jobs to come.
        drain: Stops the worker.
        condition: How the worker is.

    Raises:
        ConfigError: nothing is declared, or a setting names what is not.
    """
    registry, worker_id = worker.registry, uuid4()
    kinds = chosen_kinds(registry, settings)
    registration = Registration(settings, worker_id, registry, kinds)
    pace = Pace(lease_seconds=settings.lease_seconds, messages_per_second=settings.messages_per_second)
    clients = Clients(settings)
    store = HttpStore(settings, observations)
    keeper = Keeper(
        lambda: HttpStore(settings, observations, connections=2),
        worker_id,
        lease_seconds=settings.lease_seconds,
        pace=pace,
        observations=observations,
        register=registration.register,
    )

    def incident(name: str, attempt: Attempt) -> None:
        observations.incident(name, attempt.job)

    tools = Tools(
        reporter=keeper,
        db=clients.db,
        storage=clients.storage,
        objects=HttpObjects(clients.url, clients.project),
        http=clients.outside,
        limits={name: Limit(rule) for name, rule in worker.limits.items()},
        public_url=None if settings.public_url is None else str(settings.public_url),
        redact=Redactor(secrets_of(settings, os.environ)).redact,
        incident=incident,
    )
    scratch = Scratch()
    tools.scratch = lambda: scratch.path
    blocking = BlockingTools(clients.url, headers_of(settings))
    processes = Processes(clients.url, headers_of(settings), tools.public_url, observations)
    finisher = Finisher(store, worker_id)
    containment = Containment(observations)
    runner = Runner(
        Executor(store, tools, blocking, processes=processes),
        keeper,
        finisher,
        containment,
        observations,
        slots=settings.concurrency,
    )
    claimer = Claimer(
        store,
        runner,
        registry,
        kinds=kinds,
        queues=settings.queues or None,
        worker_id=worker_id,
        lease_seconds=settings.lease_seconds,
        observations=observations,
        register=lambda: registration.register(store),
    )
    agenda = Agenda()
    incidents = Incidents()
    observations.add(incidents)
    parts = Parts(
        settings=settings,
        worker_id=worker_id,
        registration=registration,
        observations=observations,
        incidents=incidents,
        agenda=agenda,
        clients=clients,
        store=store,
        keeper=keeper,
        tools=tools,
        blocking=blocking,
        finisher=finisher,
        containment=containment,
        runner=runner,
        claimer=claimer,
        sweeper=Sweeper(
            store,
            worker_id,
            claimer=claimer,
            agenda=agenda,
            register=lambda: registration.register(store),
        ),
        link=RealtimeLink(clients.url, settings.secret_key.get_secret_value()),
    )
    runner.on_postponed = parts.sweeper.expect
    if listens:
        queues = settings.queues or dict.fromkeys(registry.get(kind).queue for kind in kinds)
        parts.waking = Waking(
            parts.link,
            list(queues),
            settings.wake,
            claimer=claimer,
            keeper=keeper,
            pace=pace,
            observations=observations,
        )
    parts.services = [scratch, containment, keeper, finisher, processes, runner, *_guards(parts, drain)]
    if settings.capture_output:
        parts.services.append(OutputCapture(observations))
    parts.services += side_services(_context(parts, worker, kinds, condition))
    if parts.waking is not None:
        parts.services.append(parts.waking)
    return parts


def _guards(parts: Parts, drain: Callable[[], None]) -> list[Service]:
    """Those who watch over the process itself."""
    settings, observations, runner = parts.settings, parts.observations, parts.runner
    watchdog = Watchdog(
        lambda: runner.attempts,
        stall_seconds=settings.stall_seconds,
        observations=observations,
        hand_back=lambda culprit: hand_back(settings, parts.worker_id, runner.attempts, culprit),
    )
    memory = MemoryGuard(memory_limit(settings.memory_limit), drain=drain, observations=observations)
    observations.add(memory)
    return [watchdog, memory]


def _context(
    parts: Parts, worker: Worker, kinds: tuple[str, ...], condition: Callable[[], Condition]
) -> ServiceContext:
    return ServiceContext(
        settings=parts.settings,
        worker_id=parts.worker_id,
        worker_name=name_of(parts.settings),
        version=parts.settings.version,
        kinds=kinds,
        store=parts.store,
        storage=parts.clients.storage,
        http=parts.clients.outside,
        agenda=parts.agenda,
        observations=parts.observations,
        condition=condition,
        routes=tuple(worker.routes),
        api=EngineApi(parts.store, parts.clients),
        link=parts.link if parts.waking is not None else None,
    )
