"""Routes of an app's own on the worker's HTTP port: callbacks of providers, mostly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from uuid import UUID

from headway.core.answers import Signalled
from headway.core.job import Snapshot

if TYPE_CHECKING:
    from postgrest import AsyncPostgrestClient
    from starlette.requests import Request
    from starlette.responses import Response
    from storage3 import AsyncStorageClient

__all__ = ["Route", "RouteHandler", "WorkerApi"]

RouteHandler: TypeAlias = "Callable[[Request, WorkerApi], Awaitable[Response]]"


class WorkerApi(Protocol):
    """What a route may do: everything as the service role, so it checks its callers itself."""

    @property
    def db(self) -> AsyncPostgrestClient:
        """The Data API, schema ``public``."""
        ...

    @property
    def storage(self) -> AsyncStorageClient:
        """Storage."""
        ...

    async def signal(self, job_id: UUID | str, name: str, payload: Any = None) -> Signalled:
        """Answer a job that waits for a signal; late and repeated signals are harmless.

        Args:
            job_id: The job.
            name: The signal's; names that begin with ``system.`` are out of people's reach.
            payload: Any JSON, at most 1 MiB.

        Raises:
            NotFound: there is no such job.
            InvalidRequest: the name or the payload is not storable.
            TransportError: the engine could not be asked.
        """
        ...

    async def snapshot(self, job_id: UUID | str) -> Snapshot:
        """Everything about a job.

        Raises:
            NotFound: there is no such job.
            TransportError: the engine could not be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the HTTP port.

    Args:
        path: As Starlette writes paths: ``/callbacks/{job_id}``.
        methods: Upper case.
        handler: ``async def f(request, api) -> Response``.
    """

    path: str
    methods: tuple[str, ...]
    handler: RouteHandler
