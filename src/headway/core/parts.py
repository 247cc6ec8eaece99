"""What a job's snapshot is made of."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from headway.core.validation import Answer

__all__ = ["Attempt", "Batch", "Cost", "Eta", "Fault", "FileRef", "Outcome", "Stage", "Step"]

Outcome: TypeAlias = Literal[
    "completed", "failed", "retried", "snoozed", "released", "waiting", "cancelled", "lost"
]


class Fault(Answer):
    """What an attempt or a job failed of.

    Attributes:
        code: Machine-readable.
        message: For people.
        hint: What to do about it.
        step: The step it happened in.
    """

    code: str
    message: str
    hint: str | None = None
    step: str | None = None


class Stage(Answer):
    """A part of the work that people see.

    Attributes:
        name: Stable, for programs.
        label: For people.
        weight: Its share of the whole, relative to the other stages.
    """

    name: str
    label: str | None = None
    weight: float = Field(default=1, ge=0, allow_inf_nan=False)


class Step(Answer):
    """A named checkpoint; a completed one is never run again.

    Attributes:
        name: Unique within the job.
        attempt: The attempt that ran it last.
        result: What it answered; ``None`` unless completed, and when ``result_omitted``.
        result_omitted: The result has more than 8 kB: read ``job_steps``.
    """

    name: str
    status: Literal["running", "completed", "failed"]
    attempt: int
    started_at: datetime
    finished_at: datetime | None = None
    error_code: str | None = None
    error_message: str | None = None
    result: Any = None
    result_omitted: bool = False


class FileRef(Answer):
    """A Storage object that a job was given or has made.

    Attributes:
        name: Unique among the job's files of one direction.
        bytes: Its size, when known.
        sha256: Its checksum as lower-case hexadecimal digits, when known.
    """

    direction: Literal["input", "output"]
    name: str
    bucket: str
    path: str
    content_type: str | None = None
    bytes: int | None = None
    sha256: str | None = None


class Attempt(Answer):
    """An execution that has ended.

    Attributes:
        attempt: Its number; rises at every start and never falls.
        run: 1, plus one for every retry by a person.
    """

    attempt: int
    run: int
    outcome: Outcome
    started_at: datetime
    ended_at: datetime
    error_code: str | None = None
    error_message: str | None = None


class Batch(Answer):
    """Jobs that were submitted together; the counts are of jobs."""

    id: UUID
    name: str | None = None
    total: int
    completed: int
    failed: int
    cancelled: int
    finished_at: datetime | None = None

    @property
    def open(self) -> int:
        """How many have not ended."""
        return self.total - self.completed - self.failed - self.cancelled


class Cost(Answer):
    """What the job's paid calls cost, exactly.

    Attributes:
        spent: What was accounted for.
        reserved: Announced by calls under way.
        budget: What must not be passed, if anything.
        calls: How many were accounted for.
    """

    spent: Decimal
    reserved: Decimal
    budget: Decimal | None = None
    calls: int


class Eta(Answer):
    """When a job will probably end, learnt from past runs of its kind.

    Attributes:
        seconds: Left at the moment of the snapshot.
        at: The moment of the end, by the server's clock.
        runs: How many runs it was learnt from; ``None`` when only the percent is known.
    """

    seconds: float
    at: datetime
    runs: int | None = None
