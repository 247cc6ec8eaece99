"""A whole worker with all its services: what one job leaves in traces, figures and the log."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry import trace

from headway import Context, Retry, SyncContext, Worker
from headway.worker.http_port import HttpPort
from headway.worker.logs import configure_logging
from headway.worker.notifier import Notifier
from headway.worker.outbox_wake import OutboxWake
from integration.worker.harness import Noted, Office
from support.spans import by_name, spans_of_this_process

from .harness import Bench, Receiver


@pytest.fixture
async def office(bench: Bench) -> Office:
    return Office(bench.stack, bench.admin, bench.http)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Where the log goes meanwhile."""
    root = logging.getLogger()
    handlers, level, loud = list(root.handlers), root.level, logging.raiseExceptions
    written = io.StringIO()
    yield written
    logging.captureWarnings(False)
    root.handlers[:], logging.raiseExceptions = handlers, loud
    root.setLevel(level)


def port_of(noted: Noted) -> str:
    (port,) = [service for service in noted.runtime.parts.services if isinstance(service, HttpPort)]
    assert port.url is not None
    return port.url


async def test_steps_of_tasks_and_threads_are_spans_below_their_execution(office: Office) -> None:
    spans = spans_of_this_process()
    spans.clear()
    worker = Worker()
    awaited, blocking = office.kind("awaited"), office.kind("blocking")

    def inside() -> int:
        trace.get_tracer("app").start_span("inside").end()
        return 1

    @worker.job(awaited, queue=office.queue)
    async def first(ctx: Context, payload: Any) -> int:
        async def fetch() -> int:
            return 1

        return await ctx.step("fetch", fetch) + await ctx.step("count", inside)

    @worker.job(blocking, queue=office.queue)
    def second(ctx: SyncContext, payload: Any) -> int:
        return ctx.step("read", inside)

    async with office.running(worker, traces=True):
        for kind in (awaited, blocking):
            await office.completed(await office.submit(kind))
    found = by_name(spans)
    for kind, steps in ((awaited, ("fetch", "count")), (blocking, ("read",))):
        execution = found[f"job {kind}"]
        assert execution.attributes is not None
        assert execution.attributes["headway.outcome"] == "completed"
        for step in steps:
            assert found[f"step {step}"].parent == execution.context, step
    below = {
        span.parent.span_id for span in spans.get_finished_spans() if span.name == "inside" and span.parent
    }
    assert below == {found[f"step {step}"].context.span_id for step in ("count", "read")}  # type: ignore[union-attr]


async def test_a_step_that_is_not_run_again_is_no_span(office: Office) -> None:
    spans = spans_of_this_process()
    spans.clear()
    worker, kind = Worker(), office.kind()

    @worker.job(kind, queue=office.queue)
    async def twice(ctx: Context, payload: Any) -> int:
        async def once() -> int:
            return 1

        value = await ctx.step("once", once)
        if ctx.job.attempt == 1:
            raise Retry("again", after=0)
        return value

    async with office.running(worker, traces=True):
        await office.completed(await office.submit(kind))
    names = [span.name for span in spans.get_finished_spans()]
    assert names.count("step once") == 1
    assert names.count(f"job {kind}") == 2


async def test_one_job_in_figures_and_log(office: Office, log: io.StringIO) -> None:
    worker, kind = Worker(), office.kind()
    settings = office.settings()
    key = settings.secret_key.get_secret_value()
    configure_logging(settings, worker="w", stream=log)

    @worker.job(kind, queue=office.queue)
    async def talk(ctx: Context, payload: Any) -> None:
        logging.getLogger("a.library").warning("called with %s", key)
        ctx.log.info("half of it")

    async with office.running(worker, http_port=0) as noted:
        job = await office.submit(kind)
        await office.completed(job)
        await noted.until(lambda: bool(noted.ends))
        async with httpx.AsyncClient(base_url=port_of(noted)) as client:
            assert (await client.get("/readyz")).status_code == 200
            figures = (await client.get("/metrics")).text
    assert f'headway_jobs_ended_total{{kind="{kind}",outcome="completed"}} 1.0' in figures
    claimed = [line for line in figures.splitlines() if line.startswith("headway_jobs_claimed_total")]
    assert len(claimed) == 1
    assert f'kind="{kind}"' in claimed[0]
    assert f'headway_jobs_running{{kind="{kind}"}} 0.0' in figures
    assert 'headway_request_seconds_count{function="claim"}' in figures
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert key not in log.getvalue()
    for logger in ("a.library", "headway.job"):
        (line,) = [line for line in lines if line["logger"] == logger]
        assert (line["job"], line["kind"], line["queue"], line["attempt"]) == (job, kind, office.queue, 1)


async def test_the_handler_that_blocks_the_loop_is_named(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    worker, kind = Worker(), office.kind()

    @worker.job(kind, queue=office.queue)
    async def blocks(ctx: Context, payload: Any) -> None:
        time.sleep(1.5)
        await asyncio.sleep(0.5)

    with caplog.at_level(logging.WARNING):
        async with office.running(worker, loop_lag_warning=0.3) as noted:
            job = await office.submit(kind)
            await noted.until(lambda: "loop_blocked" in noted.incidents)
            await office.completed(job)
    (record,) = [each for each in caplog.records if each.name == "headway.worker.lag"]
    assert f"the handler of {kind}, job {job}" in record.getMessage()
    assert "time.sleep(1.5)" in record.getMessage()


async def test_the_end_of_a_job_is_told_within_moments(office: Office, bench: Bench, hook: Receiver) -> None:
    worker, kind = Worker(), office.kind()

    @worker.job(kind, queue=office.queue)
    async def work(ctx: Context, payload: Any) -> None:
        return None

    async with office.running(worker, notifier=True) as noted:
        services = noted.runtime.parts.services
        assert [type(s) for s in services if isinstance(s, (Notifier, OutboxWake))] == [Notifier, OutboxWake]
        job = await office.submit(kind, notify={"webhook": f"{hook.url}/told"})
        request = await asyncio.wait_for(hook.arrived.get(), 30)
    assert request.document["data"]["job_id"] == job
