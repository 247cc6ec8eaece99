"""Rates over a window, and the plans' figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.realtime.limits import RateCounter, RealtimeLimits


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_rate_is_averaged_and_forgotten() -> None:
    clock = Clock()
    counter = RateCounter(clock)
    for _ in range(10):
        counter.add(1, 5)
    assert counter.per_second(5) == 2
    assert counter.exceeded(1.9, 5)
    assert not counter.exceeded(2, 5)
    assert not counter.exceeded(None, 5)
    clock.now += 4.9
    assert counter.per_second(5) == 2
    clock.now += 0.2
    assert counter.per_second(5) == 0


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 5)), max_size=50))
def test_a_rate_is_that_of_the_window_to_a_tenth_of_it(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    counter = RateCounter(clock)
    happened: list[tuple[float, int]] = []
    for pause, amount in steps:
        clock.now += pause
        counter.add(amount, 5)
        happened.append((clock.now, amount))
    within = sum(amount for moment, amount in happened if moment > clock.now - 5)
    surely = sum(amount for moment, amount in happened if moment > clock.now - 4.5)
    assert surely - 1e-6 <= counter.per_second(5) * 5 <= within + 1e-6


def test_nothing_is_limited_by_default() -> None:
    limits = RealtimeLimits()
    assert limits.max_connections is None
    assert limits.max_channels_per_connection is None
    assert limits.max_joins_per_second is None
    assert limits.max_events_per_second is None
    assert limits.max_presence_events_per_second is None


@pytest.mark.parametrize(
    ("plan", "connections", "events", "payload_kb"),
    [
        (RealtimeLimits.free(), 200, 100, 256),
        (RealtimeLimits.pro(), 500, 500, 3000),
        (RealtimeLimits.self_hosted(), 200, 100, 3000),
    ],
)
def test_documented_plans(plan: RealtimeLimits, connections: int, events: int, payload_kb: int) -> None:
    assert plan.max_connections == connections
    assert plan.max_events_per_second == events
    assert plan.max_channels_per_connection == 100
    assert plan.payload_fits(payload_kb * 1000 + 500)
    assert not plan.payload_fits(payload_kb * 1000 + 501)
