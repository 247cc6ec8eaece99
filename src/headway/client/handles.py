"""What submitting hands back: one job, or a batch of them, to watch, ask and stop."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload
from uuid import UUID

from headway.client.files import OnProgress
from headway.client.job_watcher import JobWatcher
from headway.client.outcome import wait_for_result
from headway.client.reading import LogLine, UsageRecord
from headway.client.telling import OnUpdate
from headway.client.watch import Watch
from headway.core.answers import BatchSnapshot, Cancelled, Retried, Signalled, Submitted
from headway.core.event import JobEvent
from headway.core.feed import Update
from headway.core.job import Snapshot
from headway.core.parts import FileRef, Step
from headway.errors import InvalidRequest

if TYPE_CHECKING:
    from headway.client.headway import AsyncHeadway

__all__ = ["BatchHandle", "JobHandle", "no_batch"]

T = TypeVar("T")


class JobHandle:
    """One job.

    Attributes:
        id: The job's id.
        submitted: What the engine has answered; ``None`` for a handle that was made of an id.
    """

    def __init__(self, headway: AsyncHeadway, job_id: UUID, submitted: Submitted | None = None) -> None:
        self.id = job_id
        self.submitted = submitted
        self._headway = headway
        # Until it is first watched, there is nothing to read that the submission has not answered.
        self._fresh = submitted is not None and submitted.created

    @property
    def kind(self) -> str | None:
        """The job's kind; ``None`` when the handle was made of an id."""
        return self.submitted.kind if self.submitted is not None else None

    @property
    def created(self) -> bool:
        """Whether the submission has made the job, rather than found an earlier one."""
        return self.submitted is not None and self.submitted.created

    @property
    def merged(self) -> str | None:
        """By what an earlier job was found: ``id``, ``idempotency_key``, ``unique_key``, ``debounce_key``."""
        return self.submitted.merged if self.submitted is not None else None

    def watch(
        self,
        after_seq: int | None = None,
        *,
        follow_retries: bool = False,
        on_update: OnUpdate[Update] | None = None,
    ) -> Watch[Update]:
        """As ``AsyncHeadway.watch``, for this job.

        The first watch of the handle that has created the job tells its whole story, from ``submitted`` on,
        however fast the job is.
        """
        fresh = self._take_freshness() and after_seq is None
        start = 0 if fresh else after_seq
        watcher = JobWatcher(self.id, start, follow_retries=follow_retries, fresh=fresh)
        return Watch(self._headway.connection, watcher, on_update)

    @overload
    async def result(
        self,
        timeout: float | None = None,
        into: None = None,
        *,
        on_update: OnUpdate[Update] | None = None,
    ) -> Any: ...
    @overload
    async def result(
        self, timeout: float | None = None, *, into: type[T], on_update: OnUpdate[Update] | None = None
    ) -> T: ...
    async def result(
        self,
        timeout: float | None = None,
        into: Any = None,
        *,
        on_update: OnUpdate[Update] | None = None,
    ) -> Any:
        """As ``AsyncHeadway.result``, for this job."""
        return await wait_for_result(
            self._headway.connection,
            self.id,
            timeout=timeout,
            into=into,
            on_update=on_update,
            fresh=self._take_freshness(),
        )

    async def snapshot(self) -> Snapshot:
        """Everything about the job, as it is now."""
        return await self._headway.get(self.id)

    async def cancel(self, reason: str | None = None) -> Cancelled:
        """As ``AsyncHeadway.cancel``, for this job."""
        return await self._headway.cancel(self.id, reason)

    async def retry(self, from_step: str | None = None, *, cost_budget: Decimal | None = None) -> Retried:
        """As ``AsyncHeadway.retry``, for this job."""
        return await self._headway.retry(self.id, from_step, cost_budget=cost_budget)

    async def signal(self, name: str, payload: Any = None) -> Signalled:
        """As ``AsyncHeadway.signal``, for this job."""
        return await self._headway.signal(self.id, name, payload)

    async def timeline(self, after_seq: int = 0) -> tuple[JobEvent, ...]:
        """Everything that has happened, in order."""
        return await self._headway.timeline(self.id, after_seq)

    async def logs(self) -> tuple[LogLine, ...]:
        """What the handler has logged, in order."""
        return await self._headway.logs(self.id)

    async def steps(self) -> tuple[Step, ...]:
        """Every checkpoint with its whole result, in the order in which they began."""
        return await self._headway.steps(self.id)

    async def usage(self) -> tuple[UsageRecord, ...]:
        """The job's paid calls, in order."""
        return await self._headway.usage(self.id)

    async def files(self) -> tuple[FileRef, ...]:
        """The job's input and output files."""
        return await self._headway.files(self.id)

    async def download(
        self, name: str, to: Path | str, *, replace: bool = True, on_progress: OnProgress | None = None
    ) -> Path:
        """Write one of the job's files to disk; of two with the same name, the output.

        Args:
            name: What the job calls it.
            to: The file to write, or a folder that exists.
            replace: Whether a file that is there already is replaced.
            on_progress: Called as bytes arrive.

        Raises:
            NotFound: the job has no such file.
        """
        return await self._headway.download(
            await self._file(name), to, replace=replace, on_progress=on_progress
        )

    async def signed_url(self, name: str, *, expires: int = 3600, download_as: str | None = None) -> str:
        """A link to one of the job's files, for whoever has it, for some seconds."""
        file = await self._file(name)
        return await self._headway.signed_url(file, expires=expires, download_as=download_as)

    def __repr__(self) -> str:
        return f"JobHandle({str(self.id)!r}{f', kind={self.kind!r}' if self.kind else ''})"

    async def _file(self, name: str) -> FileRef:
        return await self._headway.file_of(self.id, name)

    def _take_freshness(self) -> bool:
        fresh, self._fresh = self._fresh, False
        return fresh


class BatchHandle:
    """Jobs that were submitted together.

    Attributes:
        id: The batch's id; ``None`` when the jobs were not put into one.
        jobs: The jobs, in the order in which they were sent.
    """

    def __init__(self, headway: AsyncHeadway, batch_id: UUID | None, jobs: tuple[JobHandle, ...]) -> None:
        self.id = batch_id
        self.jobs = jobs
        self._headway = headway

    async def snapshot(self) -> BatchSnapshot:
        """How many of its jobs have ended, and how.

        Raises:
            InvalidRequest: the jobs were not put into a batch.
        """
        return await self._headway.batch_snapshot(self._needed())

    def watch(self, *, on_update: OnUpdate[BatchSnapshot] | None = None) -> Watch[BatchSnapshot]:
        """Yields the counts whenever they have changed, until the last job has ended."""
        return self._headway.watch_batch(self._needed(), on_update=on_update)

    async def cancel(self, reason: str | None = None) -> int:
        """Cancel every job that has not ended; how many that concerns."""
        return await self._headway.cancel_batch(self._needed(), reason)

    def __len__(self) -> int:
        return len(self.jobs)

    def __repr__(self) -> str:
        return f"BatchHandle({str(self.id)!r}, {len(self.jobs)} jobs)"

    def _needed(self) -> UUID:
        if self.id is None:
            raise no_batch()
        return self.id


def no_batch() -> InvalidRequest:
    """What is said of jobs that are in no batch."""
    return InvalidRequest(
        "batch_id: the jobs were not put into a batch",
        hint="Pass batch_name or batch_id to submit_many.",
        code="HW102",
        details="batch_id",
    )
