"""What a handler does, and what watchers, ledgers and later executions see of it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from decimal import Decimal
from pathlib import Path

import psutil
import pytest
from pydantic import BaseModel, field_validator

from headway import BudgetExceeded, Cancel, Context, Retry, RetryPolicy, Snooze, Stage, Worker
from headway.worker import processes

from .harness import PATIENCE, Office


class Question(BaseModel):
    text: str
    times: int = 1


class Answer(BaseModel):
    text: str
    length: int


class Even(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def _is_even(cls, n: int) -> int:
        if n % 2:
            raise ValueError("must be even")
        return n


async def test_a_typed_job_tells_its_story_in_order(office: Office) -> None:
    worker, kind = Worker(), office.kind()

    async def shout(text: str) -> str:
        return text.upper()

    @worker.job(
        kind, queue=office.queue, stages=[Stage(name="read", weight=1), Stage(name="write", weight=3)]
    )
    async def answer(ctx: Context, question: Question) -> Answer:
        ctx.stage("read", "Reading")
        ctx.progress(1, 2)
        loud = await ctx.step("shout", shout, question.text)
        ctx.stage("write")
        await ctx.emit("draft", {"text": loud})
        ctx.metrics(words=1)
        ctx.log.info("written")
        return Answer(text=loud, length=len(loud))

    async with office.running(worker):
        job = await office.submit(kind, {"text": "ahoy"})
        snapshot = await office.completed(job)

    assert snapshot["result"] == {"text": "AHOY", "length": 4}
    assert snapshot["metrics"] == {"words": 1}
    story = await office.events(job)
    assert [(name, data.get("stage") or data.get("step") or data.get("name")) for name, data in story] == [
        ("submitted", None),
        ("started", None),
        ("stage_started", "read"),
        ("step_started", "shout"),
        ("step_completed", "shout"),
        ("stage_started", "write"),
        ("emitted", "draft"),
        ("emitted", "log"),
        ("completed", None),
    ]


async def test_blocking_handlers_run_in_threads_and_processes(office: Office) -> None:
    from .handlers import worker_for

    worker = worker_for(office.prefix, office.queue)
    async with office.running(worker):
        jobs = [
            await office.submit(office.kind(name), {"text": "x", "times": 3})
            for name in ("thread", "process")
        ]
        thread, process = [await office.completed(job) for job in jobs]
    assert thread["result"]["pid"] == os.getpid()
    assert process["result"]["pid"] != os.getpid()
    for job, snapshot in zip(jobs, (thread, process), strict=True):
        assert snapshot["result"]["answer"] == {"text": "xxx", "length": 3}
        assert [step["name"] for step in snapshot["steps"]] == ["repeat"]
        assert (snapshot["stage"], snapshot["metrics"], float(snapshot["cost"]["spent"])) == (
            "work",
            {"a": 1},
            0.25,
        )
        assert ("emitted", {"name": "half", "data": 1}) in await office.events(job)
        (file,) = snapshot["files"]
        assert (file["direction"], file["name"], file["bytes"]) == ("output", "out.txt", 3)


async def test_idle_processes_are_ended(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from .handlers import worker_for

    monkeypatch.setattr(processes, "_IDLE_SECONDS", 0.2)
    async with office.running(worker_for(office.prefix, office.queue)):
        job = await office.submit(office.kind("process"), {"text": "x"})
        pid = (await office.completed(job))["result"]["pid"]
        async with asyncio.timeout(PATIENCE):
            while psutil.pid_exists(pid):
                await asyncio.sleep(0.02)


async def test_what_a_handler_does_in_its_process_stays_there(office: Office) -> None:
    """Copies of it are ended before they answer for it, and programs that it starts can be ended."""
    from .handlers import worker_for

    async with office.running(worker_for(office.prefix, office.queue)):
        copied = await office.submit(office.kind("copies"))
        assert (await office.completed(copied))["result"] == 70
        assert "emitted" not in await office.types(copied)
        ended = await office.submit(office.kind("terminates"))
        assert (await office.completed(ended))["result"] == -signal.SIGTERM


async def test_a_completed_step_is_not_run_again_and_its_result_comes_back_typed(office: Office) -> None:
    worker, kind = Worker(), office.kind()
    runs: list[str] = []
    seen: list[Answer] = []

    def first() -> Answer:
        runs.append("first")
        return Answer(text="a", length=1)

    async def second() -> int:
        runs.append("second")
        if len(runs) < 3:
            raise RuntimeError("not yet")
        return 2

    @worker.job(kind, queue=office.queue, retries=RetryPolicy(base=0))
    async def handler(ctx: Context) -> int:
        seen.append(await ctx.step("first", first))
        return await ctx.step("second", second)

    async with office.running(worker):
        job = await office.submit(kind)
        snapshot = await office.completed(job)

    assert runs == ["first", "second", "second"]
    assert seen == [Answer(text="a", length=1)] * 2
    assert (snapshot["result"], snapshot["attempt"]) == (2, 2)
    failure = next(data for name, data in await office.events(job) if name == "retry_scheduled")
    assert (failure["code"], failure["step"]) == ("runtime_error", "second")


async def test_each_kind_of_end(office: Office) -> None:
    worker = Worker()
    rounds: list[int] = []

    @worker.job(office.kind("snooze"), queue=office.queue)
    async def snooze(ctx: Context) -> Snooze | str:
        rounds.append(ctx.job.attempt)
        return "done" if ctx.job.attempt > 1 else Snooze(0)

    @worker.job(office.kind("cancel"), queue=office.queue)
    async def cancel(ctx: Context) -> Cancel:
        return Cancel("nothing to do")

    @worker.job(office.kind("retry"), queue=office.queue)
    async def retry(ctx: Context) -> str:
        if ctx.job.failures == 0:
            raise Retry("busy", after=0)
        return "done"

    @worker.job(office.kind("never"), queue=office.queue)
    async def never(ctx: Context) -> None:
        raise NotImplementedError("in this version")

    @worker.job(office.kind("often"), queue=office.queue, retries=RetryPolicy(max_attempts=2, base=0))
    async def often(ctx: Context) -> None:
        raise ValueError("password=hunter22hunter22 is wrong")

    @worker.job(office.kind("garbage"), queue=office.queue)
    async def garbage(ctx: Context) -> Answer:
        return "no answer"  # type: ignore[return-value]

    @worker.job(office.kind("object"), queue=office.queue)
    async def unserialisable(ctx: Context) -> object:
        return threading.Lock()

    names = ("snooze", "cancel", "retry", "never", "often", "garbage", "object")
    async with office.running(worker):
        jobs = {name: await office.submit(office.kind(name)) for name in names}
        ends = {name: await office.ended(job) for name, job in jobs.items()}

    assert (ends["snooze"]["result"], ends["snooze"]["failures"], rounds) == ("done", 0, [1, 2])
    assert (ends["cancel"]["status"], ends["cancel"]["cancel_reason"]) == ("cancelled", "nothing to do")
    assert (ends["retry"]["result"], ends["retry"]["failures"]) == ("done", 1)
    assert (ends["never"]["error"]["code"], ends["never"]["attempt"]) == ("not_implemented_error", 1)
    assert (ends["often"]["status"], ends["often"]["failures"]) == ("failed", 2)
    assert "hunter22" not in ends["often"]["error"]["message"]
    for name in ("garbage", "object"):
        assert (ends[name]["error"]["code"], ends[name]["attempt"]) == ("result_invalid", 1)


async def test_a_payload_that_the_model_refuses_fails_at_once(office: Office) -> None:
    worker, kind = Worker(), office.kind()

    @worker.job(kind, queue=office.queue)
    async def handler(ctx: Context, payload: Even) -> int:
        return payload.n

    async with office.running(worker):
        snapshot = await office.ended(await office.submit(kind, {"n": 3}))
    assert (snapshot["error"]["code"], snapshot["attempt"]) == ("payload_invalid", 1)


async def test_files_come_and_go(office: Office, tmp_path: Path) -> None:
    worker, kind = Worker(), office.kind()
    scratch: list[Path] = []

    @worker.job(kind, queue=office.queue)
    async def handler(ctx: Context) -> str:
        local = await ctx.files.download("in")
        scratch.append(local)
        assert local.stat().st_mode & 0o077 == 0 or local.parent.stat().st_mode & 0o077 == 0
        text = (await ctx.files.read("in")).decode()
        pieces = b"".join([piece async for piece in ctx.files.stream("in")])
        assert pieces.decode() == text

        async def upper() -> object:
            yield text.upper().encode()

        await ctx.files.upload("loud/../name.txt", upper())  # type: ignore[arg-type]
        file = await ctx.files.upload("again.txt", text.encode())
        url = await ctx.files.signed_url(file)
        return (await ctx.http.get(url)).text

    key = office.stack.keys.secret_key
    path = f"service/{office.prefix}.txt"
    response = await office.http.post(
        f"{office.stack.url}/storage/v1/object/job-files/{path}",
        content=b"hello",
        headers={"apikey": key, "authorization": f"Bearer {key}", "content-type": "text/plain"},
    )
    assert response.is_success
    async with office.running(worker):
        job = await office.submit(kind, files=[{"name": "in", "bucket": "job-files", "path": path}])
        snapshot = await office.completed(job)
    assert snapshot["result"] == "hello"
    outputs = {file["name"]: file for file in snapshot["files"] if file["direction"] == "output"}
    assert set(outputs) == {"loud/../name.txt", "again.txt"}
    assert ".." not in outputs["loud/../name.txt"]["path"]
    assert outputs["again.txt"]["path"].startswith(f"service/jobs/{job}/1/")
    assert scratch
    assert not scratch[0].parent.exists()


async def test_money_is_reserved_recorded_and_refused(office: Office) -> None:
    worker, kind = Worker(), office.kind()
    refused: list[str] = []

    @worker.job(kind, queue=office.queue, cost_budget=Decimal("1"))
    async def handler(ctx: Context) -> str:
        async with ctx.paid_call(provider="openai", max_cost=Decimal("0.6"), model="m") as call:
            assert ctx.budget == Decimal("0.4")
            call.cost(cost=Decimal("0.1"), quantity=10, unit="input_tokens")
            call.cost(cost=Decimal("0.2"), quantity=5, unit="output_tokens")
        try:
            async with ctx.paid_call(provider="openai", max_cost=Decimal("0.8")):
                raise AssertionError("beyond the budget")
        except BudgetExceeded as error:
            refused.append(error.code)
        try:
            async with ctx.paid_call(provider="openai", max_cost=Decimal("0.5")):
                raise RuntimeError("the provider is down")
        except RuntimeError:
            pass
        await ctx.usage(provider="hunter", cost=Decimal("0.000000000001"))
        return str(ctx.budget)

    async with office.running(worker):
        snapshot = await office.completed(await office.submit(kind))
    assert refused == ["HW501"]
    assert Decimal(snapshot["result"]) == Decimal("0.699999999999")
    assert (Decimal(str(snapshot["cost"]["spent"])), snapshot["cost"]["calls"]) == (
        Decimal("0.300000000001"),
        3,
    )


async def test_children_and_signals_are_waited_for_without_a_slot(office: Office) -> None:
    worker = Worker()
    parent, child, other = office.kind("parent"), office.kind("child"), office.kind("other")
    begins: list[int] = []

    @worker.job(parent, queue=office.queue)
    async def handler(ctx: Context) -> dict[str, object]:
        begins.append(ctx.job.attempt)
        for n in range(3):
            await ctx.submit_child(child, {"n": n}, name=f"child {n}")
        results = await ctx.gather_children(into=int)
        approval = await ctx.wait_for_signal("approval", timeout=600, into=bool)
        return {"results": [r.result for r in results], "ok": [r.ok for r in results], "approval": approval}

    @worker.job(child, queue=office.queue)
    async def square(ctx: Context, payload: dict) -> int:  # type: ignore[type-arg]
        if payload["n"] == 2:
            raise NotImplementedError("two")
        return payload["n"] ** 2  # type: ignore[no-any-return]

    @worker.job(other, queue=office.queue)
    async def quick(ctx: Context) -> str:
        return "not held up"

    async with office.running(worker, concurrency=1):
        job = await office.submit(parent)
        await office.until(job, lambda s: s["waiting_for"] == "signal")
        assert (await office.completed(await office.submit(other)))["result"] == "not held up"
        assert (await office.rpc("signal", {"job_id": job, "name": "approval", "payload": True}))[
            "state"
        ] == "delivered"
        snapshot = await office.completed(job)
    assert snapshot["result"] == {"results": [0, 1, None], "ok": [True, True, False], "approval": True}
    assert snapshot["children"] == {"completed": 2, "failed": 1}
    assert snapshot["failures"] == 0
    assert len(begins) == 3


async def test_a_signal_that_does_not_come_is_told(office: Office) -> None:
    worker, kind = Worker(), office.kind()

    @worker.job(kind, queue=office.queue)
    async def handler(ctx: Context) -> str:
        from headway import TimedOut

        try:
            await ctx.wait_for_signal("answer", timeout=1)
        except TimedOut as error:
            return error.code
        return "came"

    async with office.running(worker):
        snapshot = await office.completed(await office.submit(kind))
    assert snapshot["result"] == "signal_timeout"


async def test_resources_are_made_once_and_closed_at_the_end(office: Office) -> None:
    from collections.abc import AsyncIterator
    from contextlib import asynccontextmanager

    worker, kind = Worker(), office.kind()
    life: list[str] = []

    @asynccontextmanager
    async def model() -> AsyncIterator[list[str]]:
        life.append("made")
        yield life
        life.append("closed")

    worker.limit("slow", per_second=1000, burst=10, concurrency=2)
    at_once: list[int] = [0, 0]

    @worker.job(kind, queue=office.queue)
    async def handler(ctx: Context) -> int:
        shared = await ctx.shared(model)
        async with ctx.limit("slow"):
            at_once[0] += 1
            at_once[1] = max(at_once)
            await asyncio.sleep(0.01)
            at_once[0] -= 1
        return len(shared)

    async with office.running(worker):
        jobs = [await office.submit(kind) for _ in range(6)]
        for job in jobs:
            await office.completed(job)
        assert life == ["made"]
    assert life == ["made", "closed"]
    assert at_once[1] <= 2
