"""What the engine hands to a worker, and answers to its heartbeats and outcomes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from headway.core.job import JobStatus
from headway.core.parts import FileRef
from headway.core.validation import Answer

__all__ = ["Beaten", "Claimed", "Finished"]


class Claimed(Answer):
    """A row of ``claim``: a job to run, and the right to write for this attempt.

    Attributes:
        lease_token: The right; secret, hence not shown in representations.
        deadline_at: The attempt's timeout, by the server's clock.
        failures: Attempts of this run that count against ``max_attempts``, before this one.
        payload: What the job was given; not shown in representations.
        steps: The results of completed steps by name: they are not run again.
        signals: Answers from people and webhooks by name.
    """

    job_id: UUID
    attempt: int
    lease_token: UUID = Field(repr=False)
    lease_expires_at: datetime
    deadline_at: datetime
    kind: str
    queue: str
    priority: int
    run: int
    failures: int
    max_attempts: int
    timeout_seconds: int
    payload: Any = Field(repr=False)
    steps: dict[str, Any] = Field(repr=False)
    signals: dict[str, Any] = Field(repr=False)
    files: tuple[FileRef, ...]
    tags: tuple[str, ...]
    tenant_id: UUID
    owner_id: UUID | None = None
    organization_id: UUID | None = None
    project_id: UUID | None = None
    parent_id: UUID | None = None
    batch_id: UUID | None = None
    cost_budget: Decimal | None = None
    cost_spent: Decimal
    created_at: datetime
    cancel_requested: bool


class Beaten(Answer):
    """A row of ``heartbeat``.

    Attributes:
        state: ``cancel``: asked to stop; ``lost``: stop writing; ``invalid``: the lease is extended, the
            progress was refused with ``code`` and ``reason``.
    """

    job_id: UUID
    attempt: int
    state: Literal["ok", "cancel", "lost", "invalid"]
    code: str | None = None
    reason: str | None = None
    lease_expires_at: datetime | None = None
    cancel_reason: str | None = None


class Finished(Answer):
    """A row of ``finish``.

    Attributes:
        state: ``repeated``: this lease has finished the attempt before, whatever that answer was.
        status: What has become of the job; ``None`` when it is gone.
    """

    job_id: UUID
    attempt: int
    state: Literal["applied", "repeated", "lost", "invalid"]
    status: JobStatus | None = None
    code: str | None = None
    reason: str | None = None
