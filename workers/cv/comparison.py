"""Compares two profiles: what both have, what only one has, and where they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, TypeVar

from pydantic import BaseModel

from workers.cv.matching import same_board, same_job, same_study
from workers.cv.months import plain
from workers.cv.records import Entry, FullProfile, Work

__all__ = ["Comparison", "Difference", "Shared", "Summary", "compare", "months_worked"]

EntryT = TypeVar("EntryT", bound=Entry)

_FIELDS = (
    "first_name", "last_name", "professional_headline", "location", "availability_status", "available_from",
    "remote_work_preference",
)  # fmt: skip


class Difference(BaseModel):
    """A field in which two profiles differ."""

    field: str
    left: Any
    right: Any


class Shared(BaseModel):
    """What of a list both have, and what only one of them."""

    both: list[str]
    only_left: list[str]
    only_right: list[str]


class Summary(BaseModel):
    """A profile in figures.

    Attributes:
        months_worked: In jobs with dates; time in two jobs at once counts once.
        current_role: The job of today.
    """

    name: str
    current_role: str | None
    months_worked: int
    jobs: int
    board_roles: int
    current_board_roles: int
    degrees: int


class Comparison(BaseModel):
    """Two profiles beside each other."""

    left: Summary
    right: Summary
    differences: list[Difference]
    skills: Shared
    languages: Shared
    sectors: Shared
    work_experience: Shared
    board_experience: Shared
    education: Shared


def compare(left: FullProfile, right: FullProfile, today: date) -> Comparison:
    """Two profiles beside each other.

    Args:
        left: One of them.
        right: The other one.
        today: Until when current jobs have lasted.
    """
    one, other = left.profile, right.profile
    return Comparison(
        left=_summary(left, today),
        right=_summary(right, today),
        differences=[
            Difference(field=name, left=getattr(one, name), right=getattr(other, name))
            for name in _FIELDS
            if getattr(one, name) != getattr(other, name)
        ],
        skills=_shared(one.skills, other.skills),
        languages=_shared((s.language for s in one.languages), (s.language for s in other.languages)),
        sectors=_shared(one.sectors, other.sectors),
        work_experience=_paired(left.work_experience, right.work_experience, same_job),
        board_experience=_paired(left.board_experience, right.board_experience, same_board),
        education=_paired(left.education, right.education, same_study),
    )


def months_worked(jobs: Iterable[Work], today: date) -> int:
    """Months in any job, each month once.

    A year without a month counts from its first to its last month: of two readings, the one that dates admit.

    Args:
        jobs: Those without a beginning, or with neither end nor present, count nothing.
        today: Until when current jobs have lasted.
    """
    now = today.year * 12 + today.month - 1
    months: set[int] = set()
    for job in jobs:
        end = job.end_date or (today.isoformat()[:7] if job.is_current else None)
        if job.start_date and end:
            months.update(range(_month(job.start_date, first=True), min(_month(end, first=False), now) + 1))
    return len(months)


def _month(value: str, *, first: bool) -> int:
    year, *rest = (int(part) for part in value.split("-"))
    month = rest[0] if rest else (1 if first else 12)
    return year * 12 + month - 1


def _summary(whole: FullProfile, today: date) -> Summary:
    role = whole.current_role
    return Summary(
        name=whole.profile.name,
        current_role=_label(role) if role else None,
        months_worked=months_worked(whole.work_experience, today),
        jobs=len(whole.work_experience),
        board_roles=len(whole.board_experience),
        current_board_roles=sum(board.is_current for board in whole.board_experience),
        degrees=len(whole.education),
    )


def _shared(left: Iterable[str], right: Iterable[str]) -> Shared:
    one = {plain(item): item for item in left}
    other = {plain(item): item for item in right}
    return Shared(
        both=[item for key, item in one.items() if key in other],
        only_left=[item for key, item in one.items() if key not in other],
        only_right=[item for key, item in other.items() if key not in one],
    )


def _paired(
    left: Sequence[EntryT], right: Sequence[EntryT], same: Callable[[EntryT, EntryT], bool]
) -> Shared:
    free = list(right)
    found = Shared(both=[], only_left=[], only_right=[])
    for entry in left:
        match = next((other for other in free if same(entry, other)), None)
        if match is None:
            found.only_left.append(_label(entry))
        else:
            free.remove(match)
            found.both.append(_label(entry))
    found.only_right = [_label(entry) for entry in free]
    return found


def _label(entry: Entry) -> str:
    names = ("title", "role", "degree", "company", "organization", "institution")
    return " · ".join(value for name in names if (value := getattr(entry, name, None)))
