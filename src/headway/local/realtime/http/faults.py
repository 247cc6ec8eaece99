"""The fault switch over HTTP: ``/api/_faults``, this stack's own, for tests in other processes.

Served to callers on this machine with the service role only::

    GET    /realtime/v1/api/_faults                        what is wrong now
    PATCH  /realtime/v1/api/_faults   {"lose": 0.5, ...}   change some; see RealtimeFaults
    DELETE /realtime/v1/api/_faults                        be healthy again
    POST   /realtime/v1/api/_faults   {"action": "drop"}   cut sockets off, as a failing network does
                                      {"action": "close", "code": 1012, "reason": "..."}
                                      {"action": "restart_streams"}

``drop`` and ``close`` take ``"topic": "prefix"`` to name the sockets by what they have joined, and
``"fraction": 0.5``. The answer says how many sockets were met.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from headway.local.identity import Identity
from headway.local.realtime.faults import FaultInvalid, RealtimeFaults

__all__ = ["FaultControl"]

Drop = Callable[..., int]
Close = Callable[..., Awaitable[int]]
Restart = Callable[[], None]


class FaultControl:
    """Answers ``/api/_faults``.

    Args:
        faults: The service's faults.
        drop: Cuts sockets off; how many.
        close: Closes sockets with a code; how many.
        restart_streams: Breaks the replication connections.
    """

    def __init__(self, faults: RealtimeFaults, drop: Drop, close: Close, restart_streams: Restart) -> None:
        self._faults = faults
        self._drop = drop
        self._close = close
        self._restart_streams = restart_streams

    async def answer(self, request: Request, identity: Identity) -> Response:
        """Answer one request.

        Args:
            request: To ``/api/_faults``.
            identity: The caller.
        """
        if identity.role != "service_role" or not _is_local(request):
            return _json(403, {"message": "The fault switch is for the service role on this machine"})
        if request.method == "GET":
            return _json(200, self._faults.as_dict())
        if request.method == "DELETE":
            self._faults.reset()
            return _json(200, self._faults.as_dict())
        if request.method not in ("PATCH", "POST"):
            return _json(405, {"message": "Use GET, PATCH, POST or DELETE"})
        try:
            body = orjson.loads(await request.body())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return _json(400, {"message": "Expected a JSON object"})
        try:
            if request.method == "PATCH":
                self._faults.set(body)
                return _json(200, self._faults.as_dict())
            return await self._act(body)
        except FaultInvalid as invalid:
            return _json(400, {"message": str(invalid)})

    async def _act(self, body: dict[str, Any]) -> Response:
        action, topic, fraction = body.get("action"), body.get("topic", ""), body.get("fraction", 1)
        if not isinstance(topic, str):
            raise FaultInvalid("topic: expected str")
        if not isinstance(fraction, int | float) or not 0 <= fraction <= 1:
            raise FaultInvalid("fraction: expected a fraction between 0 and 1")
        if action == "drop":
            return _json(200, {"sockets": self._drop(topic=topic, fraction=fraction)})
        if action == "close":
            code, reason = body.get("code", 1012), body.get("reason", "")
            if type(code) is not int or not (1000 <= code <= 1014 or 3000 <= code <= 4999):
                raise FaultInvalid("code: expected a WebSocket close code")
            if not isinstance(reason, str) or len(reason.encode()) > 120:
                raise FaultInvalid("reason: expected a text of at most 120 bytes")
            met = await self._close(code, reason, topic=topic, fraction=fraction)
            return _json(200, {"sockets": met})
        if action == "restart_streams":
            self._restart_streams()
            return _json(200, {})
        raise FaultInvalid("action: expected drop, close or restart_streams")


def _is_local(request: Request) -> bool:
    if request.client is None:
        return True  # a Unix socket
    try:
        return ipaddress.ip_address(request.client.host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _json(status: int, body: Any) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
