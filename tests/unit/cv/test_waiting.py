"""While a model writes, the bar moves: never back, and never to the end."""

from __future__ import annotations

import asyncio

import pytest

from workers.cv.waiting import expected_seconds, moving


class Bar:
    def __init__(self) -> None:
        self.told: list[float] = []
        self.thrice = asyncio.Event()

    def progress(self, done: float, total: float = 100, message: str | None = None) -> None:
        self.told.append(done / total)
        if len(self.told) >= 3:
            self.thrice.set()


async def test_it_moves_and_does_not_arrive() -> None:
    bar = Bar()
    async with moving(bar, seconds=0.001, tick=0.001):
        await bar.thrice.wait()
    assert bar.told == sorted(bar.told)
    assert 0 < bar.told[0] <= bar.told[-1] < 1
    told = len(bar.told)
    await asyncio.sleep(0)
    assert len(bar.told) == told


async def test_a_failure_comes_through() -> None:
    with pytest.raises(ValueError, match="no answer"):
        async with moving(Bar(), seconds=1):
            raise ValueError("no answer")


def test_long_cvs_take_longer_and_none_for_ever() -> None:
    assert expected_seconds(2000, 0) < expected_seconds(20_000, 0) < expected_seconds(20_000, 5)
    assert expected_seconds(200_000, 15) == expected_seconds(190_000, 15)
