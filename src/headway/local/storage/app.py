"""The ASGI application: finds the handler, and turns errors into answers."""

from __future__ import annotations

import logging

from starlette.types import Receive, Scope, Send

from headway.local.storage.faults import StorageFault, internal_error, route_not_found
from headway.local.storage.replies import Reply, fault_reply, send_reply
from headway.local.storage.requests import ClientGone, StorageRequest
from headway.local.storage.routing import Router

__all__ = ["StorageApp"]

_log = logging.getLogger("headway.storage")


class StorageApp:
    """Answers requests.

    Args:
        router: The endpoints.
    """

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"Storage serves HTTP only, not {scope['type']}")
        request = StorageRequest(scope, receive)
        try:
            reply = await self._answer(request)
        except ClientGone:
            return
        try:
            await send_reply(reply, send)
        except StorageFault as fault:
            await send_reply(fault_reply(fault), send)

    async def _answer(self, request: StorageRequest) -> Reply:
        try:
            found = self._router.find(request)
            if found is None:
                raise route_not_found(request.method, request.target)
            route, values = found
            request.operation = route.operation
            return await route.handler(request, values)
        except StorageFault as fault:
            if fault.status >= 500:
                _log.warning("%s %s: %s", request.method, request.raw_path, fault, exc_info=fault.__cause__)
            return fault_reply(fault)
        except ClientGone:
            raise
        except Exception:  # noqa: BLE001 — logged, and answered without the cause
            _log.exception("unhandled error in %s %s", request.method, request.raw_path)
            return fault_reply(internal_error())
