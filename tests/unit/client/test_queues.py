"""What waits between a watch, its consumer and its callback."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from headway.client.telling import Teller
from headway.client.updates import Updates
from headway.core.event import JobEvent
from headway.core.feed import Update
from headway.core.job import JobState

MOMENT = "2026-01-02T00:00:00+00:00"


def progress(percent: float, *, seq: int = 2, status: str = "processing") -> Update:
    state = {
        "id": "6f1c0b56-0d0f-4c62-9a5e-3b8a3f0f9d5b",
        "kind": "k.a",
        "status": status,
        "percent": percent,
        "attempt": 1,
        "run": 1,
        "seq": seq,
        "revision": 1,
        "updated_at": MOMENT,
        "run_at": MOMENT,
    }
    return Update(JobState.model_validate(state))


def happened(seq: int) -> Update:
    event = {"seq": seq, "type": "emitted", "run": 1, "attempt": 1, "at": MOMENT, "data": {"data": seq}}
    return Update(progress(0, seq=seq).job, JobEvent.model_validate(event))


async def taken(updates: Updates[Any]) -> list[Any]:
    found: list[Any] = []
    while True:
        try:
            found.append(await updates.take())
        except StopAsyncIteration:
            return found


async def test_progress_gives_way_to_later_progress_and_nothing_else_does() -> None:
    updates: Updates[Update] = Updates(10)
    end = progress(100, status="completed")
    for update in (progress(1), progress(2), happened(3), progress(4), progress(5), happened(6), end):
        updates.put(update)
    updates.close()
    told = await taken(updates)
    assert [update.percent for update in told if update.event is None] == [2, 5, 100]
    assert [update.event.seq for update in told if update.event is not None] == [3, 6]


async def test_what_waits_is_told_before_the_error() -> None:
    updates: Updates[Update] = Updates(10)
    updates.put(happened(1))
    updates.close(ZeroDivisionError("x"))
    updates.close()
    assert (await updates.take()).seq == 1
    with pytest.raises(ZeroDivisionError):
        await updates.take()
    assert await taken(updates) == []


async def test_a_full_queue_makes_its_source_wait() -> None:
    updates: Updates[Update] = Updates(2)
    for seq in (1, 2):
        await updates.room()
        updates.put(happened(seq))
    waiting = asyncio.create_task(updates.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await updates.take()
    await waiting
    updates.put(happened(3))
    waiting = asyncio.create_task(updates.room())
    updates.close()
    await waiting


async def test_a_callback_is_told_in_order_one_at_a_time() -> None:
    told: list[int] = []
    running = 0

    async def slow(update: Update) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        told.append(update.seq)
        running -= 1

    teller = Teller(slow, 100)
    for seq in range(20):
        teller.put(happened(seq + 1))
    await teller.finish(10)
    assert told == list(range(1, 21))


async def test_a_plain_callback_runs_on_another_thread_and_may_raise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    threads: list[int] = []

    def raising(update: Update) -> None:
        threads.append(threading.get_ident())
        raise ZeroDivisionError("the app's own")

    teller = Teller(raising, 100)
    teller.put(happened(1))
    teller.put(happened(2))
    await teller.finish(10)
    assert len(threads) == 2
    assert threading.get_ident() not in threads
    assert caplog.text.count("on_update raised") == 2


async def test_too_slow_a_callback_loses_the_oldest_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[int] = []
    begin = asyncio.Event()

    async def slow(update: Update) -> None:
        await begin.wait()
        told.append(update.seq)

    teller = Teller(slow, 3)
    for seq in range(1, 11):
        teller.put(happened(seq))
        await asyncio.sleep(0)
    begin.set()
    await teller.finish(10)
    assert told == [1, 8, 9, 10]
    assert caplog.text.count("so slow") == 1


async def test_a_callback_object_may_be_asynchronous() -> None:
    class Callback:
        def __init__(self) -> None:
            self.told = 0

        async def __call__(self, update: Update) -> None:
            self.told += 1

    callback = Callback()
    teller = Teller(callback, 10)
    teller.put(happened(1))
    await teller.finish(10)
    assert callback.told == 1


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt, StopIteration])
async def test_a_plain_callback_may_raise_whatever_it_likes(
    raised: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    told: list[int] = []

    def raising(update: Update) -> None:
        told.append(update.seq)
        raise raised

    teller = Teller(raising, 100)
    teller.put(happened(1))
    teller.put(happened(2))
    await teller.finish(60)
    assert told == [1, 2]
    assert caplog.text.count(f"on_update raised {raised.__name__}") == 2


@pytest.mark.parametrize("raised", [SystemExit, asyncio.CancelledError])
async def test_so_may_an_asynchronous_one(raised: type[BaseException]) -> None:
    told: list[int] = []

    async def raising(update: Update) -> None:
        told.append(update.seq)
        raise raised

    teller = Teller(raising, 100)
    teller.put(happened(1))
    teller.put(happened(2))
    await teller.finish(60)
    assert told == [1, 2]


async def test_a_callback_that_is_given_up_is_told_nothing_more() -> None:
    told: list[int] = []
    begun = asyncio.Event()

    async def stuck(update: Update) -> None:
        told.append(update.seq)
        begun.set()
        await asyncio.Event().wait()

    teller = Teller(stuck, 100)
    teller.put(happened(1))
    teller.put(happened(2))
    await begun.wait()
    await teller.finish(0.01)
    await asyncio.wait({teller._task})
    assert told == [1]
