"""The service that fires schedules."""

from __future__ import annotations

import asyncio
import logging
import random

from headway.core.validation import Answer, read_answer
from headway.worker.duty import Duty
from headway.worker.service import ServiceContext

__all__ = ["Scheduler"]

_log = logging.getLogger("headway.worker.scheduler")

_MOST_SCHEDULES = 100
# All workers learn at the same time that a schedule is due, and one of them is enough.
_JITTER = 0.2


class _Ticked(Answer):
    submitted: int
    skipped: int
    failed: int
    next_in_seconds: float | None = None


class Scheduler(Duty):
    """Has the engine submit what the clock says; however many workers do, each tick fires once.

    Args:
        context: The worker's.
    """

    name = "scheduler"

    def __init__(self, context: ServiceContext) -> None:
        super().__init__(context.observations)
        self._store = context.store
        self._agenda = context.agenda

    async def turn(self) -> None:
        """Wait until a schedule is due, and fire all that are."""
        await self._agenda.due("schedules")
        try:
            await asyncio.sleep(random.uniform(0, _JITTER))  # noqa: S311 - no secret
            ticked = read_answer(
                _Ticked,
                await self._store.call("tick_schedules", {"max_schedules": _MOST_SCHEDULES}),
                "tick_schedules",
            )
        except Exception:
            self._agenda.bring_forward("schedules")
            raise
        self._observations.scheduled(ticked.submitted, ticked.skipped, ticked.failed)
        if ticked.failed:
            _log.warning(
                "the jobs of %d schedules were refused; headway.schedule_runs says why", ticked.failed
            )
        if ticked.next_in_seconds is not None:
            self._agenda.put("schedules", ticked.next_in_seconds)
