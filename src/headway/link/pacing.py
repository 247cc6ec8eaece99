"""Pauses between attempts, a pace for joins, and waiting for whatever comes first."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

__all__ = ["Backoff", "Pacer", "first"]


class Backoff:
    """Pauses that grow, are different for everybody, and never end.

    Each is drawn evenly between nothing and a bound that doubles up to a cap ("full jitter"), so that a
    thousand clients of a restarted server do not come back at the same moment.

    Args:
        base: The first bound, in seconds.
        cap: The greatest bound, in seconds.
        chance: Where the draws come from; for tests.
    """

    def __init__(self, base: float, cap: float, chance: random.Random | None = None) -> None:
        self._base = base
        self._cap = cap
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, keeps no secret
        self._attempt = 0

    @property
    def attempt(self) -> int:
        """Pauses drawn since the last reset."""
        return self._attempt

    def next(self) -> float:
        """The next pause, in seconds."""
        # The exponent is bounded, or months of failures would overflow the float.
        bound = min(self._cap, self._base * 2.0 ** min(self._attempt, 60))
        self._attempt += 1
        return self._chance.uniform(0, bound)

    def reset(self) -> None:
        """Begin anew after a success."""
        self._attempt = 0


class Pacer:
    """Lets through a burst and then so many a second, first come first served.

    Args:
        per_second: The pace.
        burst: How many may go at once after a pause.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gap = 1 / per_second
        self._slack = self._gap * (burst - 1)
        self._clock = clock
        self._next = 0.0

    def reserve(self) -> float:
        """Take the next place; the seconds until its turn."""
        now = self._clock()
        # Unused places accumulate up to the burst.
        self._next = max(self._next, now - self._slack)
        wait = max(0.0, self._next - now)
        self._next += self._gap
        return wait

    async def turn(self) -> None:
        """Wait for one's turn."""
        if (wait := self.reserve()) > 0:
            await asyncio.sleep(wait)


async def first(*futures: asyncio.Future[Any], timeout: float | None = None) -> None:
    """Wait until one of some futures is done; none of them is cancelled, none is asked for its result.

    Args:
        futures: What to wait for.
        timeout: The longest to wait, in seconds.
    """
    await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
