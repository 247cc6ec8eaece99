"""Realtime alone behind the real gateway, on a loop of its own, with a database of its own."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import jwt

from headway.local.config import ProjectConfig
from headway.local.database import Database
from headway.local.gateway.app import Gateway
from headway.local.gateway.keyring import KeyRing
from headway.local.gateway.server import HttpServer, bind
from headway.local.identity import TokenVerifier
from headway.local.keys import StackKeys
from headway.local.realtime.limits import RealtimeLimits
from headway.local.realtime.service import RealtimeService
from headway.local.service import StackContext
from headway.settings import LocalSettings

T = TypeVar("T")


class RealtimeStack:
    """A running service.

    Args:
        database: Its database.
        loop: The loop it runs on, on another thread.
    """

    def __init__(self, database: Database, loop: asyncio.AbstractEventLoop) -> None:
        self.database = database
        self.loop = loop
        self.keys = StackKeys.generate()
        self.context = StackContext(
            config=ProjectConfig(),
            settings=LocalSettings(),
            keys=self.keys,
            verifier=TokenVerifier(self.keys),
            database=database,
            data_dir=Path("/nonexistent"),
            public_url="",
        )
        self.service = RealtimeService(self.context)
        self._server: HttpServer
        self._bare: HttpServer
        self.url = self.bare_url = ""

    async def start(self) -> None:
        listener = bind("127.0.0.1", 0, setting="test")
        mounted: dict[str, Any] = {}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self.service.app(scope, receive, send)

        async def admin(method: str, action: str) -> tuple[int, dict[str, Any]]:
            return 404, {}

        mounted["realtime"] = app
        self._server = HttpServer(Gateway(KeyRing(self.keys), mounted, admin), listener)
        self.url = f"http://127.0.0.1:{self._server.port}"
        await self.service.start()
        await self._server.start()
        # For what the gateway would refuse itself.
        self._bare = HttpServer(app, bind("127.0.0.1", 0, setting="test"))
        self.bare_url = f"ws://127.0.0.1:{self._bare.port}/websocket"
        await self._bare.start()

    async def stop(self) -> None:
        await self._server.stop()
        await self._bare.stop()
        await self.service.stop()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the service's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=60)

    def call(self, function: Callable[[], T]) -> T:
        """Call something on the service's loop and wait for it."""

        async def calling() -> T:
            return function()

        return self.run(calling())

    def websocket_url(self, key: str | None = None, vsn: str = "1.0.0") -> str:
        key = self.keys.publishable_key if key is None else key
        return f"{self.url.replace('http', 'ws', 1)}/realtime/v1/websocket?apikey={key}&vsn={vsn}"

    def token(self, sub: str | None = None, *, lasts_s: float = 3600, **claims: Any) -> str:
        """A user's access token."""
        now = time.time()
        document = {
            "sub": sub or str(uuid.uuid4()),
            "role": "authenticated",
            "aud": "authenticated",
            "iat": int(now),
            "exp": int(now + lasts_s),
            **claims,
        }
        return jwt.encode(
            {k: v for k, v in document.items() if v is not None}, self.keys.jwt_secret, algorithm="HS256"
        )

    def set_limits(self, **limits: Any) -> None:
        """Put a plan's limits in force."""

        def set_them() -> None:
            self.service.limits = RealtimeLimits(**limits)

        self.call(set_them)

    def reset(self) -> None:
        """Lift all limits and faults."""
        self.set_limits()
        self.call(self.service.faults.reset)


@contextmanager
def running_realtime(database: Database) -> Iterator[RealtimeStack]:
    """A service that is down again when the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="realtime", daemon=True)
    thread.start()
    try:
        stack = RealtimeStack(database, loop)
        stack.run(stack.start())
        try:
            yield stack
        finally:
            stack.run(stack.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()
