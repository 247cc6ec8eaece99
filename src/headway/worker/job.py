"""What a handler can know of the job it runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from headway.core.lease import Claimed

__all__ = ["JobInfo"]


@dataclass(frozen=True, slots=True)
class JobInfo:
    """The job of one execution: ``ctx.job``.

    Attributes:
        id: The job.
        attempt: Number of this execution; rises at every start and never falls.
        run: 1, plus one for every retry by a person.
        failures: Executions of this run that have failed before.
        max_attempts: How many may fail.
        owner_id: The person it runs for; ``None`` for jobs of the service.
        tenant_id: Whose turn, limits and budget it counts for.
        created_at: When it was submitted, by the server's clock.
        deadline_at: When this execution times out, by the server's clock.
        priority: 0 to 9, 9 is the most urgent.
        cost_budget: What its paid calls may cost in all; ``None`` is no limit.
    """

    id: UUID
    kind: str
    queue: str
    attempt: int
    run: int
    failures: int
    max_attempts: int
    tenant_id: UUID
    created_at: datetime
    deadline_at: datetime
    priority: int
    owner_id: UUID | None = None
    organization_id: UUID | None = None
    project_id: UUID | None = None
    parent_id: UUID | None = None
    batch_id: UUID | None = None
    tags: tuple[str, ...] = ()
    cost_budget: Decimal | None = None

    @classmethod
    def of(cls, claimed: Claimed) -> JobInfo:
        """What a claim says of its job."""
        return cls(
            id=claimed.job_id,
            kind=claimed.kind,
            queue=claimed.queue,
            attempt=claimed.attempt,
            run=claimed.run,
            failures=claimed.failures,
            max_attempts=claimed.max_attempts,
            tenant_id=claimed.tenant_id,
            created_at=claimed.created_at,
            deadline_at=claimed.deadline_at,
            priority=claimed.priority,
            owner_id=claimed.owner_id,
            organization_id=claimed.organization_id,
            project_id=claimed.project_id,
            parent_id=claimed.parent_id,
            batch_id=claimed.batch_id,
            tags=claimed.tags,
            cost_budget=claimed.cost_budget,
        )
