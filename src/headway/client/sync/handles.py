"""Handles for code without an event loop."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload
from uuid import UUID

from headway.client.aside import beside
from headway.client.files import OnProgress
from headway.client.handles import BatchHandle, JobHandle
from headway.client.reading import LogLine, UsageRecord
from headway.client.sync.watch import SyncWatch
from headway.client.telling import OnUpdate
from headway.core.answers import BatchSnapshot, Cancelled, Retried, Signalled, Submitted
from headway.core.event import JobEvent
from headway.core.feed import Update
from headway.core.job import Snapshot
from headway.core.parts import FileRef, Step

if TYPE_CHECKING:
    from headway.client.sync.headway import Headway

__all__ = ["SyncBatchHandle", "SyncJobHandle"]

T = TypeVar("T")


class SyncJobHandle:
    """One job; as ``JobHandle``, blocking.

    Attributes:
        id: The job's id.
        submitted: What the engine has answered; ``None`` for a handle that was made of an id.
    """

    def __init__(self, headway: Headway, handle: JobHandle) -> None:
        self.id: UUID = handle.id
        self.submitted: Submitted | None = handle.submitted
        self._headway = headway
        self._handle = handle

    @property
    def kind(self) -> str | None:
        """The job's kind; ``None`` when the handle was made of an id."""
        return self._handle.kind

    @property
    def created(self) -> bool:
        """Whether the submission has made the job, rather than found an earlier one."""
        return self._handle.created

    @property
    def merged(self) -> str | None:
        """By what an earlier job was found: ``id``, ``idempotency_key``, ``unique_key``, ``debounce_key``."""
        return self._handle.merged

    def watch(
        self,
        after_seq: int | None = None,
        *,
        follow_retries: bool = False,
        on_update: OnUpdate[Update] | None = None,
    ) -> SyncWatch[Update]:
        """Yields every step of the job, each as soon as it happens, until the end."""
        return SyncWatch(
            self._headway.runner,
            lambda _: self._handle.watch(after_seq, follow_retries=follow_retries, on_update=on_update),
        )

    @overload
    def result(
        self,
        timeout: float | None = None,
        into: None = None,
        *,
        on_update: OnUpdate[Update] | None = None,
    ) -> Any: ...
    @overload
    def result(
        self, timeout: float | None = None, *, into: type[T], on_update: OnUpdate[Update] | None = None
    ) -> T: ...
    def result(
        self,
        timeout: float | None = None,
        into: Any = None,
        *,
        on_update: OnUpdate[Update] | None = None,
    ) -> Any:
        """As ``AsyncHeadway.result``, for this job."""
        return self._headway.runner.run(lambda _: self._handle.result(timeout, into, on_update=on_update))

    def snapshot(self) -> Snapshot:
        """Everything about the job, as it is now."""
        return self._headway.get(self.id)

    def cancel(self, reason: str | None = None) -> Cancelled:
        """As ``AsyncHeadway.cancel``, for this job."""
        return self._headway.cancel(self.id, reason)

    def retry(self, from_step: str | None = None, *, cost_budget: Decimal | None = None) -> Retried:
        """As ``AsyncHeadway.retry``, for this job."""
        return self._headway.retry(self.id, from_step, cost_budget=cost_budget)

    def signal(self, name: str, payload: Any = None) -> Signalled:
        """As ``AsyncHeadway.signal``, for this job."""
        return self._headway.signal(self.id, name, payload)

    def timeline(self, after_seq: int = 0) -> tuple[JobEvent, ...]:
        """Everything that has happened, in order."""
        return self._headway.timeline(self.id, after_seq)

    def logs(self) -> tuple[LogLine, ...]:
        """What the handler has logged, in order."""
        return self._headway.logs(self.id)

    def steps(self) -> tuple[Step, ...]:
        """Every checkpoint with its whole result, in the order in which they began."""
        return self._headway.steps(self.id)

    def usage(self) -> tuple[UsageRecord, ...]:
        """The job's paid calls, in order."""
        return self._headway.usage(self.id)

    def files(self) -> tuple[FileRef, ...]:
        """The job's input and output files."""
        return self._headway.files(self.id)

    def download(
        self, name: str, to: Path | str, *, replace: bool = True, on_progress: OnProgress | None = None
    ) -> Path:
        """As ``JobHandle.download``."""
        with beside("on_progress", on_progress) as telling:
            return self._headway.runner.run(
                lambda _: self._handle.download(name, to, replace=replace, on_progress=telling)
            )

    def signed_url(self, name: str, *, expires: int = 3600, download_as: str | None = None) -> str:
        """As ``JobHandle.signed_url``."""
        return self._headway.runner.run(
            lambda _: self._handle.signed_url(name, expires=expires, download_as=download_as)
        )

    def __repr__(self) -> str:
        return f"Sync{self._handle!r}"


class SyncBatchHandle:
    """Jobs that were submitted together; as ``BatchHandle``, blocking.

    Attributes:
        id: The batch's id; ``None`` when the jobs were not put into one.
        jobs: The jobs, in the order in which they were sent.
    """

    def __init__(self, headway: Headway, handle: BatchHandle) -> None:
        self.id: UUID | None = handle.id
        self.jobs = tuple(SyncJobHandle(headway, job) for job in handle.jobs)
        self._headway = headway
        self._handle = handle

    def snapshot(self) -> BatchSnapshot:
        """As ``BatchHandle.snapshot``."""
        return self._headway.runner.run(lambda _: self._handle.snapshot())

    def watch(self, *, on_update: OnUpdate[BatchSnapshot] | None = None) -> SyncWatch[BatchSnapshot]:
        """As ``BatchHandle.watch``."""
        return SyncWatch(self._headway.runner, lambda _: self._handle.watch(on_update=on_update))

    def cancel(self, reason: str | None = None) -> int:
        """As ``BatchHandle.cancel``."""
        return self._headway.runner.run(lambda _: self._handle.cancel(reason))

    def __len__(self) -> int:
        return len(self.jobs)

    def __repr__(self) -> str:
        return f"Sync{self._handle!r}"
