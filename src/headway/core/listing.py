"""The fold of a list's watcher: each job's latest state, whenever the job appears."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from headway.core.job import JobBrief
from headway.core.message import JobsMessage
from headway.core.validation import read_answer, read_answers

__all__ = ["JobUpdate", "Listing"]


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """A job of the list, as it is now.

    Attributes:
        job: Its latest state; states in between may have been merged.
        appeared: Whether it is told of for the first time.
    """

    job: JobBrief
    appeared: bool

    @property
    def ended(self) -> bool:
        """Whether the job has ended; a person's retry opens it again, and is told of."""
        return self.job.ended


class Listing:
    """The jobs of one list by ``(seq, revision)``, from messages and rows in any order.

    A message holds up to 25 jobs; one that was truncated, and every gap of the connection, means that the
    list must be read: take a ticket with ``begin_reading``, read, and hand the rows in with it. A truncated
    message that arrives meanwhile asks for another reading.

    Args:
        remembered_ends: How many ended jobs are remembered, so that a late message about one of them is not
            told again.
    """

    def __init__(self, *, remembered_ends: int = 10_000) -> None:
        self._remembered_ends = remembered_ends
        self._going_on: dict[UUID, JobBrief] = {}
        self._ended: OrderedDict[UUID, JobBrief] = OrderedDict()
        self._wanted = 1
        self._read = 0
        self._changed_at: datetime | None = None

    @property
    def needs_reading(self) -> bool:
        """Whether there are changes that no message has told; true at first."""
        return self._read < self._wanted

    @property
    def changed_at(self) -> datetime | None:
        """The latest ``updated_at`` told of; a transaction that was slow may still bring an earlier one."""
        return self._changed_at

    @property
    def active(self) -> tuple[JobBrief, ...]:
        """The jobs that have not ended."""
        return tuple(self._going_on.values())

    def miss(self) -> None:
        """Messages may have been lost: the list must be read."""
        self._wanted += 1

    def begin_reading(self) -> int:
        """The ticket to hand in with the rows; take it before asking."""
        return self._wanted

    def take_rows(
        self, rows: Sequence[JobBrief] | Sequence[Mapping[str, Any]], ticket: int
    ) -> list[JobUpdate]:
        """Take in the list as it was read: rows of ``headway.jobs``.

        Raises:
            SchemaMismatch: they are no such thing.
        """
        jobs = read_answers(JobBrief, rows, "list of jobs")
        self._read = max(self._read, ticket)
        return self._tell(sorted(jobs, key=lambda job: job.updated_at))

    def take_message(self, document: JobsMessage | Mapping[str, Any]) -> list[JobUpdate]:
        """Take in the payload of a ``jobs`` broadcast.

        Raises:
            SchemaMismatch: it is no such thing.
        """
        message = (
            document if isinstance(document, JobsMessage) else read_answer(JobsMessage, document, "message")
        )
        if message.truncated or message.count > len(message.jobs):
            self.miss()
        return self._tell(sorted(message.jobs, key=lambda job: job.updated_at))

    def _tell(self, jobs: Iterable[JobBrief]) -> list[JobUpdate]:
        updates = []
        for job in jobs:
            known = self._going_on.get(job.id) or self._ended.get(job.id)
            if known is not None and (job.seq, job.revision) <= (known.seq, known.revision):
                continue
            self._remember(job)
            updates.append(JobUpdate(job, appeared=known is None))
        return updates

    def _remember(self, job: JobBrief) -> None:
        if self._changed_at is None or job.updated_at > self._changed_at:
            self._changed_at = job.updated_at
        self._going_on.pop(job.id, None)
        self._ended.pop(job.id, None)
        if not job.ended:
            self._going_on[job.id] = job
            return
        self._ended[job.id] = job
        while len(self._ended) > self._remembered_ends:
            self._ended.popitem(last=False)
