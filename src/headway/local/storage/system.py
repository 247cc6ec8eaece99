"""Health, version, and the endpoints of features that are switched off."""

from __future__ import annotations

from headway.local.storage.callers import Callers
from headway.local.storage.catalog import Catalog
from headway.local.storage.faults import StorageFault
from headway.local.storage.replies import Reply, json_reply
from headway.local.storage.requests import StorageRequest
from headway.local.storage.routing import Route

__all__ = ["SystemEndpoints"]


class SystemEndpoints:
    """What is neither a bucket nor an object.

    Args:
        catalog: The database.
        callers: Tells who asks.
    """

    def __init__(self, catalog: Catalog, callers: Callers) -> None:
        self._catalog = catalog
        self._callers = callers

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [
            Route("GET", "/status", "", self.alive),
            Route("GET", "/health", "", self.health),
            *(Route(method, "/render/image/*", "", self.image_transformation) for method in ("GET", "HEAD")),
            Route("DELETE", "/cdn/*", "", self.purge_cache),
        ]

    async def alive(self, _: StorageRequest, __: dict[str, str]) -> Reply:
        return Reply(200, [("content-length", "0")])

    async def health(self, request: StorageRequest, _: dict[str, str]) -> Reply:
        self._callers.require(request)
        try:
            async with self._catalog.transaction(request, self._callers.elevated) as transaction:
                await transaction.fetchrow("select id from storage.buckets limit 1")
        except StorageFault:
            return json_reply({"healthy": False})
        return json_reply({"healthy": True})

    async def image_transformation(self, _: StorageRequest, __: dict[str, str]) -> Reply:
        raise _feature_off()

    async def purge_cache(self, request: StorageRequest, _: dict[str, str]) -> Reply:
        raise _feature_off()


def _feature_off() -> StorageFault:
    """As hosted projects answer on plans without the feature."""
    return StorageFault(403, "FeatureNotEnabled", "feature not enabled for this tenant", http_status=403)
