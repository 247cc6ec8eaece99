"""Jobs over HTTP: server-sent events and polling, for Starlette, FastAPI, Flask, Django and whatever else.

``sse_response``, ``status_response``, ``error_response`` and ``exception_handlers`` need ``headway[web]``;
the rest knows no framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway.web.blocking import BlockingStream, open_blocking_stream, read_status_blocking
from headway.web.problems import bearer_token, problem
from headway.web.status import JobStatusDocument, read_status
from headway.web.stream import SseStream, open_stream

if TYPE_CHECKING:
    from headway.web.asgi import error_response, exception_handlers, sse_response, status_response

__all__ = [
    "BlockingStream",
    "JobStatusDocument",
    "SseStream",
    "bearer_token",
    "error_response",
    "exception_handlers",
    "open_blocking_stream",
    "open_stream",
    "problem",
    "read_status",
    "read_status_blocking",
    "sse_response",
    "status_response",
]

_ASGI = frozenset({"error_response", "exception_handlers", "sse_response", "status_response"})


def __getattr__(name: str) -> Any:
    if name not in _ASGI:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from headway.web import asgi

    return getattr(asgi, name)
