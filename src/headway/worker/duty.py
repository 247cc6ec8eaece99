"""The start/stop shape of a service that is one task, and what happens when its work fails."""

from __future__ import annotations

import asyncio
import logging
import random
from abc import ABC, abstractmethod

from headway.errors import HeadwayError, TransportError
from headway.worker.observations import Observations

__all__ = ["Duty"]

_log = logging.getLogger("headway.worker")

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class Duty(ABC):
    """A service whose work is done again and again by one task; whatever fails is told and tried again.

    Args:
        observations: Are told of failures.
    """

    name: str

    def __init__(self, observations: Observations) -> None:
        self._observations = observations
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; starting what runs changes nothing, and what was stopped may be started again."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"headway {self.name}")

    async def stop(self) -> None:
        """End the task; safe to call twice, at once from two sides, and when it was never started."""
        task = self._task
        if task is None:
            return
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        # Somebody may have started it again while this one waited.
        if self._task is task:
            self._task = None

    @abstractmethod
    async def turn(self) -> None:
        """Wait until there is something to do, and do it."""

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self.turn()
                failures = 0
            except Exception as error:  # noqa: BLE001 - a service outlives whatever its work runs into
                failures += 1
                self._tell(error, failures)
                # Between half and whole, so that workers that failed together do not come back together.
                pause = min(_FIRST_PAUSE * 2 ** (failures - 1), _LONGEST_PAUSE)
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311

    def _tell(self, error: Exception, failures: int) -> None:
        code = error.code if isinstance(error, HeadwayError) else type(error).__name__
        self._observations.service_failed(self.name, code)
        if isinstance(error, TransportError):
            # Outages are told once, not every minute.
            level = logging.WARNING if failures == 1 else logging.DEBUG
            _log.log(level, "%s: %s", self.name, error)
        elif isinstance(error, HeadwayError):
            _log.error("%s: %s", self.name, error)
        else:
            _log.error("%s failed", self.name, exc_info=error)
