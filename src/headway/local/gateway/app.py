"""The ASGI application behind the stack's one port."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headway.local.gateway.access_log import write_access_line
from headway.local.gateway.cors import CORS_HEADERS, preflight_headers
from headway.local.gateway.keyring import KeyRefused, KeyRing
from headway.local.gateway.routes import Route, find_route

__all__ = ["Gateway"]

_log = logging.getLogger("headway.gateway")

_MAX_TARGET_BYTES = 32 * 1024
_MAX_HEADER_BYTES = 64 * 1024
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")
_APIKEY_PARAMETER = re.compile(rb"(?:^|(?<=&))apikey=[^&]*&?", re.IGNORECASE)

Admin = Callable[[str, str], Awaitable[tuple[int, Mapping[str, Any]]]]


class _BodyTooLarge(Exception):
    pass


class _Exchange:
    """One HTTP request on its way through: counts the body, decorates the answer, writes the log line."""

    __slots__ = ("_receive", "_received", "_send", "max_body", "request_id", "started", "status")

    def __init__(self, receive: Receive, send: Send, request_id: bytes) -> None:
        self._receive = receive
        self._send = send
        self._received = 0
        self.request_id = request_id
        self.max_body: int | None = None
        self.started = False
        self.status = 500

    async def receive(self) -> Message:
        message = await self._receive()
        if self.max_body is not None and message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            if self._received > self.max_body:
                raise _BodyTooLarge
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            headers.extend(CORS_HEADERS)
            headers.append((b"sb-request-id", self.request_id))
            message = {**message, "headers": headers}
        await self._send(message)

    async def answer(
        self, status: int, body: Mapping[str, Any], headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        content = orjson.dumps(body)
        await self.send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", b"application/json; charset=utf-8"),
                    (b"content-length", str(len(content)).encode()),
                    *(headers or ()),
                ],
            }
        )
        await self._send({"type": "http.response.body", "body": content})


class Gateway:
    """Routes requests to the services, with the key rules of Supabase's API gateway.

    Args:
        keyring: The stack's keys.
        services: ASGI applications by service name; a name may be missing, and then answers 503.
        admin: Answers ``/_headway/<action>`` for callers with the secret key: takes the method and the
            action, returns a status and a JSON body.
    """

    def __init__(self, keyring: KeyRing, services: Mapping[str, ASGIApp], admin: Admin) -> None:
        self._keyring = keyring
        self._services = services
        self._admin = admin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        headers = dict(scope["headers"])
        given_id = headers.get(b"sb-request-id") or headers.get(b"x-request-id") or b""
        request_id = given_id if _REQUEST_ID.fullmatch(given_id) else secrets.token_hex(8).encode()
        exchange = _Exchange(receive, send, request_id)
        try:
            await self._route(scope, headers, exchange)
        except _BodyTooLarge:
            if exchange.started:
                raise
            # Not "connection: close": the server then reads and drops the rest of the body, while a reset
            # connection would take this answer from a client that is still sending.
            await exchange.answer(
                413,
                {
                    "message": "Request body is too large",
                    "hint": f"This endpoint takes at most {exchange.max_body} bytes.",
                },
            )
        except Exception:
            _log.exception("unhandled error in request %s", request_id.decode())
            if exchange.started:
                raise
            await exchange.answer(
                500,
                {
                    "message": "An unexpected error occurred",
                    "hint": f"`headway logs` has the cause under request id {request_id.decode()}.",
                },
            )
        finally:
            write_access_line(
                method=scope["method"],
                path=_raw_path(scope),
                query=scope["query_string"].decode("latin-1"),
                status=exchange.status,
                duration_ms=(time.perf_counter() - began) * 1000,
                request_id=request_id.decode(),
            )

    async def _route(self, scope: Scope, headers: Mapping[bytes, bytes], exchange: _Exchange) -> None:
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > _MAX_TARGET_BYTES:
            await exchange.answer(
                414, {"message": "Request URL is too long", "hint": "Send long filters by RPC in a body."}
            )
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _MAX_HEADER_BYTES:
            await exchange.answer(
                431, {"message": "Request headers are too large", "hint": "Send fewer or shorter headers."}
            )
            return
        path: str = scope["path"]
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await self._preflight(headers, exchange)
            return
        if path.startswith("/_headway/"):
            await self._administer(scope, headers, exchange)
            return
        route = find_route(path)
        if route is None or not _raw_path(scope).startswith(route.prefix):
            await self._unrouted(path, exchange)
            return
        service = self._services.get(route.service)
        if service is None:
            await exchange.answer(
                503,
                {"message": f"The {route.service} service is not running", "hint": "Try again in a moment."},
                [(b"retry-after", b"1")],
            )
            return
        await self._forward(scope, headers, exchange, route, service)

    async def _forward(
        self,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        exchange: _Exchange,
        route: Route,
        service: ASGIApp,
    ) -> None:
        path = scope["path"][len(route.prefix) :] or "/"
        api_key = headers.get(b"apikey", b"").decode("latin-1") or _query_key(scope)
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        is_open = route.open_paths is None or route.open_paths.fullmatch(path) is not None
        if is_open and not api_key:
            # Storage callers may send a bare bearer; an sb_ key there stands for its role all the same.
            bearer = authorization.partition(" ")[2].strip()
            api_key = bearer if bearer.startswith("sb_") else ""
        try:
            if api_key or not is_open:
                authorization = self._keyring.authorization(
                    authorization,
                    api_key,
                    user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
                )
        except KeyRefused as refusal:
            await exchange.answer(401, {"message": refusal.message, "hint": refusal.hint})
            return
        if (length := _content_length(headers)) is not None and route.max_body is not None:
            exchange.max_body = route.max_body
            if length > route.max_body:
                raise _BodyTooLarge
        exchange.max_body = route.max_body
        await service(_inner_scope(scope, route, path, authorization), exchange.receive, exchange.send)

    async def _preflight(self, headers: Mapping[bytes, bytes], exchange: _Exchange) -> None:
        exchange.status = 200
        allowed = preflight_headers(headers.get(b"access-control-request-headers", b""))
        allowed.append((b"sb-request-id", exchange.request_id))
        await exchange._send({"type": "http.response.start", "status": 200, "headers": allowed})
        await exchange._send({"type": "http.response.body", "body": b""})

    async def _unrouted(self, path: str, exchange: _Exchange) -> None:
        if path == "/":
            await exchange.answer(
                200,
                {
                    "name": "headway",
                    "description": "An embedded Supabase-compatible stack for development and tests.",
                    "services": sorted(self._services),
                },
            )
            return
        await exchange.answer(
            404,
            {
                "message": "no Route matched with those values",
                "hint": "Served here: /rest/v1, /auth/v1, /storage/v1, /realtime/v1.",
            },
        )

    async def _administer(self, scope: Scope, headers: Mapping[bytes, bytes], exchange: _Exchange) -> None:
        try:
            token = self._keyring.jwt_for(
                headers.get(b"apikey", b"").decode("latin-1"),
                user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
            )
        except KeyRefused as refusal:
            await exchange.answer(401, {"message": refusal.message, "hint": refusal.hint})
            return
        if not self._keyring.is_service(token):
            await exchange.answer(
                403, {"message": "The secret key is needed here", "hint": "Send it as the `apikey` header."}
            )
            return
        status, body = await self._admin(scope["method"], scope["path"].removeprefix("/_headway/"))
        await exchange.answer(status, body)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = secrets.token_hex(8)
        status = 403
        route = find_route(_raw_path(scope))
        service = None if route is None else self._services.get(route.service)

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "websocket.accept":
                status = 101
            elif message["type"] == "websocket.http.response.start":
                status = message["status"]
            await send(message)

        try:
            if route is None or service is None:
                await _deny(receive, watched_send, 404 if route is None else 503, "No such service")
                return
            api_key = (headers.get(b"x-api-key", b"") or headers.get(b"apikey", b"")).decode(
                "latin-1"
            ) or _query_key(scope)
            try:
                token = self._keyring.jwt_for(
                    api_key, user_agent=headers.get(b"user-agent", b"").decode("latin-1")
                )
            except KeyRefused as refusal:
                await _deny(receive, watched_send, 401, refusal.message, refusal.hint)
                return
            path = scope["path"][len(route.prefix) :] or "/"
            inner = _inner_scope(scope, route, path, "")
            inner["headers"] = [
                *((n, v) for n, v in inner["headers"] if n not in (b"x-api-key", b"apikey")),
                (b"x-api-key", token.encode()),
            ]
            await service(inner, receive, watched_send)
        finally:
            write_access_line(
                method="WEBSOCKET",
                path=_raw_path(scope),
                query=scope["query_string"].decode("latin-1"),
                status=status,
                duration_ms=(time.perf_counter() - began) * 1000,
                request_id=request_id,
            )


def _raw_path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1")


def _query_key(scope: Scope) -> str:
    query: bytes = scope["query_string"]
    if b"apikey=" not in query.lower():
        return ""
    for name, values in parse_qs(query.decode("latin-1")).items():
        if name.lower() == "apikey":
            return values[0]
    return ""


def _content_length(headers: Mapping[bytes, bytes]) -> int | None:
    value = headers.get(b"content-length", b"")
    return int(value) if value.isdigit() else None


def _inner_scope(scope: Scope, route: Route, path: str, authorization: str) -> dict[str, Any]:
    """The scope a service sees: its own path, no API key, one ``Authorization`` header at most."""
    headers = [(n, v) for n, v in scope["headers"] if n not in (b"authorization", b"apikey")]
    if authorization:
        headers.append((b"authorization", authorization.encode("latin-1", "ignore")))
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    if b"apikey=" in query.lower():
        query = _APIKEY_PARAMETER.sub(b"", query).rstrip(b"&")
    return {
        **scope,
        "path": path,
        "raw_path": raw_path[len(route.prefix) :] or b"/",
        "root_path": route.prefix,
        "query_string": query,
        "headers": headers,
    }


async def _deny(receive: Receive, send: Send, status: int, message: str, hint: str = "") -> None:
    """Refuse a WebSocket handshake with an HTTP answer (ASGI extension ``websocket.http.response``)."""
    await receive()
    body = orjson.dumps({"error": message, "message": message, **({"hint": hint} if hint else {})})
    await send(
        {
            "type": "websocket.http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "websocket.http.response.body", "body": body})
