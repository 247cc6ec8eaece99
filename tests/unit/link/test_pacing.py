"""Pauses and paces: bounded, different for everybody, without end."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.link.pacing import Backoff, Pacer, first


@given(base=st.floats(0.01, 10), factor=st.floats(1, 100), seed=st.integers(), attempts=st.integers(1, 200))
def test_no_pause_is_longer_than_its_bound(base: float, factor: float, seed: int, attempts: int) -> None:
    cap = base * factor
    backoff = Backoff(base, cap, random.Random(seed))
    for attempt in range(attempts):
        assert 0 <= backoff.next() <= min(cap, base * 2**attempt)


def test_pauses_use_the_whole_range_up_to_the_cap() -> None:
    backoff = Backoff(0.5, 30, random.Random(1))
    for _ in range(20):
        backoff.next()
    late = [backoff.next() for _ in range(500)]
    assert min(late) < 3
    assert max(late) > 27


def test_after_months_of_failures_there_still_is_a_pause() -> None:
    backoff = Backoff(0.5, 30)
    backoff._attempt = 10**7
    assert 0 <= backoff.next() <= 30


def test_a_success_begins_anew() -> None:
    backoff = Backoff(0.5, 30, random.Random(1))
    for _ in range(10):
        backoff.next()
    assert backoff.attempt == 10
    backoff.reset()
    assert backoff.attempt == 0
    assert backoff.next() <= 0.5


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_goes_at_once_and_the_rest_at_the_pace() -> None:
    pacer = Pacer(10, 3, Clock())
    assert [round(pacer.reserve(), 6) for _ in range(6)] == [0, 0, 0, 0.1, 0.2, 0.3]


def test_unused_places_accumulate_only_up_to_the_burst() -> None:
    clock = Clock()
    pacer = Pacer(10, 3, clock)
    for _ in range(3):
        pacer.reserve()
    clock.now += 3600
    assert [round(pacer.reserve(), 6) for _ in range(4)] == [0, 0, 0, 0.1]


@given(gaps=st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_no_second_sees_more_than_the_pace_and_the_burst(gaps: list[float]) -> None:
    clock = Clock()
    pacer = Pacer(20, 5, clock)
    turns = []
    for gap in gaps:
        clock.now += gap
        turns.append(clock.now + pacer.reserve())
    for begin in turns:
        assert sum(begin <= turn < begin + 1 for turn in turns) <= 20 + 5 + 1


async def test_turns_are_taken_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    # Of a clock that stands still: who is next must not hang on when a busy machine looks at it.
    pacer = Pacer(1000, 1, clock=lambda: 1.0)
    for _ in range(20):
        await pacer.turn()
    # The first waits for nothing.
    assert waited == [pytest.approx(number / 1000) for number in range(1, 20)]


async def test_waiting_for_the_first_leaves_the_others_alone() -> None:
    loop = asyncio.get_running_loop()
    done, pending = loop.create_future(), loop.create_future()
    done.set_exception(ValueError())
    await first(done, pending)
    assert not pending.done()
    await first(pending, timeout=0.001)
    assert not pending.done()
    assert isinstance(done.exception(), ValueError)
