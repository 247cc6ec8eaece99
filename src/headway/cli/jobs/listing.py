"""``headway list``: a page of jobs, the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from headway.cli.jobs.running import Caller, console, print_json, print_table, run_command

if TYPE_CHECKING:
    from headway.client.headway import AsyncHeadway
    from headway.core.job import JobRecord

__all__ = ["STYLES", "list_jobs", "waiting"]

STYLES = {
    "pending": "yellow",
    "processing": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "dim",
}
"""The colour of each status."""

_ID_WIDTH = 36
_GAP = 2
_LEAST_MESSAGE = 16
# What a narrow terminal goes without, in this order; ids and statuses stay.
_DROPPED = ("message", "stage", "%", "age", "kind")


def list_jobs(caller: Caller, filters: Mapping[str, Any]) -> None:
    """Print one page.

    Args:
        caller: Who, and how to print.
        filters: Arguments of ``AsyncHeadway.list``.
    """

    async def work(client: AsyncHeadway) -> int:
        page = await client.list(**filters)
        if caller.as_json:
            rows = [job.model_dump(mode="json") for job in page]
            print_json({"jobs": rows, "next_cursor": page.next_cursor})
            return 0
        _table(page.jobs)
        if page.next_cursor:
            console().print(f"more: --cursor {page.next_cursor}", style="dim", soft_wrap=True)
        return 0

    run_command(caller, work)


def _table(jobs: tuple[JobRecord, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    screen = console()
    if not jobs:
        screen.print("no jobs", style="dim")
        return
    rows = [_row(job) for job in jobs]
    columns = _columns_for(screen.width, rows)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading, width in columns.items():
        justify: Literal["left", "right"] = "right" if heading == "%" else "left"
        # Only what is said may be cut, never an id.
        least = None if heading == "message" else width
        table.add_column(heading, no_wrap=True, justify=justify, min_width=least)
    for row in rows:
        table.add_row(
            *(Text(row[name], style=STYLES[row[name]] if name == "status" else "") for name in columns)
        )
    screen.width = max(screen.width, _ID_WIDTH)
    print_table(screen, table)


def _row(job: JobRecord) -> dict[str, str]:
    """What each column says of a job, each text on one line."""
    from headway.display.plain_text import one_line, safe_text

    return {
        "id": str(job.id),
        "kind": safe_text(job.kind),
        "status": job.status,
        "%": f"{job.percent:.0f}",
        # Where a job stood last says nothing once it is done.
        "stage": "" if job.status == "completed" else safe_text(job.stage or ""),
        "age": _age(job),
        "message": one_line(_said(job), 500),
    }


def _said(job: JobRecord) -> str:
    if job.status == "failed" and job.error is not None:
        return job.error.message
    if job.status == "cancelled":
        return job.cancel_reason or ""
    if job.status == "pending" and (waits := waiting(job)):
        return waits
    return "" if job.status == "completed" else job.message or ""


def waiting(job: JobRecord) -> str | None:
    """What a pending job waits for; ``None`` when only for a worker.

    Args:
        job: As it is.
    """
    from datetime import UTC, datetime

    from headway.display.durations import short_duration
    from headway.display.plain_text import one_line

    if job.waiting_for == "children":
        return "waits for its children"
    if job.waiting_for == "signal":
        return f"waits for the signal {one_line(job.waiting_on)}"
    left = (job.run_at - datetime.now(UTC)).total_seconds()
    return f"starts in {short_duration(left)}" if left > 1 else None


def _columns_for(room: int, rows: list[dict[str, str]]) -> dict[str, int]:
    """The columns that there is room for, and how wide they are at least."""
    from rich.cells import cell_len

    widths = {
        name: max(cell_len(name), *(cell_len(row[name]) for row in rows))
        for name in rows[0]
        if any(row[name] for row in rows)
    }
    if "message" in widths:
        widths["message"] = min(widths["message"], _LEAST_MESSAGE)
    for name in _DROPPED:
        if sum(widths.values()) + _GAP * (len(widths) - 1) > room:
            widths.pop(name, None)
    return widths


def _age(job: JobRecord) -> str:
    from datetime import UTC, datetime

    from headway.display.durations import short_duration

    return short_duration(max((datetime.now(UTC) - job.created_at).total_seconds(), 0))
