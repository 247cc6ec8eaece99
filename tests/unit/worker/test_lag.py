"""Who blocks the event loop is measured, named, and told."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from headway.worker.job import JobInfo
from headway.worker.lag import LagMonitor
from headway.worker.observations import Observations, Observer
from support.service_life import stress_start_and_stop

from .jobs import job


class Heard(Observer):
    """What was told, and a signal for each."""

    def __init__(self) -> None:
        self.lags: list[float] = []
        self.incidents: list[tuple[str, JobInfo | None]] = []
        self.measured = asyncio.Event()
        self.blocked = asyncio.Event()

    def lagged(self, seconds: float) -> None:
        self.lags.append(seconds)
        self.measured.set()

    def incident(self, name: str, job: JobInfo | None) -> None:
        self.incidents.append((name, job))
        self.blocked.set()


def block_the_loop_for(seconds: float) -> None:
    time.sleep(seconds)


async def test_a_handler_that_blocks_is_named(caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard()
    observations = Observations([heard])
    monitor = LagMonitor(observations, threshold=0.2)
    observations.add(monitor)
    culprit = job()
    observations.started(culprit)
    await monitor.start()
    try:

        async def handler() -> None:
            block_the_loop_for(1.5)

        with caplog.at_level(logging.WARNING):
            await asyncio.create_task(handler(), name=f"job {culprit.kind} {culprit.id}")
            await asyncio.wait_for(heard.blocked.wait(), 10)
    finally:
        await monitor.stop()
    assert heard.incidents == [("loop_blocked", culprit)]
    assert max(heard.lags) > 0.2
    (record,) = [r for r in caplog.records if r.name == "headway.worker.lag"]
    assert f"the handler of cv.parse, job {culprit.id}" in record.getMessage()
    assert "block_the_loop_for" in record.getMessage(), "the stack shows where"
    assert vars(record)["kind"] == "cv.parse"


async def test_an_idle_loop_is_measured_and_accused_of_nothing() -> None:
    heard = Heard()
    monitor = LagMonitor(Observations([heard]), threshold=30)
    await monitor.start()
    try:
        for _ in range(3):
            heard.measured.clear()
            await asyncio.wait_for(heard.measured.wait(), 10)
    finally:
        await monitor.stop()
    assert heard.incidents == []
    assert len(heard.lags) >= 3


async def test_ended_jobs_are_forgotten() -> None:
    monitor = LagMonitor(Observations(), threshold=1)
    for _ in range(1000):
        each = job()
        monitor.started(each)
        monitor.ended(each, "completed", 0.1, None)
    assert monitor._jobs == {}


async def test_life() -> None:
    await stress_start_and_stop(lambda: LagMonitor(Observations(), threshold=0.5))
    assert not [t for t in threading.enumerate() if t.name == "headway lag watchdog"]
