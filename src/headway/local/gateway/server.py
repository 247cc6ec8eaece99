"""A uvicorn server that lives inside another program's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from headway.errors import ConfigError

__all__ = ["HttpServer", "bind"]

# Realtime's own limit for a client's frame; a longer one closes the socket with 1009.
_MAX_FRAME_BYTES = 5_000_000


def bind(host: str, port: int, *, setting: str) -> socket.socket:
    """A listening socket, so that a taken port is known before anything else has started.

    Args:
        host: An address of this machine.
        port: 0 for a free one.
        setting: The name of what chose the port, for the error.

    Raises:
        ConfigError: the port is in use or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, for asyncio leaves Nagle's algorithm on where it is not: a second small frame
    # would then wait 40 ms for the first one's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} on {host} is in use ({setting})",
                hint=f"Stop what listens there, or choose another port by {setting}.",
                code="port_in_use",
            ) from error
        raise ConfigError(
            f"cannot listen on {host}:{port} ({setting}): {error}",
            hint="Choose an address of this machine and a port you may bind.",
            code="cannot_listen",
        ) from error
    return listener


class _EmbeddedServer(uvicorn.Server):
    """Leaves the process's signals alone, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class HttpServer:
    """Serves one ASGI application on one listening socket until it is stopped.

    Args:
        app: The application.
        listener: A socket from ``bind``; owned and closed by the server.
        grace_s: Seconds that open requests have to finish after ``stop``.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, *, grace_s: int = 10) -> None:
        self._listener = listener
        self._server = _EmbeddedServer(
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
            )
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    async def start(self) -> None:
        """Accept connections; returns when it does."""
        self._task = asyncio.create_task(self._server.serve([self._listener]))
        listening = asyncio.create_task(self._server.listening.wait())
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
