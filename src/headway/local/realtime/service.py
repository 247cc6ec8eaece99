"""The service that the gateway mounts."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from headway.local.realtime.app import RealtimeApp
from headway.local.realtime.broadcasts import DatabaseBroadcasts
from headway.local.realtime.changes.feed import ChangeFeed
from headway.local.realtime.database.archive import Archive
from headway.local.realtime.database.authorizer import Authorizer
from headway.local.realtime.database.sessions import Pool, open_pool
from headway.local.realtime.engine import Engine, Traffic
from headway.local.realtime.faults import RealtimeFaults
from headway.local.realtime.http.control import Control
from headway.local.realtime.http.routes import HttpRoutes
from headway.local.realtime.limits import RealtimeLimits
from headway.local.realtime.sockets.socket import Socket
from headway.local.realtime.sockets.sweeper import sweep_for_ever
from headway.local.service import Service, StackContext

__all__ = ["RealtimeService", "build"]

_log = logging.getLogger("headway.realtime")

_GOING_AWAY = 1001


class RealtimeService:
    """Realtime: changes, broadcast and presence over WebSockets, broadcast over HTTP.

    Args:
        context: The stack that it is part of.
        limits: What the plan allows; nothing is limited when omitted.
    """

    name = "realtime"

    def __init__(self, context: StackContext, limits: RealtimeLimits | None = None) -> None:
        self._context = context
        self._limits = limits or RealtimeLimits()
        self.faults = RealtimeFaults()
        """What to do wrong, for tests; change it at any time."""
        self.app: ASGIApp = self._unstarted
        self._engine: Engine | None = None
        self._pool: Pool | None = None
        self._changes: ChangeFeed | None = None
        self._messages: DatabaseBroadcasts | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def limits(self) -> RealtimeLimits:
        """What the plan allows; another plan may be assigned at any time, and counts from then on."""
        return self._limits

    @limits.setter
    def limits(self, limits: RealtimeLimits) -> None:
        self._limits = limits
        if self._engine is not None:
            self._engine.limits = limits
            self._engine.traffic = Traffic()

    async def start(self) -> None:
        """Connect, and follow the messages of the database; returns when they are delivered."""
        database = self._context.database
        self._pool = await open_pool(database)
        archive = Archive(self._pool)
        self._changes = ChangeFeed(database, self._pool)
        self._messages = DatabaseBroadcasts(database, self._pool)
        engine = self._engine = Engine(
            limits=self._limits,
            faults=self.faults,
            verifier=self._context.verifier,
            authorizer=Authorizer(self._pool),
            archive=archive,
            changes=self._changes,
            messages=self._messages,
        )
        self.app = RealtimeApp(engine, HttpRoutes(engine, self._health, Control(self)))
        await archive.upkeep()
        self._tasks = [
            asyncio.create_task(self._changes.run(engine), name="realtime changes"),
            asyncio.create_task(self._messages.run(engine), name="realtime messages"),
            asyncio.create_task(archive.keep_up(), name="realtime partitions"),
            asyncio.create_task(sweep_for_ever(engine), name="realtime sweeper"),
        ]
        for task in self._tasks:
            task.add_done_callback(_report)
        # A transaction that is open elsewhere can hold the slot up; that is no reason to keep the stack down.
        if not await self._messages.ready(timeout_s=5):
            _log.warning("the replication connection is not up yet; an open transaction may be in its way")

    async def stop(self) -> None:
        """Tell and close every socket, then let go of the database; safe to call twice."""
        engine, self._engine = self._engine, None
        self.app = self._unstarted
        if engine is not None:
            for socket in tuple(engine.sockets):
                for channel in tuple(socket.channels.values()):
                    channel.system("system", "ok", "Server requested disconnect")
            await asyncio.gather(*(socket.close(_GOING_AWAY) for socket in tuple(engine.sockets)))
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    def status(self) -> Mapping[str, Any]:
        """Numbers of what is open, and how the replication streams are."""
        if self._engine is None or self._changes is None or self._messages is None:
            return {}
        return {
            **self._engine.figures(),
            "subscriptions": self._changes.subscriptions,
            "changes": {
                "streaming": self._changes.streaming,
                "waiting": self._changes.waiting,
                "delivered": self._changes.delivered,
                "lag_ms": round(self._changes.lag_ms, 3),
            },
            "messages": {
                "streaming": self._messages.streaming,
                "received": self._messages.delivered,
                "dropped": self._messages.dropped,
            },
        }

    # Faults that are acts rather than states --------------------------------------------------------------

    def drop_sockets(self, *, topic: str = "", fraction: float = 1.0) -> int:
        """Cut sockets off without a closing handshake, as a failing network does; how many.

        Args:
            topic: Only sockets that have joined a topic that begins with this, ``realtime:`` left out.
            fraction: Which part of them.
        """
        chosen = self._choose(topic, fraction)
        for socket in chosen:
            socket.cut()
        return len(chosen)

    async def close_sockets(
        self, code: int, reason: str = "", *, topic: str = "", fraction: float = 1.0
    ) -> int:
        """Close sockets with a code; how many. See ``drop_sockets``.

        Args:
            code: The WebSocket close code.
            reason: Its reason.
            topic: Which sockets.
            fraction: Which part of them.
        """
        chosen = self._choose(topic, fraction)
        await asyncio.gather(*(socket.close(code, reason) for socket in chosen))
        return len(chosen)

    def break_streams(self) -> None:
        """Lose both replication connections, as when Postgres restarts."""
        for source in (self._changes, self._messages):
            if source is not None:
                source.break_off()

    def _choose(self, topic: str, fraction: float) -> list[Socket]:
        if self._engine is None:
            return []
        prefix = f"realtime:{topic}"
        concerned = [
            socket
            for socket in self._engine.sockets
            if not topic or any(name.startswith(prefix) for name in socket.channels)
        ]
        return random.sample(concerned, round(len(concerned) * fraction))

    def _health(self) -> Mapping[str, Any]:
        connected = self._pool is not None and self._messages is not None and self._messages.streaming
        return {
            "healthy": connected,
            "db_connected": connected,
            "replication_connected": connected,
            "connected_cluster": 0 if self._engine is None else len(self._engine.sockets),
            "region": None,
            "node": "headway",
        }

    async def _unstarted(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
        body = b'{"error":"Realtime is restarting, please standby"}'
        await send(
            {
                "type": f"{kind}.start",
                "status": 503,
                "headers": [(b"content-type", b"application/json"), (b"retry-after", b"1")],
            }
        )
        await send({"type": f"{kind}.body", "body": body})


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s ended", task.get_name(), exc_info=error)


def build(context: StackContext) -> Service:
    """The service, not started."""
    return RealtimeService(context)
