"""``headway list``: a page of jobs, the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headway.cli.jobs.running import Caller, console, print_json, run_command

if TYPE_CHECKING:
    from headway.client.headway import AsyncHeadway
    from headway.core.job import JobRecord

__all__ = ["STYLES", "list_jobs"]

STYLES = {
    "pending": "yellow",
    "processing": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "dim",
}
"""The colour of each status."""


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

    from headway.display.plain_text import one_line, safe_text

    screen = console()
    if not jobs:
        screen.print("no jobs", style="dim")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "kind", "status", "%", "stage", "age", "message"):
        table.add_column(heading, no_wrap=heading != "message", justify="right" if heading == "%" else "left")
    # What is printed into a pipe is read by programs: never cut an id there.
    table.columns[0].min_width = 36
    for job in jobs:
        said = job.error.message if job.error is not None and job.status == "failed" else job.message
        table.add_row(
            str(job.id),
            safe_text(job.kind),
            Text(job.status, style=STYLES[job.status]),
            f"{job.percent:.0f}",
            Text(safe_text(job.stage or "")),
            _age(job),
            Text(one_line(said or "", 80)),
        )
    screen.print(table)


def _age(job: JobRecord) -> str:
    from datetime import UTC, datetime

    from headway.display.durations import short_duration

    return short_duration(max((datetime.now(UTC) - job.created_at).total_seconds(), 0))
