"""A claim that a message has caused may come before the job can be seen: the claimer looks again."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from headway import Worker
from headway.worker.claimer import Claimer
from headway.worker.observations import Learnt, Observations


class Engine:
    """Has nothing to give, and notes when it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.changed = asyncio.Condition()

    async def claim(self, *arguments: Any, **named: Any) -> list[Any]:
        async with self.changed:
            self.asked += 1
            self.changed.notify_all()
        return []

    async def was_asked(self, times: int) -> None:
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: self.asked >= times), 30)


class Idle:
    """A runner with room for everything."""

    free = slots = 10
    on_free: Any = None


def claimer(engine: Engine) -> Claimer:
    worker = Worker()

    @worker.job("test.echo")
    async def echo(ctx: Any) -> None: ...

    made = Claimer(
        engine,  # type: ignore[arg-type]
        Idle(),  # type: ignore[arg-type]
        worker.registry,
        kinds=["test.echo"],
        queues=None,
        worker_id=uuid4(),
        lease_seconds=8,
        observations=Observations(),
        register=lambda: asyncio.sleep(0),
    )
    made.hears = True
    return made


@pytest.mark.parametrize("learnt", ["broadcast", "changes"])
async def test_who_was_told_and_found_nothing_looks_again(learnt: Learnt) -> None:
    engine = Engine()
    claims = claimer(engine)
    await claims.start()
    try:
        await engine.was_asked(1)
        claims.wake(learnt)
        # At once, and three more times; what those find nothing of is looked for no more.
        await engine.was_asked(5)
        assert not [
            look
            for look in claims._looks
            if not look.cancelled() and look.when() > asyncio.get_running_loop().time()
        ]
    finally:
        await claims.stop()
    assert engine.asked == 5


async def test_what_the_second_look_finds_was_learnt_of_as_it_was_told() -> None:
    engine = Engine()
    claims = claimer(engine)
    taken: list[tuple[int, Learnt]] = []

    async def claim(lane: Any, learnt: Learnt) -> int:
        await engine.claim()
        taken.append((engine.asked, learnt))
        return int(engine.asked == 3)

    claims._claim = claim  # type: ignore[method-assign]
    await claims.start()
    try:
        await engine.was_asked(1)
        claims.wake("broadcast")
        await engine.was_asked(3)
    finally:
        await claims.stop()
    assert taken[:3] == [(1, "start"), (2, "broadcast"), (3, "broadcast")]


async def test_an_idle_worker_that_was_told_nothing_asks_nothing() -> None:
    engine = Engine()
    claims = claimer(engine)
    await claims.start()
    await engine.was_asked(1)
    assert claims._looks == []
    await claims.stop()
    assert engine.asked == 1
