"""Keeps the bar moving while a model writes an answer that comes all at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

__all__ = ["expected_seconds", "moving"]

_SHORTEST_S = 8.0
_CHARACTERS_PER_S = 400.0
_LONGEST_S = 90.0
# The stage is done when the answer is there, and not before.
_MOST = 0.95


class _Bar(Protocol):
    def progress(self, done: float, total: float = 100, message: str | None = None) -> None: ...


def expected_seconds(characters: int, pictures: int) -> float:
    """How long a model probably takes to read a CV; the answer repeats most of what the CV says.

    Args:
        characters: Of its text.
        pictures: Pages that it has to look at.
    """
    return min(_LONGEST_S, _SHORTEST_S + characters / _CHARACTERS_PER_S + 6.0 * pictures)


@asynccontextmanager
async def moving(bar: _Bar, seconds: float, *, tick: float = 1.0) -> AsyncIterator[None]:
    """While the block runs, the current stage advances: fast at first, ever slower, never to its end.

    An estimate, and no more: two thirds of the stage are shown when the expected time is over.

    Args:
        bar: The job's context.
        seconds: How long the block probably takes.
        tick: Seconds between two advances.
    """

    async def advance() -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(tick)
            bar.progress(_MOST * (1 - math.exp(-(time.monotonic() - began) / seconds)), 1)

    ticking = asyncio.create_task(advance())
    try:
        yield
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
