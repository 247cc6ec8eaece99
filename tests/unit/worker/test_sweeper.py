"""A sweep comes when a job is due that the worker itself has put off, and not only at its next turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest

from headway.worker import sweeper
from headway.worker.agenda import Agenda
from headway.worker.store import Swept
from headway.worker.sweeper import Sweeper

PATIENCE_S = 60


class Engine:
    """Has nothing in sight, and notes when it was swept."""

    def __init__(self) -> None:
        self.swept = 0
        self.during: Callable[[], None] | None = None
        self._changed = asyncio.Condition()

    async def sweep(self, *_arguments: Any, **_named: Any) -> Swept:
        async with self._changed:
            self.swept += 1
            self._changed.notify_all()
        if self.during is not None:
            during, self.during = self.during, None
            during()
        return Swept(ready=False)

    async def was_swept(self, times: int) -> None:
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: self.swept >= times), PATIENCE_S)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
async def idle(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sweeper]:
    """A sweeper whose next turn is an hour away."""
    monkeypatch.setattr(sweeper, "_IDLE_SECONDS", (3_600.0, 3_600.0))

    async def register() -> None:
        raise AssertionError("nobody has forgotten this worker")

    idle = Sweeper(engine, uuid4(), claimer=None, agenda=Agenda(), register=register)  # type: ignore[arg-type]
    await idle.start()
    try:
        await engine.was_swept(1)
        yield idle
    finally:
        await idle.stop()


async def test_a_job_that_was_put_off_is_swept_for_when_it_is_due(idle: Sweeper, engine: Engine) -> None:
    for sweeps in range(2, 5):
        idle.expect(0.01)
        await engine.was_swept(sweeps)


async def test_what_is_put_off_during_a_sweep_is_swept_for_afterwards(idle: Sweeper, engine: Engine) -> None:
    engine.during = lambda: idle.expect(0.0)
    idle.expect(0.0)
    await engine.was_swept(3)
