"""Responses for Starlette and FastAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from headway.errors import ConfigError, HeadwayError
from headway.web.problems import problem
from headway.web.status import read_status
from headway.web.stream import Source, SseStream, open_stream

try:
    from sse_starlette import EventSourceResponse, ServerSentEvent
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
except ImportError as error:
    raise ConfigError(
        f"{error.name} is not installed", hint="pip install 'headway[web]'", code="extra_missing"
    ) from error

if TYPE_CHECKING:
    from headway.client.headway import AsyncHeadway

__all__ = ["error_response", "exception_handlers", "sse_response", "status_response"]

# A browser that takes nothing for so long has gone, or holds our memory hostage.
_SEND_TIMEOUT_S = 30.0
_RECONNECT_MS = 2000


async def sse_response(
    request: Request,
    source: Source,
    *,
    owned: AsyncHeadway | None = None,
    heartbeat: float = 15.0,
) -> Response:
    """Live updates for a browser's ``EventSource``, as server-sent events.

    A browser that comes back says with ``Last-Event-ID`` what it has seen, and misses nothing. When it goes
    away, the watch is released. After the end, a browser that comes back is told (204) to stay away.

    Args:
        request: The request.
        source: A job's or batch's handle, or a watch.
        owned: A client that was made for this request (``hw.as_user(token)``): closed with the stream.
        heartbeat: Seconds of silence after which a comment is sent.

    Raises:
        HeadwayError: before anything was sent; ``exception_handlers`` makes an answer of it.
    """
    stream = await open_stream(source, request.headers.get("last-event-id"), owned=owned, heartbeat=heartbeat)
    if stream.status == 204:
        await stream.aclose()
        return Response(status_code=204)
    return EventSourceResponse(
        _events(stream),
        headers={"Cache-Control": "no-store"},
        # Heartbeats come from the stream itself, which knows when it is silent.
        ping=3600,
        send_timeout=_SEND_TIMEOUT_S,
        sep="\n",
    )


async def _events(stream: SseStream) -> AsyncIterator[ServerSentEvent]:
    first = True
    async for event in stream.events():
        if event is None:
            yield ServerSentEvent(comment="")
            continue
        retry = _RECONNECT_MS if first else None
        yield ServerSentEvent(event.data, event=event.name, id=event.id, retry=retry, sep="\n")
        first = False


async def status_response(
    request: Request, headway: AsyncHeadway, job_id: UUID | str, *, view: str | None = None
) -> Response:
    """A job's status for a client that polls, in the form that the five systems' clients know.

    Args:
        request: The request; ``If-None-Match`` saves the body of an unchanged one.
        headway: The client of whoever polls.
        job_id: The job.
        view: Only jobs of this view, such as ``cv_processing_jobs``; any job when omitted.

    Raises:
        HeadwayError: ``exception_handlers`` makes an answer of it.
    """
    status = await read_status(headway, job_id, view=view)
    if status.is_known(request.headers.get("if-none-match")):
        return Response(status_code=304, headers=status.headers)
    return JSONResponse(status.body, headers=status.headers)


def error_response(error: HeadwayError) -> JSONResponse:
    """An error as an answer: its status, and ``code``, ``message``, ``details``, ``hint`` as JSON."""
    status, headers, body = problem(error)
    return JSONResponse(body, status, headers)


async def _handle(_: Request, error: Exception) -> Response:
    assert isinstance(error, HeadwayError)
    return error_response(error)


exception_handlers: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    HeadwayError: _handle
}
"""For ``Starlette(exception_handlers=…)`` or ``FastAPI(exception_handlers=…)``."""
