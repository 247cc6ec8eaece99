"""Lets go of sockets that do nothing or take nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.local.realtime.engine import Engine

__all__ = ["sweep", "sweep_for_ever"]

_INTERVAL_S = 5


async def sweep(engine: Engine, now: float) -> int:
    """Close idle sockets and those without a channel, cut off those that take nothing; how many.

    Args:
        engine: The service's parts.
        now: ``time.monotonic()``.
    """
    limits = engine.limits
    gone = 0
    idle = []
    for socket in tuple(engine.sockets):
        if socket.blocked_for(now) > limits.send_timeout_s:
            socket.cut()
        elif limits.idle_timeout_s is not None and now - socket.last_message_at > limits.idle_timeout_s:
            idle.append(socket)
        elif (
            limits.no_channel_timeout_s is not None
            and not socket.channels
            and now - socket.last_channel_at > limits.no_channel_timeout_s
        ):
            socket.cut()
        else:
            continue
        gone += 1
    # Together, since each may take its time.
    await asyncio.gather(*(socket.close(1000) for socket in idle))
    return gone


async def sweep_for_ever(engine: Engine) -> None:
    """``sweep`` every few seconds."""
    while True:
        await asyncio.sleep(_INTERVAL_S)
        await sweep(engine, time.monotonic())
