"""``headway show``: everything about one job."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from headway.cli.jobs.listing import STYLES, waiting
from headway.cli.jobs.running import Caller, console, print_json, print_table, run_command

if TYPE_CHECKING:
    from rich.console import Console

    from headway.client.headway import AsyncHeadway
    from headway.client.reading import UsageRecord
    from headway.core.event import JobEvent
    from headway.core.job import Snapshot
    from headway.core.parts import Step

__all__ = ["show_job"]


def show_job(caller: Caller, job_id: str) -> None:
    """Print a job's state, stages, steps, attempts, timeline, files and usage.

    Args:
        caller: Who, and how to print.
        job_id: The job.
    """

    async def work(client: AsyncHeadway) -> int:
        job = client.job(job_id)
        snapshot, steps, timeline, usage = await asyncio.gather(
            job.snapshot(), job.steps(), job.timeline(), job.usage()
        )
        if caller.as_json:
            document = snapshot.model_dump(mode="json")
            document["steps"] = [step.model_dump(mode="json") for step in steps]
            document["timeline"] = [event.model_dump(mode="json") for event in timeline]
            document["usage"] = [record.model_dump(mode="json") for record in usage]
            print_json(document)
            return 0
        _print(console(), snapshot, steps, timeline, usage)
        return 0

    run_command(caller, work)


def _print(
    screen: Console,
    job: Snapshot,
    steps: Sequence[Step],
    timeline: Sequence[JobEvent],
    usage: Sequence[UsageRecord],
) -> None:
    from rich.text import Text

    from headway.display.durations import short_duration
    from headway.display.plain_text import one_line, safe_text

    head = Text(f"{safe_text(job.kind)} ", style="bold").append(str(job.id), style="not bold dim")
    screen.print(head, soft_wrap=True)
    line = Text(f"{job.status}", style=STYLES[job.status]).append(f"  {job.percent:.0f} %", style="default")
    line.append(f"  run {job.run}, attempt {job.attempt} of {job.max_attempts}", style="dim")
    line.append(f"  queue {safe_text(job.queue)}, priority {job.priority}", style="dim")
    if job.eta is not None and job.status == "processing":
        line.append(f"  about {short_duration(job.eta.seconds)} left", style="cyan")
    screen.print(line)
    if job.error is not None:
        screen.print(Text(f"{safe_text(job.error.code)}: {one_line(job.error.message, 500)}", style="red"))
        if job.error.hint:
            screen.print(Text(f"hint: {one_line(job.error.hint, 500)}", style="dim"))
    elif job.cancel_reason:
        screen.print(Text(f"reason: {one_line(job.cancel_reason, 500)}"))
    elif job.message and job.status != "completed":
        screen.print(Text(one_line(job.message, 500)))
    if job.status == "pending" and (waits := waiting(job)):
        screen.print(Text(waits, style="yellow"))
    if job.metrics:
        screen.print(
            Text("  ".join(f"{one_line(k)}={one_line(v)}" for k, v in job.metrics.items()), style="dim")
        )
    _stages(screen, job)
    # A step that was under way when its job ended is under way no more.
    marks = {"completed": "✓", "failed": "✗", "running": "○" if job.finished_at else "●"}
    _section(
        screen,
        "steps",
        (
            (marks[step.status], step.name, f"attempt {step.attempt}", step.error_message or _took(step))
            for step in steps
        ),
    )
    _section(
        screen,
        "attempts",
        (
            (
                str(each.attempt),
                each.outcome,
                short_duration((each.ended_at - each.started_at).total_seconds()),
                f"{each.error_code}: {each.error_message}" if each.error_code else "",
            )
            for each in job.attempts
        ),
    )
    _section(
        screen, "files", ((f.direction, f.name, _size(f.bytes), f"{f.bucket}/{f.path}") for f in job.files)
    )
    _section(
        screen,
        "usage",
        (
            (
                record.provider,
                record.model or "",
                f"{record.quantity.normalize():f} {record.unit}",
                f"${record.cost.normalize():f}",
            )
            for record in usage
        ),
    )
    if job.cost is not None and usage:
        screen.print(f"  in all ${job.cost.spent.normalize():f}", style="dim")
    _section(screen, "timeline", (_event(event, timeline[0]) for event in timeline))


def _stages(screen: Console, job: Snapshot) -> None:
    from rich.text import Text

    from headway.core.feed import Update
    from headway.display.board import Board
    from headway.display.flow import flowing

    card = Board(lambda: 0.0).take(Update(job, snapshot=job))
    signs = {"done": "✓", "now": "●", "todo": "○", "failed": "✗"}
    if card.stages:
        marks = (Text(f"{signs[mark.state]} {mark.label}") for mark in card.stages)
        for line in flowing(marks, screen.width):
            screen.print(line)


def _section(screen: Console, heading: str, rows: Iterable[tuple[str, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from headway.display.plain_text import one_line

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row("", *(Text(one_line(cell, 300)) for cell in row))
    if table.row_count:
        screen.print(f"\n{heading}", style="bold")
        print_table(screen, table)


def _event(event: JobEvent, first: JobEvent) -> tuple[str, ...]:
    after = f"+{(event.at - first.at).total_seconds():.3f} s"
    return str(event.seq), after, event.type.replace("_", " "), _said(event)


def _said(event: JobEvent) -> str:
    from headway.display.plain_text import one_line

    if event.fault is not None:
        where = f"{event.step}: " if event.step else ""
        return f"{where}{event.fault.code}: {event.fault.message}"
    if event.type == "emitted":
        return f"{event.name}: {one_line(event.output, 200)}"
    parts: list[Any] = [event.stage or event.step or event.name, event.message or event.reason]
    return "  ".join(str(part) for part in parts if part)


def _took(step: Step) -> str:
    from headway.display.durations import short_duration

    if step.finished_at is None:
        return ""
    return short_duration((step.finished_at - step.started_at).total_seconds())


def _size(size: int | None) -> str:
    from rich.filesize import decimal

    return "" if size is None else decimal(size)
