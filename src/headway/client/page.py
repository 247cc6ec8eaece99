"""One page of a list, and the mark of where the next one begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from headway.core.job import JobRecord
from headway.errors import InvalidRequest

__all__ = ["Page", "cursor_after", "read_cursor"]


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, the newest first.

    Attributes:
        jobs: The jobs.
        next_cursor: Pass this as ``cursor`` for the next page; ``None`` after the last.
    """

    jobs: tuple[JobRecord, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[JobRecord]:
        return iter(self.jobs)

    def __len__(self) -> int:
        return len(self.jobs)


def cursor_after(jobs: Sequence[JobRecord]) -> str:
    """The mark after the last of some jobs."""
    last = jobs[-1]
    return base64.urlsafe_b64encode(f"{last.created_at.isoformat()} {last.id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The moment and the job after which a page begins.

    Raises:
        InvalidRequest: it is no cursor of ours.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        moment, _, job_id = base64.urlsafe_b64decode(padded.encode()).decode().partition(" ")
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None:
            raise ValueError("no offset")
        return at, UUID(job_id)
    except (ValueError, binascii.Error, UnicodeError):
        raise InvalidRequest(
            "cursor: is not one that a page has given",
            hint="Pass the next_cursor of the page before, or leave it out for the first.",
            code="HW100",
            details="cursor",
        ) from None
