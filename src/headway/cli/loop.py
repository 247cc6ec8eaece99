"""The event loop that commands run on."""

from __future__ import annotations

import asyncio

__all__ = ["event_loop"]


def event_loop() -> asyncio.AbstractEventLoop:
    """A new event loop of the fastest kind there is."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
