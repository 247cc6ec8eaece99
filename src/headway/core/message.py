"""The broadcasts that carry a job's changes: ``job:<id>`` for its watchers, lists for everybody else."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from headway.core.event import JobEvent
from headway.core.job import JobBrief, JobState
from headway.core.parts import Batch
from headway.core.validation import Answer

__all__ = [
    "BatchesMessage",
    "JobMessage",
    "JobsMessage",
    "job_topic",
    "organization_topic",
    "project_topic",
    "user_topic",
]


class JobMessage(JobState):
    """Event ``job`` on ``job:<id>``: the job's state, and the events that have led to it.

    Attributes:
        events: In order; none when only the progress has changed.
        events_omitted: They were too large for the message (64 kB): read ``events_after``.
    """

    events: tuple[JobEvent, ...] = ()
    events_omitted: bool = False


class JobsMessage(Answer):
    """Event ``jobs`` on a list's topic: jobs that have changed.

    Attributes:
        jobs: The up to 25 that have changed last.
        count: How many have changed.
        truncated: There are more than these: read the list.
    """

    jobs: tuple[JobBrief, ...]
    count: int = Field(ge=0)
    truncated: bool = False


class BatchesMessage(Answer):
    """Event ``batches`` on a list's topic: batches whose counts have changed.

    Batches carry no revision, so of two messages nobody can say which is later: take one as a hint to read
    ``batch_snapshot``.
    """

    batches: tuple[Batch, ...]


def job_topic(job_id: UUID) -> str:
    """The topic of one job's watchers."""
    return f"job:{job_id}"


def user_topic(user_id: UUID) -> str:
    """The topic of the jobs that a person owns outside any organisation."""
    return f"user:{user_id}:jobs"


def organization_topic(organization_id: UUID) -> str:
    """The topic of an organisation's jobs."""
    return f"org:{organization_id}:jobs"


def project_topic(project_id: UUID) -> str:
    """The topic of a project's jobs."""
    return f"project:{project_id}:jobs"
