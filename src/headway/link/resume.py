"""Noticing that the machine has slept, after which every socket is suspect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["ResumeWatch", "clock_that_counts_sleep"]


def clock_that_counts_sleep() -> float:
    """Seconds including those in which the machine slept."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    # Elsewhere the wall clock serves; when it is set forward, a reconnect too many is the price.
    return time.clock_gettime(boottime) if boottime is not None else time.time()


class ResumeWatch:
    """Compares a clock that sleeps with one that does not.

    Args:
        interval: How often to look, in seconds.
        threshold: The shortest sleep that counts, in seconds.
        awake: A clock that stands still while the machine sleeps.
        always: A clock that does not.
    """

    def __init__(
        self,
        interval: float,
        threshold: float,
        awake: Callable[[], float] = time.monotonic,
        always: Callable[[], float] = clock_that_counts_sleep,
    ) -> None:
        self._interval = interval
        self._threshold = threshold
        self._awake = awake
        self._always = always
        self._difference = always() - awake()

    def slept(self) -> float:
        """Seconds slept since the last question, or 0 when they don't count."""
        difference = self._always() - self._awake()
        slept = difference - self._difference
        self._difference = difference
        return slept if slept >= self._threshold else 0.0

    async def run(self, resumed: Callable[[float], None]) -> None:
        """Look for ever.

        Args:
            resumed: Called with the seconds slept.
        """
        while True:
            await asyncio.sleep(self._interval)
            if (slept := self.slept()) > 0:
                resumed(slept)
