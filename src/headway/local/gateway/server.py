"""A uvicorn server that lives inside another program's event loop."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
from starlette.types import ASGIApp

from headway.listening import EmbeddedServer, bind

__all__ = ["HttpServer", "bind"]

# Realtime's own limit for a client's frame; a longer one closes the socket with 1009.
_MAX_FRAME_BYTES = 5_000_000


class HttpServer:
    """Serves one ASGI application on one listening socket until it is stopped.

    Args:
        app: The application.
        listener: A socket from ``bind``; owned and closed by the server.
        grace_s: Seconds that open requests have to finish after ``stop``.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, *, grace_s: int = 10) -> None:
        self._listener = listener
        self._listening = asyncio.Event()
        self._server = EmbeddedServer(
            uvicorn.Config(
                app,
                http="httptools",
                ws="websockets-sansio",
                ws_max_size=_MAX_FRAME_BYTES,
                ws_per_message_deflate=False,
                lifespan="off",
                interface="asgi3",
                log_config=None,
                # At INFO it prints the URL of every socket, API key included; the access log redacts it.
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=grace_s,
            ),
            self._listening.set,
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    async def start(self) -> None:
        """Accept connections; returns when it does."""
        self._task = asyncio.create_task(self._server.serve([self._listener]))
        listening = asyncio.create_task(self._listening.wait())
        await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            listening.cancel()
            await self._task

    async def stop(self) -> None:
        """Refuse new connections, let open requests finish within the grace period; safe to call twice."""
        task, self._task = self._task, None
        if task is None:
            self._listener.close()
            return
        self._server.should_exit = True
        await task
