"""The one shape of everything that runs inside a worker, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from headway.settings import WorkerSettings
from headway.worker.agenda import Agenda
from headway.worker.observations import Observations
from headway.worker.routes import Route, WorkerApi
from headway.worker.store import Store

if TYPE_CHECKING:
    import httpx
    from storage3 import AsyncStorageClient

    from headway.link import RealtimeLink

__all__ = ["Condition", "Service", "ServiceContext"]


class Service(Protocol):
    """Something that runs inside a worker from its start to its stop."""

    @property
    def name(self) -> str:
        """What it is called in logs: ``claimer``, ``scheduler`` …"""
        ...

    async def start(self) -> None:
        """Begin; returns when it runs.

        Raises:
            HeadwayError: it cannot run; the worker does not start then.
        """
        ...

    async def stop(self) -> None:
        """End what it does, in bounded time; safe to call twice, and when it was never started."""
        ...


@dataclass(frozen=True, slots=True)
class Condition:
    """How a worker is at this moment.

    Attributes:
        live: Whether it still works: if not, its supervisor should start it anew.
        ready: Whether it claims jobs: registered, not draining, the engine answers.
        faults: What is wrong, for people; empty when it is live and ready.
        link: How it hears: ``connecting``, ``proven``, ``deaf`` or ``stopped``.
        draining: Whether it was told to stop.
        slots: How many jobs it may run at once.
        running: How many it runs, by kind.
        details: Whatever else is worth knowing, as JSON.
    """

    live: bool
    ready: bool
    faults: tuple[str, ...] = ()
    link: str = "connecting"
    draining: bool = False
    slots: int = 0
    running: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """What a service is given when it is built.

    Attributes:
        settings: The worker's.
        worker_id: New at every start.
        worker_name: For people.
        version: The deployed version, for people; empty when unknown.
        kinds: Which kinds this worker runs.
        store: The engine.
        storage: Storage, as the service role.
        http: For requests to the world outside; shared, with timeouts.
        agenda: What is due when.
        observations: Add an observer here to be told what happens.
        condition: How the worker is now.
        routes: The app's own routes, for the HTTP port.
        api: What those routes are given.
        link: Its Realtime link; ``None`` where there is none.
    """

    settings: WorkerSettings
    worker_id: UUID
    worker_name: str
    version: str
    kinds: Sequence[str]
    store: Store
    storage: AsyncStorageClient
    http: httpx.AsyncClient
    agenda: Agenda
    observations: Observations
    condition: Callable[[], Condition]
    routes: Sequence[Route]
    api: WorkerApi
    link: RealtimeLink | None = None
