"""The main story: a CV becomes a profile, live, although the worker is killed in the middle."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from headway.cli.demo.figures import Latencies, show_figures
from headway.cli.demo.house import House
from headway.cli.demo.people import Person
from headway.cli.demo.profile import show_profile
from headway.cli.demo.telling import done, seconds
from headway.client.handles import JobHandle
from headway.core.feed import Update
from headway.core.job import Snapshot
from headway.display import ProgressDisplay
from headway.errors import HeadwayError, JobFailed

__all__ = ["MODULES", "tell_cv"]

MODULES = ("workers.cv",)
_KILLED_AFTER = "parse"
# A real model takes 30 to 40 s for a CV; the stand-in takes long enough to be seen, and to be killed in.
_THINKING_S = 1.5


@dataclass(slots=True)
class _Story:
    """What has happened so far."""

    upload_s: float = 0
    submit_s: float = 0
    began: float = 0
    killed_at: float | None = None
    taken_over_at: float | None = None
    latencies: Latencies = field(default_factory=Latencies)


async def tell_cv(house: House, person: Person, cv: Path, console: Console) -> dict[str, Any]:
    """Upload a CV, submit the job, watch it, kill its worker, watch the next one finish, show the profile.

    Args:
        house: With stack, sandbox and one worker running.
        person: Who submits it.
        cv: The file.
        console: Where to tell it.

    Returns:
        The figures by name, and the job's result as ``profile``.

    Raises:
        JobFailed: the file is no CV, or cannot be read.
        HeadwayError: something that was to be shown is not so.
    """
    house.slow_down("openai", _THINKING_S)
    story = _Story()
    job = await _submit(person, cv, console, story)
    story.began = time.perf_counter()
    with ProgressDisplay(console=console) as display:
        display.announce(job, cv.name)
        async with job.watch(after_seq=0) as updates:
            async for update in updates:
                story.latencies.take(update)
                display.show(update)
                await _act(house, update, console, story)
    result = await _result(job, console)
    elapsed = time.perf_counter() - story.began
    done(console, f"Completed after {elapsed:.1f} s, by the second worker")
    console.print()
    await show_profile(console, person)
    for question in result["questions"][:3]:
        console.print(f"  [dim]An interview would ask next:[/] {question}", soft_wrap=True)
    console.print()
    figures = await _figures(house, job, console, story, elapsed)
    return figures | {"profile": result}


async def _result(job: JobHandle, console: Console) -> Any:
    try:
        return await job.result()
    except JobFailed as error:
        if error.code == "cv_not_recognised":
            console.print(
                "[dim]The sandbox reads text by rules, and no letters in pictures: scans are for a real "
                "model, with OPENAI_API_KEY and a worker of your own (docs/sandbox.md).[/]",
                soft_wrap=True,
            )
        raise


async def _submit(person: Person, cv: Path, console: Console, story: _Story) -> JobHandle:
    began = time.perf_counter()
    file = await person.hw.upload(cv, bucket="cvs")
    story.upload_s = time.perf_counter() - began
    began = time.perf_counter()
    job = await person.hw.submit("cv.parse", {}, files={"cv": file}, bucket="cvs")
    story.submit_s = time.perf_counter() - began
    size = cv.stat().st_size / 1000
    done(console, f"{cv.name} ({size:.0f} kB) is in her private folder", story.upload_s)
    done(console, f"Job [cyan]{job.id}[/] is submitted; from here on her tab may close", story.submit_s)
    return job


async def _act(house: House, update: Update, console: Console, story: _Story) -> None:
    event = update.event
    if event is None:
        return
    if story.killed_at is None and event.type == "step_completed" and event.step == _KILLED_AFTER:
        first = house.workers[0]
        story.killed_at = house.household.kill(first)
        console.print(
            f"[red]✗[/] The worker, process {first.pid}, is killed with SIGKILL in the middle of it"
        )
        second, took = await asyncio.to_thread(house.start_worker, "worker 2", MODULES)
        done(console, f"Another worker is started: process {second.pid}", took)
    elif story.killed_at is not None and event.type == "started" and update.job.attempt > 1:
        story.taken_over_at = time.perf_counter()
        waited = story.taken_over_at - story.killed_at
        done(console, f"The dead worker's lease has run out; the job goes on {waited:.1f} s after the kill")


async def _figures(
    house: House, job: JobHandle, console: Console, story: _Story, elapsed: float
) -> dict[str, Any]:
    snapshot = await job.snapshot()
    kept = [step.name for step in snapshot.steps if step.attempt < snapshot.attempt]
    _require_truth(snapshot, kept, story)
    calls, cost = house.paid("openai")
    recorded = sum((record.cost for record in await job.usage()), Decimal(0))
    if recorded != cost:
        raise HeadwayError(
            f"The demo found a fault: the job's ledger says ${recorded}, the sandbox's ${cost}",
            code="demo_failed",
        )
    assert story.killed_at is not None
    assert story.taken_over_at is not None
    takeover = story.taken_over_at - story.killed_at
    show_figures(
        console,
        [
            ("submit, answered with an id", f"{story.submit_s * 1000:.0f} ms"),
            (
                f"from the database to here, {len(story.latencies)} events over Realtime",
                f"median {story.latencies.median_ms:.0f} ms, worst {story.latencies.worst_ms:.0f} ms",
            ),
            ("from the kill to the next attempt", seconds(takeover)),
            ("steps that the second attempt did not repeat", ", ".join(kept)),
            ("calls of the model, none paid for twice", f"{calls} for ${cost.normalize():f}"),
            ("the whole job, kill and thinking included", seconds(elapsed)),
        ],
    )
    return {
        "job": str(job.id),
        "upload_ms": round(story.upload_s * 1000, 1),
        "submit_ms": round(story.submit_s * 1000, 1),
        "events": len(story.latencies),
        "latency_median_ms": round(story.latencies.median_ms, 1),
        "latency_worst_ms": round(story.latencies.worst_ms, 1),
        "takeover_s": round(takeover, 2),
        "steps_not_repeated": kept,
        "model_calls": calls,
        "cost": str(cost),
        "seconds": round(elapsed, 2),
    }


def _require_truth(snapshot: Snapshot, kept: list[str], story: _Story) -> None:
    outcomes = [attempt.outcome for attempt in snapshot.attempts]
    if story.taken_over_at is None or "lost" not in outcomes or _KILLED_AFTER not in kept:
        raise HeadwayError(
            f"The demo found a fault: attempts ended as {outcomes}, and {kept} were kept", code="demo_failed"
        )
