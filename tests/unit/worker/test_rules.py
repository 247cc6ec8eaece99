"""The worker's rules without I/O: declarations, pace, sizes, faults, limits, the agenda."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

import headway
from headway import Cancel, ConfigError, Context, InvalidRequest, Snooze, Stage, Worker
from headway.errors import ApiError
from headway.worker.agenda import Agenda
from headway.worker.faults import describe
from headway.worker.limits import Limit, LimitRule
from headway.worker.pace import Pace
from headway.worker.sizes import exceeds
from headway.worker.steps import read_as, result_type
from headway.worker.threads import Threads

from .claims import attempt


class Model(BaseModel):
    n: Annotated[int, Field(ge=1)]
    day: date | None = None


async def test_a_declaration_is_what_the_engine_is_told() -> None:
    worker = Worker()

    @worker.job(
        "cv.parse", queue="cv", timeout=30.2, retries=3, stages=["a", Stage(name="b", label="B", weight=2)],
        retention=timedelta(hours=1), cost_budget=Decimal("0.5"), push="watched", submitters="service",
        kind_concurrency=7, tenant_concurrency=2, concurrency=3, description="d", priority=4, max_priority=6,
    )  # fmt: skip
    async def handler(ctx: Context, payload: Model) -> Model: ...

    document = worker.registry.get("cv.parse").registration()
    schema = document.pop("payload_schema")
    assert document == {
        "kind": "cv.parse", "queue": "cv", "description": "d", "submitters": "service", "priority": 4,
        "max_priority": 6, "max_attempts": 3, "timeout_seconds": 31, "backoff_base_seconds": 5.0,
        "backoff_max_seconds": 3600.0, "retention_seconds": 3600, "concurrency": 7, "tenant_concurrency": 2,
        "cost_budget": "0.5", "push": "watched", "result_limit": 4_194_304,
        "stages": [{"name": "a", "label": "a", "weight": 1.0}, {"name": "b", "label": "B", "weight": 2.0}],
    }  # fmt: skip
    assert schema["required"] == ["n"]
    assert handler.__name__ == "handler"


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("CV", {}, "kind: must be lower-case"),
        ("a.b", {"queue": "A"}, "queue: must be"),
        ("a.b", {"timeout": 0}, "timeout: must be from 0.001 to 604800"),
        ("a.b", {"timeout": 5, "soft_timeout": 6}, "soft_timeout: must be from"),
        ("a.b", {"retries": 0}, "retries"),
        ("a.b", {"stages": ["a", "a"]}, "comes twice"),
        ("a.b", {"concurrency": 0}, "concurrency: must be from 1"),
        ("a.b", {"priority": 5, "max_priority": 4}, "max_priority: must be from 5"),
        ("a.b", {"run_in": "thread"}, "run_in: is 'thread'"),
        ("a.b", {"retention": timedelta(0)}, "retention"),
    ],
)
def test_wrong_declarations_name_kind_and_field(kind: str, options: dict[str, Any], words: str) -> None:
    worker = Worker()

    async def handler(ctx: Context) -> None: ...

    with pytest.raises(ConfigError, match=words) as caught:
        worker.job(kind, **options)(handler)
    assert kind in str(caught.value)


def test_handlers_that_cannot_be_called_are_refused() -> None:
    worker = Worker()

    async def none() -> None: ...
    async def three(ctx: Context, a: int, b: int) -> None: ...
    async def keyword(ctx: Context, *, a: int) -> None: ...
    async def unknown(ctx: Context, payload: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
    async def impossible(ctx: Context, payload: threading.Thread) -> None: ...

    for place, handler in enumerate((none, three, keyword, unknown, impossible)):
        with pytest.raises(ConfigError, match=f"kind a.k{place}"):
            worker.job(f"a.k{place}")(handler)
    worker.job("a.twice")(lambda ctx: None)
    with pytest.raises(ConfigError, match="declared twice"):
        worker.job("a.twice")(lambda ctx: None)


def test_workers_are_merged() -> None:
    one, two = Worker(), Worker()
    one.limit("x", per_second=1)
    two.limit("x", per_second=1)
    one.job("a.one")(lambda ctx: None)
    two.job("a.two")(lambda ctx: None)
    one.include(two)
    one.include(two)
    assert [spec.kind for spec in one.registry] == ["a.one", "a.two"]
    with pytest.raises(ConfigError, match=r"Did you mean a\.two"):
        one.registry.get("a.tow")
    three = Worker()
    three.limit("x", per_second=2)
    with pytest.raises(ConfigError, match="different numbers"):
        one.include(three)
    with pytest.raises(ConfigError, match="limits nothing"):
        one.limit("y")
    with pytest.raises(ConfigError, match="none of the worker's own"):
        one.route("/metrics")


def test_values_that_handlers_return() -> None:
    assert Snooze(5).seconds == 5
    for wrong in (-1, float("nan"), True, "5"):
        with pytest.raises(InvalidRequest, match=r"Snooze\.seconds"):
            Snooze(wrong)  # type: ignore[arg-type]
    assert Cancel().reason is None


def test_progress_slows_down_when_much_is_said() -> None:
    pace = Pace(lease_seconds=8, messages_per_second=100)
    quiet, loud = attempt(push="watched"), attempt()
    assert pace.beat_seconds == 0.8
    pace.hears_cancels = True
    assert pace.beat_seconds == 2
    assert pace.due_at(loud, pace.weight(loud)) == 0.25
    assert pace.due_at(loud, 500 * pace.weight(loud)) == 10
    assert pace.due_at(quiet, 500 * pace.weight(quiet)) == 2
    assert pace.urgent_at(3) == 0
    pace.beaten([loud], {loud.job.id: object()})
    assert pace.urgent_at(500) > loud.reported_at
    assert pace.due_at(loud, 0) == loud.reported_at + 0.25


def test_sizes_are_known_without_writing() -> None:
    @dataclass
    class Opaque:
        text: str

    assert not exceeds({"a": ["b", 1, None, Opaque("x" * 100)]}, 50)
    assert exceeds("x" * 51, 50)
    assert exceeds([["x" * 10]] * 6, 50)
    assert exceeds([None] * 51, 50)
    assert exceeds([["x" * 1000] * 1000] * 1_000_000_0, 10_000)
    assert exceeds({str(n): n for n in range(20)}, 50)
    # What has no end is nobody's to measure.
    circle: list[Any] = []
    circle.append({"again": circle})
    assert not exceeds(circle, 50)
    twice: Any = ["x"]
    for _ in range(40):
        twice = [twice, twice]
    assert exceeds(twice, 1000)


def test_faults_say_what_a_person_may_read() -> None:
    class Provider(Exception):
        code = "quota"
        hint = "Pay the bill."

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    fault = describe(Provider("key sk-abcdefghijklmnopqrstuv is used up\x00"), step="ask")
    assert (fault.code, fault.hint, fault.step) == ("quota", "Pay the bill.", "ask")
    assert fault.message == "Provider: key <redacted> is used up"
    assert describe(ApiError("m", code="PGRST116", hint="h")).code == "PGRST116"
    assert (describe(Mute()).code, describe(Mute()).message) == ("mute", "Mute")
    assert len(describe(ValueError("x" * 100_000)).message) <= 1020
    with pytest.raises(ValueError, match="n") as caught:
        Model.model_validate({"n": "sb_secret_abcdefgh"})
    fault = describe(caught.value)
    assert fault.code == "validation_failed"
    assert "abcdefgh" not in fault.message


def test_faults_do_not_say_where_a_worker_keeps_its_files() -> None:
    place = Path(tempfile.gettempdir()) / "headway-worker-x" / "job-1" / "input-cv.pdf"
    with pytest.raises(FileNotFoundError) as caught:
        place.read_bytes()
    assert describe(caught.value).message == (
        "FileNotFoundError: [Errno 2] No such file or directory: 'input-cv.pdf'"
    )
    assert (
        describe(ValueError(f"{headway.__file__}:12 failed")).message == "ValueError: __init__.py:12 failed"
    )
    for kept in ("GET /rest/v1/tmp/x failed", "https://example.com/tmp/a/b", "/no/such/place"):
        assert describe(ValueError(kept)).message == f"ValueError: {kept}"


def test_results_of_steps_come_back_as_their_types() -> None:
    def typed() -> tuple[date, Decimal]: ...
    async def model() -> Model: ...

    assert read_as(result_type(typed), ["2026-01-02", "0.10"], "it") == (date(2026, 1, 2), Decimal("0.10"))
    assert read_as(result_type(model), {"n": 1}, "it") == Model(n=1)
    assert read_as(result_type(lambda: 1), {"n": 1}, "it") == {"n": 1}
    with pytest.raises(ConfigError, match="it does not fit its type: n"):
        read_as(Model, {"n": 0}, "it")


async def test_limits_hold_and_pause() -> None:
    limit = Limit(LimitRule("x", concurrency=2))
    at_once = most = 0

    async def call() -> None:
        nonlocal at_once, most
        async with limit:
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1

    await asyncio.gather(*(call() for _ in range(20)))
    assert most == 2
    limit.pause(60)
    limit.pause(1)
    waiting = asyncio.create_task(call())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    limit._paused_until = 0
    # Whoever was cancelled while waiting has given its place back.
    await asyncio.gather(*(call() for _ in range(4)))


async def test_the_agenda_tells_once_what_is_due() -> None:
    agenda = Agenda()
    waiting = asyncio.create_task(agenda.due("deliveries"))
    await asyncio.sleep(0)
    agenda.put("schedules", 0)
    agenda.put("deliveries", 3600)
    await asyncio.sleep(0)
    assert not waiting.done()
    agenda.bring_forward("deliveries")
    await asyncio.wait_for(waiting, 5)
    await asyncio.wait_for(agenda.due("schedules"), 5)
    again = asyncio.create_task(agenda.due("deliveries"))
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


async def test_what_is_left_to_others_is_not_due_again_for_a_while() -> None:
    agenda = Agenda()
    agenda.leave("deliveries", 3600)
    agenda.put("deliveries", 0)
    assert not agenda.anything_due
    agenda.put("schedules", 0)
    assert agenda.anything_due
    await asyncio.wait_for(agenda.due("schedules"), 5)
    agenda.bring_forward("deliveries")
    await asyncio.wait_for(agenda.due("deliveries"), 5)
    agenda.leave("deliveries", 0)
    agenda.put("deliveries", 0)
    assert agenda.anything_due


async def test_threads_are_reused_and_carry_what_they_raise() -> None:
    threads = Threads("test")
    names = {await threads.run(lambda: threading.current_thread().name) for _ in range(5)}
    assert len(names) <= 2

    def stop() -> None:
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        await threads.run(stop)
    release = threading.Event()
    stuck = [threads.submit(release.wait, 30) for _ in range(8)]
    assert await threads.run(lambda: 1) == 1
    release.set()
    assert all(await asyncio.gather(*stuck))


def test_a_worker_loads_nothing_of_the_client_and_every_public_name_is_there() -> None:
    program = """
import sys
import tempfile
import headway
headway.Worker, headway.Context, headway.Snooze, headway.WorkerApi, headway.RetryPolicy
import headway.cli.worker
assert not [name for name in sys.modules if name.startswith(("headway.client", "headway.local"))]
for name in headway.__all__:
    getattr(headway, name)
assert set(headway.__all__) <= set(dir(headway))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
