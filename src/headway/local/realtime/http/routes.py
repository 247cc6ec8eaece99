"""Which HTTP path is answered by what.

Source: supabase/realtime ``lib/realtime_web/router.ex`` and ``plugs/auth_tenant.ex``.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headway.local.identity import Identity
from headway.local.realtime.channels.tokens import TokenInvalid, check_token
from headway.local.realtime.engine import Engine
from headway.local.realtime.http.broadcast import broadcast_batch, broadcast_one
from headway.local.realtime.http.control import Control

__all__ = ["HttpRoutes", "json_response"]

# The real server reads bodies up to Plug's default.
_MAX_BODY_BYTES = 8_000_000
_SINGLE = re.compile(r"/api/broadcast/([^/]+)/events/([^/]+)")
_HEALTH = re.compile(r"/api/(?:health|tenants/[^/]+/health)")

Health = Callable[[], Mapping[str, Any]]
Handler = Callable[[Request, Identity], Awaitable[Response]]


def json_response(status: int, body: Any) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, media_type="application/json")


class _Answer(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response


class HttpRoutes:
    """The HTTP side of the service.

    Args:
        engine: The service's parts.
        health: Figures for the health endpoints.
        control: Faults and limits.
    """

    def __init__(self, engine: Engine, health: Health, control: Control) -> None:
        self._engine = engine
        self._health = health
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except _Answer as answer:
            response = answer.response
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        # Topics may hold encoded slashes, which only the raw path still tells from real ones.
        raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        path, method = raw.decode("latin-1"), request.method
        if path == "/api/ping" and method in ("GET", "HEAD"):
            return json_response(200, {"message": "Success"})
        if path in ("/api/_faults", "/api/_limits"):
            limits = path == "/api/_limits"
            return await self._control.answer(request, self._identity(request), limits=limits)
        if _HEALTH.fullmatch(path) and method in ("GET", "HEAD"):
            self._identity(request)
            return json_response(200, {"data": self._health()})
        if path == "/api/broadcast" and method == "POST":
            identity = self._identity(request)
            return await broadcast_batch(self._engine, identity, _headers(request), await self._json(request))
        if (match := _SINGLE.fullmatch(path)) and method == "POST":
            return await self._single(request, unquote(match[1]), unquote(match[2]))
        return json_response(404, {"message": "Not Found"})

    async def _single(self, request: Request, topic: str, event: str) -> Response:
        media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if media_type not in ("application/json", "application/octet-stream"):
            return json_response(
                415, {"error": "Unsupported Media Type. Use application/json or application/octet-stream"}
            )
        identity = self._identity(request)
        is_json = media_type == "application/json"
        payload = orjson.dumps(await self._json(request)) if is_json else await self._body(request)
        return await broadcast_one(
            self._engine,
            identity,
            _headers(request),
            topic=topic,
            event=event,
            private=request.query_params.get("private") == "true",
            payload=payload,
            is_json=is_json,
        )

    def _identity(self, request: Request) -> Identity:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            token = request.headers.get("apikey", "")
        elif scheme.lower() != "bearer":
            token = ""
        try:
            return check_token(self._engine.verifier, token)
        except TokenInvalid:
            raise _Answer(json_response(401, {"message": "Unauthorized"})) from None

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BODY_BYTES:
                raise _Answer(json_response(413, {"message": "Request Entity Too Large"}))
        return bytes(body)

    async def _json(self, request: Request) -> Any:
        body = await self._body(request)
        try:
            return orjson.loads(body or b"{}")
        except ValueError:
            raise _Answer(json_response(400, {"message": "Bad Request"})) from None


def _headers(request: Request) -> dict[str, str]:
    """What policies see as ``request.headers``; the caller's token is in the claims already."""
    return {name: value for name, value in request.headers.items() if name != "authorization"}
