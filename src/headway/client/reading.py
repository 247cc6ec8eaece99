"""What can be read of jobs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from headway.client.connection import Connection
from headway.client.filters import MOST_ROWS, narrow
from headway.client.page import Page, cursor_after
from headway.core.event import JobEvent
from headway.core.job import JobRecord, Snapshot
from headway.core.parts import FileRef, Step
from headway.core.validation import Answer, read_answer, read_answers
from headway.errors import InvalidRequest, NotFound

__all__ = [
    "LogLine",
    "UsageRecord",
    "log_lines",
    "read_files",
    "read_page",
    "read_result",
    "read_snapshot",
    "read_steps",
    "read_timeline",
    "read_usage",
]


class UsageRecord(Answer):
    """One paid call of a job.

    Attributes:
        state: ``recorded`` is its true cost; ``reserved`` what a call under way may cost at most; ``assumed``
            what counts for a call whose attempt ended without telling.
        cost: Exactly, in the currency of the prices that the worker knows.
    """

    id: UUID
    job_id: UUID | None
    attempt: int
    step: str | None = None
    provider: str
    model: str | None = None
    unit: str
    state: str
    quantity: Decimal
    cost: Decimal
    at: datetime


class LogLine(Answer):
    """A line that the handler has logged for its watchers."""

    seq: int
    at: datetime
    attempt: int
    level: str
    message: str


async def read_snapshot(connection: Connection, job_id: UUID) -> Snapshot:
    """Everything about a job, as it is now."""
    document = await connection.call("snapshot", {"job_id": str(job_id)})
    return read_answer(Snapshot, document, "snapshot")


async def read_page(connection: Connection, *, limit: int, **filters: Any) -> Page:
    """One page of jobs, the newest first."""
    if isinstance(limit, bool) or not 1 <= limit <= MOST_ROWS:
        raise InvalidRequest(
            f"limit: must be 1 to {MOST_ROWS}",
            hint="Ask for page after page with cursor.",
            code="HW103",
            details="limit",
        )
    rows = await connection.select(
        lambda rest: (
            narrow(rest.from_("jobs").select("*"), **filters)
            .order("created_at", desc=True)
            .order("id", desc=True)
            # One more, which says whether there is another page.
            .limit(limit + 1)
        )
    )
    jobs = read_answers(JobRecord, rows[:limit], "list of jobs")
    return Page(tuple(jobs), cursor_after(jobs) if len(rows) > limit else None)


async def read_timeline(connection: Connection, job_id: UUID, after_seq: int = 0) -> tuple[JobEvent, ...]:
    """Every event of a job after a ``seq``, in order."""
    events: list[JobEvent] = []
    while True:
        arguments = {"job_id": str(job_id), "after_seq": after_seq, "max_events": MOST_ROWS}
        batch = read_answers(JobEvent, await connection.call("events_after", arguments), "events")
        events += batch
        if len(batch) < MOST_ROWS:
            return tuple(events)
        after_seq = batch[-1].seq


def log_lines(events: Iterable[JobEvent]) -> tuple[LogLine, ...]:
    """What was logged, of what has happened."""
    lines = []
    for event in events:
        if event.type == "emitted" and event.name == "log" and isinstance(event.output, dict):
            said = {part: str(event.output.get(part, "")) for part in ("level", "message")}
            lines.append(LogLine(seq=event.seq, at=event.at, attempt=event.attempt, **said))
    return tuple(lines)


async def read_steps(connection: Connection, job_id: UUID) -> tuple[Step, ...]:
    """Every checkpoint with its whole result, in the order in which they began."""
    rows = await _rows_of(connection, "job_steps", job_id, ("ordinal", "name"))
    return tuple(read_answers(Step, rows, "steps"))


async def read_files(connection: Connection, job_id: UUID) -> tuple[FileRef, ...]:
    """The job's input and output files."""
    rows = await _rows_of(connection, "job_files", job_id, ("name", "direction"))
    return tuple(read_answers(FileRef, rows, "files"))


async def read_usage(connection: Connection, job_id: UUID) -> tuple[UsageRecord, ...]:
    """The job's paid calls in order."""
    # Decimals as text: JSON's numbers are floats to whoever reads them here.
    columns = ("*", "cost::text", "quantity::text")
    rows = await _rows_of(connection, "usage", job_id, ("at", "id"), columns)
    return tuple(read_answers(UsageRecord, rows, "usage"))


async def read_result(connection: Connection, job_id: UUID) -> Any:
    """The result of a completed job, however large.

    Raises:
        NotFound: there is none, or it is not visible.
    """
    rows = await connection.select(
        lambda rest: rest.from_("job_outputs").select("result").eq("job_id", str(job_id)).limit(1)
    )
    if not rows:
        raise NotFound(
            "the job has no result any more", hint="It may have been retried; watch it.", code="HW301"
        )
    return rows[0]["result"]


async def _rows_of(
    connection: Connection,
    table: str,
    job_id: UUID,
    order: tuple[str, str],
    columns: tuple[str, ...] = ("*",),
) -> list[dict[str, Any]]:
    """All rows of a table about a job; a job that is not visible is an error, not an empty list.

    Args:
        order: Columns that leave no two rows equal, or pages might show one twice and another never.
    """
    rows: list[dict[str, Any]] = []
    while True:
        page = await connection.select(partial(_part, table, columns, job_id, order, len(rows)))
        rows += page
        if len(page) < MOST_ROWS:
            break
    if not rows:
        await read_snapshot(connection, job_id)
    return rows


def _part(
    table: str, columns: tuple[str, ...], job_id: UUID, order: tuple[str, str], start: int, rest: Any
) -> Any:
    query = rest.from_(table).select(*columns).eq("job_id", str(job_id)).order(order[0]).order(order[1])
    return query.range(start, start + MOST_ROWS - 1)
