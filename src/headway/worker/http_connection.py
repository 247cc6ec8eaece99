"""A connection to the worker's HTTP port that nobody holds for long without a request."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["BoundedConnection"]

_HEAD_SECONDS = 30.0
# Routes have a limit of their own; this one is for callers that do not take the answer.
_EXCHANGE_SECONDS = 600.0


class BoundedConnection(H11Protocol):
    """HTTP/1.1 by h11, which limits a request's head, with limits of time added.

    Who connects and sends nothing, or a head or a left-over body byte by byte, would keep one of the port's
    connections for ever, and with some hundreds of them the health checks out.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request's head, and no longer than that may take."""
        super().connection_made(transport)
        self._allow(_HEAD_SECONDS)

    def handle_events(self) -> None:
        """Take what has come; a new request has its own time."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and not self.cycle.response_complete:
            self._allow(_EXCHANGE_SECONDS)

    def on_response_complete(self) -> None:
        """Wait for the next request's head; whatever is left of the last one's body gains no time."""
        self._allow(_HEAD_SECONDS)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._cancel()
        super().connection_lost(exc)

    def _allow(self, seconds: float) -> None:
        self._cancel()
        self._limit = self.loop.call_later(seconds, self.transport.abort)

    def _cancel(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
