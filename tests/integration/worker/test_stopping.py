"""Work that is to stop: cancelled, out of time, its lease lost, its worker told to stop."""

from __future__ import annotations

import asyncio
import threading
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headway import Context, LeaseLost, RetryPolicy, Snooze, SyncContext, Worker
from headway.worker import processes

from .harness import Office


async def test_running_work_is_cancelled_by_a_word(office: Office) -> None:
    worker, kind = Worker(), office.kind()
    started, stopped = asyncio.Event(), asyncio.Event()

    @worker.job(kind, queue=office.queue)
    async def handler(ctx: Context) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            assert ctx.cancelled
            stopped.set()

    # So seldom that only what is heard can be the cause.
    async with office.running(worker, lease_seconds=600) as noted:
        await noted.until(lambda: "proven" in noted.links)
        job = await office.submit(kind)
        await started.wait()
        assert (await office.rpc("cancel", {"job_id": job, "reason": "changed my mind"}))["changed"]
        async with asyncio.timeout(10):
            await stopped.wait()
        snapshot = await office.ended(job)
    assert (snapshot["status"], snapshot["cancel_reason"]) == ("cancelled", "changed my mind")
    assert (await office.types(job))[-2:] == ["cancel_requested", "cancelled"]


async def test_running_work_is_cancelled_while_nothing_is_heard(office: Office) -> None:
    worker, kind = Worker(), office.kind()
    started = asyncio.Event()

    @worker.job(kind, queue=office.queue)
    async def handler(ctx: Context) -> None:
        started.set()
        await asyncio.Event().wait()

    # By changes, requests to cancel are not heard: heartbeats bring them.
    async with office.running(worker, wake="changes"):
        job = await office.submit(kind)
        await started.wait()
        await office.rpc("cancel", {"job_id": job})
        assert (await office.ended(job))["status"] == "cancelled"


async def test_a_handler_that_ignores_its_cancellation_is_abandoned(office: Office) -> None:
    worker, kind = Worker(), office.kind()
    started, release = asyncio.Event(), asyncio.Event()

    @worker.job(kind, queue=office.queue)
    async def handler(ctx: Context) -> None:
        started.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with office.running(worker) as noted:
        job = await office.submit(kind)
        await started.wait()
        await office.rpc("cancel", {"job_id": job})
        assert (await office.ended(job))["status"] == "cancelled"
        await noted.until(lambda: "task_abandoned" in noted.incidents)
        release.set()


async def test_timeouts_soft_and_hard(office: Office) -> None:
    worker = Worker()
    policy = RetryPolicy(max_attempts=2, base=0)

    @worker.job(office.kind("soft"), queue=office.queue, timeout=600, soft_timeout=0.2)
    async def soft(ctx: Context) -> Snooze | str:
        if ctx.job.attempt == 2:
            return "went on"
        while not ctx.told_to_stop:
            await asyncio.sleep(0.01)
        assert not ctx.cancelled
        return Snooze(0)

    @worker.job(office.kind("hard"), queue=office.queue, timeout=0.3, retries=policy, stages=["work"])
    async def hard(ctx: Context) -> None:
        ctx.stage("work")
        await asyncio.Event().wait()

    async with office.running(worker):
        softly, harshly = await office.submit(office.kind("soft")), await office.submit(office.kind("hard"))
        assert (await office.completed(softly))["result"] == "went on"
        snapshot = await office.ended(harshly)
    assert (snapshot["error"]["code"], snapshot["failures"]) == ("timeout", 2)
    assert "in stage work" in snapshot["error"]["message"]


async def test_a_thread_that_ignores_its_timeout_is_abandoned_and_reported(office: Office) -> None:
    worker, kind, polite = Worker(), office.kind(), office.kind("polite")
    release, left = threading.Event(), threading.Event()

    @worker.job(kind, queue=office.queue, timeout=0.3, retries=1)
    def stubborn(ctx: SyncContext) -> None:
        release.wait(60)

    @worker.job(polite, queue=office.queue, timeout=0.3, retries=1)
    def listens(ctx: SyncContext) -> None:
        try:
            while True:
                ctx.progress(1)
        finally:
            left.set()

    async with office.running(worker, concurrency=1) as noted:
        job = await office.submit(kind)
        snapshot = await office.ended(job)
        assert (snapshot["status"], snapshot["error"]["code"]) == ("failed", "timeout")
        assert noted.incidents == ["thread_abandoned"]
        # Its slot is free all the same.
        other = await office.ended(await office.submit(polite))
        assert other["error"]["code"] == "timeout"
        assert left.is_set()
        release.set()
        await noted.until(lambda: noted.incidents == ["thread_abandoned", "thread_ended"])


async def test_a_process_that_ignores_its_cancellation_is_killed_and_one_that_dies_is_told(
    office: Office,
) -> None:
    from .handlers import worker_for

    worker = worker_for(office.prefix, office.queue)
    async with office.running(worker) as noted:
        spinning = await office.submit(office.kind("spin"))
        await noted.until(lambda: any(job.id == uuid.UUID(spinning) for job in noted.begun))
        await office.rpc("cancel", {"job_id": spinning})
        assert (await office.ended(spinning))["status"] == "cancelled"
        await noted.until(lambda: noted.incidents == ["process_killed"])
        for name, code in (
            ("crash", "process_died"),
            ("leave", "handler_exit"),
            ("keep", "result_invalid"),
        ):
            job = await office.submit(office.kind(name), max_attempts=1)
            snapshot = await office.ended(job)
            assert (snapshot["status"], snapshot["error"]["code"]) == ("failed", code)
        question = {"text": "still here"}
        assert (await office.completed(await office.submit(office.kind("process"), question)))["result"]


async def test_a_process_that_reads_nothing_yet_holds_nobody_up(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It imports what it needs for a second or two, and its order may be larger than a pipe holds."""
    from .handlers import worker_for

    program = tmp_path / "starts-for-ever"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(processes, "sys", SimpleNamespace(executable=str(program)))
    worker = worker_for(office.prefix, office.queue)
    async with office.running(worker) as noted:
        starting = await office.submit(office.kind("process"), {"text": "x" * 900_000})
        await noted.until(lambda: any(job.id == uuid.UUID(starting) for job in noted.begun))
        assert (await office.completed(await office.submit(office.kind("thread"), {"text": "beside"})))[
            "result"
        ]
        await office.rpc("cancel", {"job_id": starting})
        assert (await office.ended(starting))["status"] == "cancelled"
        await noted.until(lambda: noted.incidents == ["process_killed"])


async def test_a_lost_lease_stops_the_handler_and_nothing_it_writes_is_accepted(office: Office) -> None:
    worker, kind = Worker(), office.kind()
    started, go_on = asyncio.Event(), asyncio.Event()
    refused: list[str] = []

    @worker.job(kind, queue=office.queue)
    async def handler(ctx: Context) -> None:
        if ctx.job.attempt > 1:
            await asyncio.Event().wait()
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            try:
                await ctx.step("late", lambda: 1)
            except LeaseLost as error:
                refused.append(error.code)
            go_on.set()
            raise

    async with office.running(worker, concurrency=1) as noted:
        job = await office.submit(kind)
        await started.wait()
        thief = await office.register(kind)
        # As after a long silence: the lease expires and is swept, and somebody else claims the job.
        async with office.admin.transaction():
            await office.admin.execute(
                "update headway.leases set expires_at = now() - interval '1 hour' where job_id = $1",
                uuid.UUID(job),
            )
            await office.admin.execute("select headway.sweep()")
            (lease,) = await office.admin.fetch(
                "select job_id, attempt, lease_token from headway.claim($1, $2, kinds => array[$3])",
                thief,
                uuid.uuid4(),
                kind,
            )
        await go_on.wait()
        await noted.until(lambda: (uuid.UUID(job), "lost", None) in noted.ends)
        await noted.until(lambda: "lease_lost" in noted.incidents)
        assert refused == ["lease_lost"]
        held = {"job_id": job, "attempt": lease["attempt"], "lease_token": str(lease["lease_token"])}
        outcomes = [held | {"outcome": "completed", "result": "by the thief"}]
        (end,) = await office.rpc("finish", {"worker_id": thief, "outcomes": outcomes})
        assert end["state"] == "applied"
    assert (await office.snapshot(job))["result"] == "by the thief"
    assert not (await office.snapshot(job))["steps"]


async def test_a_worker_that_stops_hands_back_what_it_cannot_finish(office: Office) -> None:
    worker, kind = Worker(), office.kind()
    started = asyncio.Event()

    @worker.job(kind, queue=office.queue)
    async def handler(ctx: Context) -> None:
        started.set()
        await asyncio.Event().wait()

    async with office.running(worker, grace_seconds=0.2):
        job = await office.submit(kind)
        await started.wait()
    snapshot = await office.snapshot(job)
    assert (snapshot["status"], snapshot["failures"], snapshot["attempt"]) == ("pending", 0, 1)
    assert (await office.types(job))[-1] == "released"


async def test_jobs_finish_within_the_grace_period(office: Office) -> None:
    worker, kind = Worker(), office.kind()
    started = asyncio.Event()

    @worker.job(kind, queue=office.queue)
    async def handler(ctx: Context) -> str:
        started.set()
        while not ctx.told_to_stop:
            await asyncio.sleep(0.01)
        return "in time"

    async with office.running(worker, grace_seconds=30):
        job = await office.submit(kind)
        later = await office.submit(kind, delay_seconds=3600)
        await started.wait()
    assert (await office.snapshot(job))["result"] == "in time"
    assert (await office.snapshot(later))["attempt"] == 0


async def test_unknown_kinds_stay_for_others_and_two_versions_work_side_by_side(office: Office) -> None:
    old, new = Worker(), Worker()
    shared, only_new = office.kind("shared"), office.kind("new")
    done: dict[str, list[Any]] = {"old": [], "new": []}

    @old.job(shared, queue=office.queue)
    async def before(ctx: Context) -> str:
        done["old"].append(ctx.job.id)
        return "old"

    @new.job(shared, queue=office.queue, timeout=60, description="changed")
    async def after(ctx: Context) -> str:
        done["new"].append(ctx.job.id)
        return "new"

    @new.job(only_new, queue=office.queue)
    async def addition(ctx: Context) -> str:
        return "new"

    async with office.running(old, version="1"):
        await office.register(only_new)
        unknown = await office.submit(only_new)
        known = await office.completed(await office.submit(shared))
        assert known["result"] == "old"
        assert (await office.snapshot(unknown))["status"] == "pending"
        async with office.running(new, version="2"):
            assert (await office.completed(unknown))["result"] == "new"
            jobs = [await office.submit(shared) for _ in range(20)]
            for job in jobs:
                await office.completed(job)
    assert len(done["old"]) + len(done["new"]) == 21


async def test_concurrency_per_kind_in_one_process(office: Office) -> None:
    worker = Worker()
    at_once: dict[str, int] = {}
    most: dict[str, int] = {}

    async def body(ctx: Context) -> None:
        kind = ctx.job.kind
        at_once[kind] = at_once.get(kind, 0) + 1
        most[kind] = max(most.get(kind, 0), at_once[kind])
        await asyncio.sleep(0.02)
        at_once[kind] -= 1

    narrow, wide = office.kind("narrow"), office.kind("wide")
    worker.job(narrow, queue=office.queue, concurrency=2)(body)
    worker.job(wide, queue=office.queue)(body)
    jobs = [{"kind": kind} for kind in (narrow, wide) for _ in range(12)]
    async with office.running(worker, concurrency=8):
        answer = await office.rpc("submit_many", {"jobs": jobs})
        for job in answer["jobs"]:
            await office.completed(job["id"])
    assert most[narrow] <= 2
    assert 2 < most[wide] <= 8


async def test_a_worker_that_the_engine_has_forgotten_registers_again(office: Office) -> None:
    worker, kind = Worker(), office.kind()

    @worker.job(kind, queue=office.queue)
    async def handler(ctx: Context) -> str:
        return "done"

    async with office.running(worker) as noted:
        await office.admin.execute("delete from headway.workers where $1 = any (kinds)", kind)
        assert (await office.completed(await office.submit(kind)))["result"] == "done"
        assert noted.ends


@pytest.mark.parametrize("size", [4 * 1024 * 1024 + 10, 200_000_000])
async def test_a_result_that_is_too_large_fails_its_job_alone(office: Office, size: int) -> None:
    worker, kind = Worker(), office.kind()

    @worker.job(kind, queue=office.queue)
    async def handler(ctx: Context, payload: dict[str, int]) -> list[str]:
        # The same text many times over: gigabytes that cost no memory until somebody writes them out.
        return ["x" * 1000] * (payload["size"] // 1000)

    async with office.running(worker):
        large = await office.submit(kind, {"size": size})
        small = await office.submit(kind, {"size": 1000})
        assert (await office.ended(large))["error"]["code"] == "result_invalid"
        assert (await office.completed(small))["result"] == ["x" * 1000]
