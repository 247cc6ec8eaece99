"""A job as it can be read: briefly in lists, as a state in messages, as a row, as a whole snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import Field, model_validator

from headway.core.parts import Attempt, Batch, Cost, Eta, Fault, FileRef, Stage, Step
from headway.core.validation import Answer

__all__ = ["ENDS", "STATUSES", "JobBrief", "JobRecord", "JobState", "JobStatus", "Snapshot"]

JobStatus: TypeAlias = Literal["pending", "processing", "completed", "failed", "cancelled"]
STATUSES: tuple[JobStatus, ...] = get_args(JobStatus)
ENDS: frozenset[JobStatus] = frozenset({"completed", "failed", "cancelled"})
"""The statuses in which a job stays, unless a person retries it."""

_FAULT = {name: f"error_{name}" for name in ("code", "message", "hint", "step")}


class JobBrief(Answer):
    """What lists tell of a job.

    Attributes:
        percent: 0 to 100; within an attempt it never falls.
        attempt: Number of the latest execution, 0 before the first.
        run: 1, plus one for every retry by a person.
        seq: The ``seq`` of the latest event.
        revision: Rises with every change, percent included: of two states the one with more is later.
    """

    id: UUID
    kind: str
    status: JobStatus
    percent: float = Field(ge=0, le=100, allow_inf_nan=False)
    stage: str | None = None
    message: str | None = None
    attempt: int = Field(ge=0)
    run: int = Field(ge=1)
    seq: int = Field(ge=1)
    revision: int = Field(ge=1)
    batch_id: UUID | None = None
    parent_id: UUID | None = None
    updated_at: datetime

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen, unless a person retries the job."""
        return self.status in ENDS

    @model_validator(mode="before")
    @classmethod
    def _one_shape(cls, document: Any) -> Any:
        # Messages call the id job_id, because realtime.send gives every message an id of its own, which may
        # be beside it; rows of headway.jobs spread the error over four columns.
        if not isinstance(document, Mapping):
            return document
        shaped = dict(document)
        if "job_id" in shaped:
            shaped["id"] = shaped.pop("job_id")
        if "error" not in shaped and shaped.get("error_code") is not None:
            shaped["error"] = {part: shaped.get(column) for part, column in _FAULT.items()}
        return shaped


class JobState(JobBrief):
    """What a job's own messages tell of it.

    Attributes:
        metrics: Free figures of the handler, at most 4 kB.
        run_at: Not before; in the future while the job is delayed or waits for its next attempt.
        waiting_for: What a job without a worker waits for.
        error: What the latest attempt failed of, until the next one starts.
    """

    metrics: dict[str, Any] = Field(default_factory=dict)
    run_at: datetime
    waiting_for: Literal["children", "signal"] | None = None
    cancel_requested_at: datetime | None = None
    finished_at: datetime | None = None
    error: Fault | None = None


class JobRecord(JobState):
    """A row of ``headway.jobs``.

    Attributes:
        tenant_id: Whose turn, limits and budget it counts for.
        failures: Attempts of this run that count against ``max_attempts``.
        depth: How many ancestors it has.
        waiting_on: The signal that it waits for.
        started_at: When the first attempt of this run began.
        delete_after: When it will be removed with its files.
    """

    queue: str
    priority: int
    failures: int
    max_attempts: int
    waiting_on: str | None = None
    stage_started_at: datetime | None = None
    cancel_reason: str | None = None
    tenant_id: UUID
    owner_id: UUID | None = None
    organization_id: UUID | None = None
    project_id: UUID | None = None
    depth: int = 0
    tags: tuple[str, ...] = ()
    created_at: datetime
    started_at: datetime | None = None
    delete_after: datetime | None = None


class Snapshot(JobRecord):
    """Everything about a job at one ``seq``: what ``headway.snapshot`` answers.

    Attributes:
        result: What the job has answered; ``None`` until completed, and when ``result_omitted``.
        result_omitted: The result has more than 256 kB: read ``job_outputs``.
        attempts: The latest 50 that have ended.
        children: How many children have which status; statuses without any are left out.
        stages: The kind's, in order.
        push: ``watched`` means that messages come only while a watch lease is held: call ``headway.watch``.
        at: The moment of reading, by the server's clock.
    """

    steps: tuple[Step, ...]
    files: tuple[FileRef, ...]
    attempts: tuple[Attempt, ...]
    children: dict[JobStatus, int]
    batch: Batch | None = None
    cost: Cost | None = None
    eta: Eta | None = None
    stages: tuple[Stage, ...] = ()
    push: Literal["always", "watched"] | None = None
    result: Any = None
    result_omitted: bool = False
    at: datetime
