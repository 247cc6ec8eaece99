"""What a client asks about jobs, and what it tells them; blocking."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from headway.client.filters import Id
from headway.client.page import Page
from headway.client.reading import LogLine, UsageRecord
from headway.client.sync.runner import HasRunner
from headway.core.answers import BatchSnapshot, Cancelled, Retried, Signalled
from headway.core.event import JobEvent
from headway.core.job import JobStatus, Snapshot
from headway.core.parts import FileRef, Step

__all__ = ["SyncQuestions"]


class SyncQuestions(HasRunner):
    """The part of ``Headway`` that asks and tells."""

    def cancel(self, job_id: Id, reason: str | None = None) -> Cancelled:
        """As ``AsyncHeadway.cancel``."""
        return self.runner.run(lambda hw: hw.cancel(job_id, reason))

    def cancel_batch(self, batch_id: Id, reason: str | None = None) -> int:
        """As ``AsyncHeadway.cancel_batch``."""
        return self.runner.run(lambda hw: hw.cancel_batch(batch_id, reason))

    def retry(
        self, job_id: Id, from_step: str | None = None, *, cost_budget: Decimal | None = None
    ) -> Retried:
        """As ``AsyncHeadway.retry``."""
        return self.runner.run(lambda hw: hw.retry(job_id, from_step, cost_budget=cost_budget))

    def signal(self, job_id: Id, name: str, payload: Any = None) -> Signalled:
        """As ``AsyncHeadway.signal``."""
        return self.runner.run(lambda hw: hw.signal(job_id, name, payload))

    def get(self, job_id: Id) -> Snapshot:
        """As ``AsyncHeadway.get``."""
        return self.runner.run(lambda hw: hw.get(job_id))

    def batch_snapshot(self, batch_id: Id) -> BatchSnapshot:
        """As ``AsyncHeadway.batch_snapshot``."""
        return self.runner.run(lambda hw: hw.batch_snapshot(batch_id))

    def list(
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
        """As ``AsyncHeadway.list``."""
        return self.runner.run(
            lambda hw: hw.list(
                status=status,
                kind=kind,
                tags=tags,
                organization_id=organization_id,
                project_id=project_id,
                batch_id=batch_id,
                parent_id=parent_id,
                since=since,
                limit=limit,
                cursor=cursor,
            )
        )

    def active(
        self,
        *,
        kind: str | Iterable[str] | None = None,
        tags: Iterable[str] | None = None,
        organization_id: Id | None = None,
        project_id: Id | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """As ``AsyncHeadway.active``."""
        return self.runner.run(
            lambda hw: hw.active(
                kind=kind,
                tags=tags,
                organization_id=organization_id,
                project_id=project_id,
                limit=limit,
                cursor=cursor,
            )
        )

    def timeline(self, job_id: Id, after_seq: int = 0) -> tuple[JobEvent, ...]:
        """As ``AsyncHeadway.timeline``."""
        return self.runner.run(lambda hw: hw.timeline(job_id, after_seq))

    def logs(self, job_id: Id) -> tuple[LogLine, ...]:
        """As ``AsyncHeadway.logs``."""
        return self.runner.run(lambda hw: hw.logs(job_id))

    def steps(self, job_id: Id) -> tuple[Step, ...]:
        """As ``AsyncHeadway.steps``."""
        return self.runner.run(lambda hw: hw.steps(job_id))

    def usage(self, job_id: Id) -> tuple[UsageRecord, ...]:
        """As ``AsyncHeadway.usage``."""
        return self.runner.run(lambda hw: hw.usage(job_id))

    def files(self, job_id: Id) -> tuple[FileRef, ...]:
        """As ``AsyncHeadway.files``."""
        return self.runner.run(lambda hw: hw.files(job_id))

    def file_of(self, job_id: Id, name: str) -> FileRef:
        """As ``AsyncHeadway.file_of``."""
        return self.runner.run(lambda hw: hw.file_of(job_id, name))
