"""The worker's HTTP port, served inside its own event loop."""

from __future__ import annotations

import asyncio
import logging

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from headway.listening import EmbeddedServer, bind
from headway.worker.app_routes import BodyLimit, app_routes, http_error
from headway.worker.health import health_routes
from headway.worker.http_connection import BoundedConnection
from headway.worker.metrics import Metrics
from headway.worker.service import ServiceContext

__all__ = ["HttpPort", "build_app"]

_log = logging.getLogger("headway.worker.http")

_ROUTE_TIMEOUT = 30.0
_GRACE = 3
# More than a health check, a scraper and the callbacks of a busy provider ever open.
_MOST_CONNECTIONS = 1000


def build_app(context: ServiceContext, metrics: Metrics) -> ASGIApp:
    """The application behind the port: the worker's own routes, then those of its jobs."""
    routes = health_routes(
        context.condition, metrics.registry, metrics_token=context.settings.metrics_token
    ) + app_routes(context.routes, context.api, timeout=_ROUTE_TIMEOUT)
    return Starlette(
        routes=routes,
        middleware=[Middleware(BodyLimit, limit=context.settings.http_body_limit)],
        exception_handlers={HTTPException: http_error},
    )


class HttpPort:
    """Serves an application until it is stopped, and leaves the process's signals alone.

    Args:
        app: The application.
        host: The address to listen on.
        port: 0 for a free one.
    """

    name = "http port"

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._server: EmbeddedServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self.url: str | None = None
        """Where it listens, while it does."""

    async def start(self) -> None:
        """Accept connections; returns when it does. Starting what runs changes nothing.

        Raises:
            ConfigError: the port is taken, or the address is not this machine's.
        """
        async with self._changing:
            if self._serving is not None:
                return
            listener = bind(
                self._host, self._port, setting="HEADWAY_HTTP_PORT", host_setting="HEADWAY_HTTP_HOST"
            )
            port = int(listener.getsockname()[1])
            heard = asyncio.Event()
            server = EmbeddedServer(
                uvicorn.Config(
                    self._app,
                    lifespan="off",
                    http=BoundedConnection,
                    ws="none",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    proxy_headers=False,
                    timeout_keep_alive=30,
                    timeout_graceful_shutdown=_GRACE,
                    limit_concurrency=_MOST_CONNECTIONS,
                ),
                heard.set,
            )
            serving = asyncio.create_task(server.serve([listener]), name="headway http port")
            listening = asyncio.create_task(heard.wait())
            try:
                await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                server.should_exit = True
                await asyncio.wait({serving})
                raise
            finally:
                listening.cancel()
            if serving.done():
                await serving
            self._server, self._serving = server, serving
            host = f"[{self._host}]" if ":" in self._host else self._host
            self.url = f"http://{host}:{port}"
            _log.info("health, metrics and callbacks are at %s", self.url)

    async def stop(self) -> None:
        """Refuse new connections and let open requests finish for a few seconds; safe to call twice."""
        async with self._changing:
            server, serving = self._server, self._serving
            self._server = self._serving = self.url = None
            if server is None or serving is None:
                return
            server.should_exit = True
            await asyncio.wait({serving}, timeout=_GRACE + 2)
            if not serving.done():
                serving.cancel()
                await asyncio.wait({serving})
            if not serving.cancelled() and (error := serving.exception()) is not None:
                _log.error("the HTTP port did not stop cleanly", exc_info=error)
