"""Schedules fire at their time, once, however many workers see to it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from headway import TransportError
from headway.worker.observations import Observations
from headway.worker.scheduler import Scheduler
from headway.worker.service import ServiceContext
from headway.worker.side_services import side_services
from support.service_life import stress_start_and_stop

from .harness import Bench, Told


def scheduler_of(context: ServiceContext) -> Scheduler:
    (scheduler,) = [service for service in side_services(context) if isinstance(service, Scheduler)]
    return scheduler


@asynccontextmanager
async def scheduling(bench: Bench, told: Told) -> AsyncIterator[ServiceContext]:
    """A worker's scheduler at work."""
    context = bench.context(observations=Observations([told]))
    scheduler = scheduler_of(context)
    await scheduler.start()
    try:
        yield context
    finally:
        await scheduler.stop()


async def schedule(bench: Bench, cron: str = "@hourly", **job: Any) -> uuid.UUID:
    """A schedule of this test's kind that is due."""
    await bench.register()
    made = await bench.store.call(
        "put_schedule", {"name": uuid.uuid4().hex, "cron": cron, "job": {"kind": bench.kind, **job}}
    )
    identity = uuid.UUID(made["id"])
    await bench.admin.execute(
        "update headway.schedules set next_run_at = date_trunc('hour', now()) where id = $1", identity
    )
    return identity


async def runs(bench: Bench, identity: uuid.UUID) -> list[str]:
    rows = await bench.admin.fetch(
        "select outcome from headway.schedule_runs where schedule_id = $1", identity
    )
    return [row["outcome"] for row in rows]


async def test_what_is_due_is_submitted_once_by_many_workers(bench: Bench, told: Told) -> None:
    identities = [await schedule(bench) for _ in range(20)]
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(scheduling(bench, told)) for _ in range(4)]
        for context in workers:
            context.agenda.put("schedules", 0)
        # Who comes second finds nothing, or what the first has left: how many ticks it takes is open.
        await told.until(lambda: sum(submitted for submitted, _, _ in told.ticks) >= 20)
    assert sum(submitted for submitted, _, _ in told.ticks) == 20
    for identity in identities:
        assert await runs(bench, identity) == ["submitted"]
    count = await bench.admin.fetchval("select count(*) from headway.jobs where kind = $1", bench.kind)
    assert count == 20
    await bench.admin.execute("delete from headway.schedules where id = any($1)", identities)


async def test_a_job_that_is_refused_is_told_and_stops_no_other(bench: Bench, told: Told) -> None:
    good = await schedule(bench)
    bad = await schedule(bench)
    await bench.admin.execute(
        "update headway.schedules set job = job || '{\"priority\": 99}' where id = $1", bad
    )
    async with scheduling(bench, told) as context:
        context.agenda.put("schedules", 0)
        await told.until(lambda: bool(told.ticks))
    assert told.ticks == [(1, 0, 1)]
    assert await runs(bench, good) == ["submitted"]
    assert await runs(bench, bad) == ["failed"]
    await bench.admin.execute("delete from headway.schedules where id = any($1)", [good, bad])


async def test_after_a_tick_it_knows_when_to_come_again(bench: Bench, told: Told) -> None:
    identity = await schedule(bench, "* * * * *")
    async with scheduling(bench, told) as context:
        context.agenda.put("schedules", 0)
        await told.until(lambda: bool(told.ticks))
        # Nobody sweeps here: that it ticks again is its own knowledge.
        await bench.admin.execute("update headway.schedules set next_run_at = now() where id = $1", identity)
        context.agenda.bring_forward("schedules")
        await told.until(lambda: len(told.ticks) >= 2)
        left = context.agenda._due["schedules"]
        assert left is not None
        assert 0 < left - asyncio.get_running_loop().time() <= 61
    await bench.admin.execute("delete from headway.schedules where id = $1", identity)


async def test_an_outage_of_the_engine_is_outlived(bench: Bench, told: Told) -> None:
    identity = await schedule(bench)
    bench.store.failure = TransportError("away", code="connect_failed")
    async with scheduling(bench, told) as context:
        context.agenda.put("schedules", 0)
        await told.until(lambda: ("scheduler", "connect_failed") in told.failures)
        bench.store.failure = None
        await told.until(lambda: bool(told.ticks))
    assert await runs(bench, identity) == ["submitted"]
    await bench.admin.execute("delete from headway.schedules where id = $1", identity)


async def test_life(bench: Bench) -> None:
    def build() -> Scheduler:
        context = bench.context()
        context.agenda.put("schedules", 0)
        return scheduler_of(context)

    await stress_start_and_stop(build)
