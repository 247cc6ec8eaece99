"""What a client asks about jobs, and what it tells them, in one request each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from headway.client.batch_watcher import read_batch
from headway.client.connection import Connected
from headway.client.filters import Id, id_of
from headway.client.page import Page
from headway.client.reading import (
    LogLine,
    UsageRecord,
    log_lines,
    read_files,
    read_page,
    read_snapshot,
    read_steps,
    read_timeline,
    read_usage,
)
from headway.core.answers import BatchSnapshot, Cancelled, Retried, Signalled
from headway.core.event import JobEvent
from headway.core.job import JobStatus, Snapshot
from headway.core.json_limits import storable
from headway.core.parts import FileRef, Step
from headway.core.validation import read_answer
from headway.errors import NotFound

__all__ = ["Questions"]


class Questions(Connected):
    """The part of ``AsyncHeadway`` that asks and tells."""

    async def cancel(self, job_id: Id, reason: str | None = None) -> Cancelled:
        """Cancel a job: a pending one ends at once, a running one is asked to; its children with it.

        Raises:
            NotFound: there is no such job, or it is not visible.
            Denied: the caller may read it, but not write.
        """
        arguments = {"job_id": str(id_of(job_id, "job_id")), "reason": reason}
        return read_answer(Cancelled, await self.connection.call("cancel", arguments), "answer to cancel")

    async def cancel_batch(self, batch_id: Id, reason: str | None = None) -> int:
        """Cancel every job of a batch that has not ended; how many that concerns."""
        arguments = {"batch_id": str(id_of(batch_id, "batch_id")), "reason": reason}
        return int(await self.connection.call("cancel_batch", arguments))

    async def retry(
        self, job_id: Id, from_step: str | None = None, *, cost_budget: Decimal | None = None
    ) -> Retried:
        """Run a job that has ended once more; completed steps are kept, or only those before ``from_step``.

        It is the one call that is not repeated when its answer was lost: it might open two runs.

        Args:
            job_id: The job.
            from_step: The first step to do again.
            cost_budget: What the job may cost from its beginning, in US dollars; as it was when omitted. For
                one that a budget has stopped.

        Raises:
            Conflict: the job's state does not allow it.
            NotFound: there is no such job, or it is not visible.
            Denied: the caller may read it, but not write.
            InvalidRequest: the budget is no amount, or more than the kind allows.
        """
        arguments = {"job_id": str(id_of(job_id, "job_id")), "from_step": from_step}
        if cost_budget is not None:
            # As a text: a number of JSON would lose digits.
            arguments["cost_budget"] = str(cost_budget)
        return read_answer(Retried, await self.connection.call("retry", arguments), "answer to retry")

    async def signal(self, job_id: Id, name: str, payload: Any = None) -> Signalled:
        """Give a job what it waits for, or will wait for; the first signal of a name counts.

        Args:
            job_id: The job.
            name: The signal's name.
            payload: A pydantic model or plain JSON.
        """
        arguments = {
            "job_id": str(id_of(job_id, "job_id")),
            "name": name,
            "payload": storable(payload, "payload"),
        }
        return read_answer(Signalled, await self.connection.call("signal", arguments), "answer to signal")

    async def get(self, job_id: Id) -> Snapshot:
        """Everything about a job, as it is now.

        Raises:
            NotFound: there is no such job, or it is not visible.
        """
        return await read_snapshot(self.connection, id_of(job_id, "job_id"))

    async def batch_snapshot(self, batch_id: Id) -> BatchSnapshot:
        """How many of a batch's jobs have ended, and how."""
        return await read_batch(self.connection, id_of(batch_id, "batch_id"))

    async def list(
        self,
        *,
        status: JobStatus | Iterable[JobStatus] | None = None,
        kind: str | Iterable[str] | None = None,
        tags: Iterable[str] | None = None,
        organization_id: Id | None = None,
        project_id: Id | None = None,
        batch_id: Id | None = None,
        parent_id: Id | None = None,
        since: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """One page of the jobs that the caller may see, the newest first.

        Args:
            status: Of this status, or one of these.
            kind: Of this kind, or one of these.
            tags: With all of these tags.
            organization_id: Of this organisation.
            project_id: Of this project.
            batch_id: Of this batch.
            parent_id: Children of this job.
            since: Submitted at this moment or later.
            limit: At most so many, up to 500.
            cursor: The ``next_cursor`` of the page before.

        Raises:
            InvalidRequest: a filter is none; the message names it.
        """
        return await read_page(
            self.connection,
            limit=limit,
            status=status,
            kind=kind,
            tags=tags,
            organization_id=organization_id,
            project_id=project_id,
            batch_id=batch_id,
            parent_id=parent_id,
            since=since,
            cursor=cursor,
        )

    async def active(
        self,
        *,
        kind: str | Iterable[str] | None = None,
        tags: Iterable[str] | None = None,
        organization_id: Id | None = None,
        project_id: Id | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """As ``list``, of the jobs that have not ended."""
        return await self.list(
            status=("pending", "processing"),
            kind=kind,
            tags=tags,
            organization_id=organization_id,
            project_id=project_id,
            limit=limit,
            cursor=cursor,
        )

    async def timeline(self, job_id: Id, after_seq: int = 0) -> tuple[JobEvent, ...]:
        """Everything that has happened to a job after a ``seq``, in order."""
        return await read_timeline(self.connection, id_of(job_id, "job_id"), after_seq)

    async def logs(self, job_id: Id) -> tuple[LogLine, ...]:
        """What a job's handler has logged, in order."""
        return log_lines(await self.timeline(job_id))

    async def steps(self, job_id: Id) -> tuple[Step, ...]:
        """A job's checkpoints with their whole results, in the order in which they began."""
        return await read_steps(self.connection, id_of(job_id, "job_id"))

    async def usage(self, job_id: Id) -> tuple[UsageRecord, ...]:
        """A job's paid calls, in order."""
        return await read_usage(self.connection, id_of(job_id, "job_id"))

    async def files(self, job_id: Id) -> tuple[FileRef, ...]:
        """A job's input and output files."""
        return await read_files(self.connection, id_of(job_id, "job_id"))

    async def file_of(self, job_id: Id, name: str) -> FileRef:
        """One of a job's files; of two with the same name, the output.

        Raises:
            NotFound: the job has no such file.
        """
        found = [file for file in await self.files(job_id) if file.name == name]
        if not found:
            raise NotFound(
                f"the job has no file {name!r:.120}",
                hint="files() says which it has.",
                code="HW301",
                details="name",
            )
        return max(found, key=lambda file: file.direction == "output")
