"""What the engine answers to callers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from headway.core.job import JobStatus
from headway.core.parts import Batch
from headway.core.validation import Answer

__all__ = ["BatchSnapshot", "Cancelled", "Retried", "Signalled", "Submitted", "SubmittedMany", "Watching"]


class Submitted(Answer):
    """What ``submit`` answers.

    Attributes:
        id: The job; not the id that was sent when an earlier job was found by a key.
        created: Whether the job is new.
        merged: By what an earlier job was found.
    """

    id: UUID
    status: JobStatus
    created: bool
    merged: Literal["id", "idempotency_key", "unique_key", "debounce_key"] | None = None
    kind: str
    queue: str
    seq: int
    run_at: datetime
    created_at: datetime


class SubmittedMany(Answer):
    """What ``submit_many`` answers, in the order of the submissions."""

    jobs: tuple[Submitted, ...]
    batch_id: UUID | None = None


class Cancelled(Answer):
    """What ``cancel`` answers: a pending job has ended, a processing one is asked to."""

    id: UUID
    status: JobStatus
    changed: bool
    cancel_requested_at: datetime | None = None


class Retried(Answer):
    """What ``retry`` answers; unchanged when a new run goes on already."""

    id: UUID
    status: JobStatus
    changed: bool
    run: int


class Signalled(Answer):
    """What ``signal`` answers: the first signal of a name counts, and none after the end."""

    state: Literal["delivered", "stored", "repeated", "late"]


class Watching(Answer):
    """What ``watch`` answers: renew it well before it expires."""

    topics: tuple[str, ...]
    expires_at: datetime


class BatchSnapshot(Batch):
    """What ``batch_snapshot`` answers."""

    percent: float
    at: datetime
