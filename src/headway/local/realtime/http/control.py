"""Faults and limits over HTTP, this stack's own, for tests in other processes.

Served to callers on this machine with the service role only::

    GET    /realtime/v1/api/_faults                        what is wrong now
    PATCH  /realtime/v1/api/_faults   {"lose": 0.5, ...}   change some; see RealtimeFaults
    DELETE /realtime/v1/api/_faults                        be healthy again
    POST   /realtime/v1/api/_faults   {"action": "drop"}   cut sockets off, as a failing network does
                                      {"action": "close", "code": 1012, "reason": "..."}
                                      {"action": "restart_streams"}
    GET    /realtime/v1/api/_limits                        the limits in force
    PATCH  /realtime/v1/api/_limits   {"max_channels_per_connection": 2, ...}   see RealtimeLimits
    DELETE /realtime/v1/api/_limits                        no limits

``drop`` and ``close`` take ``"topic": "prefix"`` to name the sockets by what they have joined, and
``"fraction": 0.5``. The answer says how many sockets were met.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response

from headway.local.identity import Identity
from headway.local.realtime.faults import FaultInvalid, RealtimeFaults
from headway.local.realtime.limits import LimitInvalid, RealtimeLimits

__all__ = ["Control", "Controlled"]


class Controlled(Protocol):
    """What can be controlled: the service."""

    faults: RealtimeFaults
    limits: RealtimeLimits

    def drop_sockets(self, *, topic: str = "", fraction: float = 1.0) -> int: ...

    async def close_sockets(
        self, code: int, reason: str = "", *, topic: str = "", fraction: float = 1.0
    ) -> int: ...

    def break_streams(self) -> None: ...


class Control:
    """Answers ``/api/_faults`` and ``/api/_limits``.

    Args:
        service: What is controlled.
    """

    def __init__(self, service: Controlled) -> None:
        self._service = service

    async def answer(self, request: Request, identity: Identity, *, limits: bool) -> Response:
        """Answer one request.

        Args:
            request: To either path.
            identity: The caller.
            limits: Whether it is about limits.
        """
        if identity.role != "service_role" or not _is_local(request):
            return _json(403, {"message": "This control is for the service role on this machine"})
        if request.method in ("GET", "DELETE"):
            if request.method == "DELETE":
                self._reset(limits)
            return self._state(limits)
        if request.method != "PATCH" and (limits or request.method != "POST"):
            return _json(405, {"message": f"Use GET, PATCH{'' if limits else ', POST'} or DELETE"})
        try:
            body = orjson.loads(await request.body())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return _json(400, {"message": "Expected a JSON object"})
        try:
            if request.method == "POST":
                return await self._act(body)
            if limits:
                self._service.limits = self._service.limits.changed(body)
            else:
                self._service.faults.set(body)
        except (FaultInvalid, LimitInvalid) as invalid:
            return _json(400, {"message": str(invalid)})
        return self._state(limits)

    def _state(self, limits: bool) -> Response:
        return _json(200, (self._service.limits if limits else self._service.faults).as_dict())

    def _reset(self, limits: bool) -> None:
        if limits:
            self._service.limits = RealtimeLimits()
        else:
            self._service.faults.reset()

    async def _act(self, body: dict[str, Any]) -> Response:
        action, topic, fraction = body.get("action"), body.get("topic", ""), body.get("fraction", 1)
        if not isinstance(topic, str):
            raise FaultInvalid("topic: expected str")
        if not isinstance(fraction, int | float) or not 0 <= fraction <= 1:
            raise FaultInvalid("fraction: expected a fraction between 0 and 1")
        if action == "drop":
            return _json(200, {"sockets": self._service.drop_sockets(topic=topic, fraction=fraction)})
        if action == "close":
            code, reason = body.get("code", 1012), body.get("reason", "")
            if type(code) is not int or not (1000 <= code <= 1014 or 3000 <= code <= 4999):
                raise FaultInvalid("code: expected a WebSocket close code")
            if not isinstance(reason, str) or len(reason.encode()) > 120:
                raise FaultInvalid("reason: expected a text of at most 120 bytes")
            met = await self._service.close_sockets(code, reason, topic=topic, fraction=fraction)
            return _json(200, {"sockets": met})
        if action == "restart_streams":
            self._service.break_streams()
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
