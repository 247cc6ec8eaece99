"""What the routes of the HTTP port are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from headway.core.answers import Signalled
from headway.core.job import Snapshot
from headway.core.json_limits import storable
from headway.errors import NotFound
from headway.worker.clients import Clients
from headway.worker.store import Store

if TYPE_CHECKING:
    from postgrest import AsyncPostgrestClient
    from storage3 import AsyncStorageClient

__all__ = ["EngineApi"]


class EngineApi:
    """A ``WorkerApi`` over the engine.

    Args:
        store: The engine.
        clients: The official clients.
    """

    def __init__(self, store: Store, clients: Clients) -> None:
        self._store = store
        self._clients = clients

    @property
    def db(self) -> AsyncPostgrestClient:
        """As ``WorkerApi.db``."""
        return self._clients.db

    @property
    def storage(self) -> AsyncStorageClient:
        """As ``WorkerApi.storage``."""
        return self._clients.storage

    async def signal(self, job_id: UUID | str, name: str, payload: Any = None) -> Signalled:
        """As ``WorkerApi.signal``."""
        return await self._store.signal(_id(job_id), name, storable(payload, "payload"))

    async def snapshot(self, job_id: UUID | str) -> Snapshot:
        """As ``WorkerApi.snapshot``."""
        return await self._store.snapshot(_id(job_id))


def _id(value: UUID | str) -> UUID:
    """Ids come out of addresses: one that is none is a job that does not exist."""
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise NotFound("there is no such job", code="HW301", details="job_id") from None
