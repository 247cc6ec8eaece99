"""The jobs' own routes: bounded bodies, bounded time, errors that say what to do and nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headway.errors import (
    Conflict,
    Denied,
    HeadwayError,
    InvalidRequest,
    LeaseLost,
    NotFound,
    TransportError,
)
from headway.worker.routes import Route, WorkerApi

__all__ = ["BodyLimit", "app_routes", "error_answer", "http_error"]

_log = logging.getLogger("headway.worker.http")

_STATUS: tuple[tuple[type[HeadwayError], int], ...] = (
    (NotFound, 404),
    (Denied, 403),
    (Conflict, 409),
    (LeaseLost, 409),
    (InvalidRequest, 400),
    (TransportError, 503),
)
_TOO_LARGE = "HW104"
_SWALLOW_BYTES = 1_048_576
_SWALLOW_SECONDS = 2.0
_MESSAGES = {
    404: ("there is nothing at this address", "Check the path.", "route_unknown"),
    405: ("this address does not take that method", "See the Allow header.", "method_not_allowed"),
}


class _TooLarge(Exception):
    """The request's body goes on past the limit."""


def app_routes(routes: Sequence[Route], api: WorkerApi, *, timeout: float) -> list[StarletteRoute]:
    """Starlette's routes for those that jobs declare.

    Args:
        routes: As they were declared.
        api: What each is given.
        timeout: Seconds that one request may take.
    """
    return [
        StarletteRoute(route.path, _endpoint(route, api, timeout), methods=list(route.methods))
        for route in routes
    ]


def _endpoint(route: Route, api: WorkerApi, timeout: float) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            async with asyncio.timeout(timeout):
                answer: Any = await route.handler(request, api)
        except (ClientDisconnect, HTTPException, _TooLarge):
            raise
        except HeadwayError as error:
            return error_answer(error)
        except TimeoutError:
            _log.error("route %s took longer than %g s", route.path, timeout)
            return _json(
                503, "the answer took too long", "Try again later.", "timed_out", {"retry-after": "5"}
            )
        except Exception:  # noqa: BLE001 - whatever it is, the caller is told nothing of it
            _log.exception("route %s failed", route.path)
            return _json(500, "something went wrong here", "Try again later.", "internal_error")
        if not isinstance(answer, Response):
            _log.error("route %s answered no Response, but %s", route.path, type(answer).__name__)
            return _json(500, "something went wrong here", "Try again later.", "internal_error")
        return answer

    endpoint.__name__ = getattr(route.handler, "__name__", "endpoint")
    return endpoint


def error_answer(error: HeadwayError) -> JSONResponse:
    """An error of Headway's as an answer: message, hint and code; nothing of it is a secret."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if status == 500:
        _log.error("a route failed: %s", error)
        return _json(500, "something went wrong here", "Try again later.", "internal_error")
    if error.code == _TOO_LARGE:
        status = 413
    headers = None
    if isinstance(error, TransportError):
        headers = {"retry-after": str(max(1, round(error.retry_after or 5)))}
        # What the network between worker and engine looks like is nobody's business.
        return _json(503, "the engine cannot be asked now", "Try again later.", error.code, headers)
    return _json(status, error.message, error.hint, error.code, headers)


async def http_error(_request: Request, error: Exception) -> Response:
    """What Starlette answers by itself (404, 405), in the same form."""
    assert isinstance(error, HTTPException)
    message, hint, code = _MESSAGES.get(
        error.status_code, (str(error.detail), None, f"http_{error.status_code}")
    )
    return _json(error.status_code, message, hint, code, dict(error.headers or {}))


class BodyLimit:
    """Refuses request bodies beyond a limit, whether their length was stated or not.

    Args:
        app: What is behind.
        limit: Bytes.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if stated.isdigit() and int(stated) > self._limit:
            await self._refuse(scope, receive, send)
            return
        came, answered = 0, False

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            if message["type"] == "http.request":
                came += len(message.get("body", b""))
                if came > self._limit:
                    raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except _TooLarge:
            if answered:
                raise
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._swallow(receive)
        answer = _json(
            413,
            f"the body is longer than {self._limit} bytes",
            "Send less, or raise HEADWAY_HTTP_BODY_LIMIT.",
            "body_too_large",
            {"connection": "close"},
        )
        await answer(scope, receive, send)

    async def _swallow(self, receive: Receive) -> None:
        """Take in a little more: a connection closed while the caller sends is reset, answer and all."""
        came = 0
        try:
            async with asyncio.timeout(_SWALLOW_SECONDS):
                while came < _SWALLOW_BYTES:
                    message = await receive()
                    came += len(message.get("body", b""))
                    if not message.get("more_body"):
                        return
        except TimeoutError:
            pass  # a caller that sends slowly may be reset


def _json(
    status: int, message: str, hint: str | None, code: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(
        {"error": {"code": code, "message": message, "hint": hint}},
        status,
        headers={"cache-control": "no-store", **(headers or {})},
    )
