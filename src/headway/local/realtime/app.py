"""The ASGI application: the WebSocket handshake, and HTTP beside it.

Raw ASGI, since what a thousand idle sockets cost is decided here.
"""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

import orjson
from starlette.types import Receive, Scope, Send

from headway.local.realtime.channels.tokens import TokenInvalid, check_token
from headway.local.realtime.engine import Engine
from headway.local.realtime.http.routes import HttpRoutes
from headway.local.realtime.sockets.socket import Socket

__all__ = ["RealtimeApp"]

_VERSIONS = {"1.0.0": 1, "2.0.0": 2}


class _Denied(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


class RealtimeApp:
    """Everything below ``/realtime/v1``.

    Args:
        engine: The service's parts.
        http: What is served over plain HTTP.
    """

    def __init__(self, engine: Engine, http: HttpRoutes) -> None:
        self._engine = engine
        self._http = http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            socket = self._socket(scope, receive, send)
        except _Denied as denied:
            if self._engine.limits.error_backoff_s:
                await asyncio.sleep(self._engine.limits.error_backoff_s)
            await _deny(send, denied)
            return
        await send({"type": "websocket.accept"})
        await socket.serve()

    def _socket(self, scope: Scope, receive: Receive, send: Send) -> Socket:
        if scope["path"].rstrip("/") != "/websocket":
            raise _Denied(404, "Not Found")
        if self._engine.faults.refuse_connections:
            raise _Denied(self._engine.faults.refuse_connections, "Error connecting to Realtime")
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        version = _VERSIONS.get(query.get("vsn", ["1.0.0"])[-1])
        if version is None:
            raise _Denied(403, "The requested protocol version is not supported")
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name.startswith(b"x-")
        }
        token = headers.pop("x-api-key", None) or query.get("apikey", [None])[-1]
        if token is None:
            raise _Denied(401, "API key is missing")
        try:
            check_token(self._engine.verifier, token)
        except TokenInvalid as invalid:
            raise _Denied(401, invalid.handshake_text) from None
        self._check_limits()
        return Socket(self._engine, receive, send, version=version, token=token, headers=headers)

    def _check_limits(self) -> None:
        limits, traffic = self._engine.limits, self._engine.traffic
        if limits.max_connections is not None and self._engine.users() >= limits.max_connections:
            raise _Denied(429, "Too many connected users")
        if traffic.joins.exceeded(limits.max_joins_per_second, limits.rate_window_s):
            raise _Denied(429, "Too many joins per second")


async def _deny(send: Send, denied: _Denied) -> None:
    """Refuse the handshake with an HTTP answer (ASGI extension ``websocket.http.response``)."""
    body = orjson.dumps({"error": denied.error})
    await send(
        {
            "type": "websocket.http.response.start",
            "status": denied.status,
            "headers": [
                (b"content-type", b"application/json; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "websocket.http.response.body", "body": body})
