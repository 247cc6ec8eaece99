"""Which entries of a profile are the same job, seat or degree as those of a new document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID, uuid5

from workers.cv.records import Board, Education, Entry, Work
from workers.cv.wording import compatible_dates, same_name

__all__ = ["entry_id", "pairs", "same_board", "same_job", "same_study"]

EntryT = TypeVar("EntryT", bound=Entry)


def entry_id(owner: UUID, table: str, entry: Entry) -> UUID:
    """The id that an entry gets when it is stored: always the same one, so that a repetition finds it again.

    It is made of what the document says, and stays when the person corrects the entry: the same document does
    not bring the misspelling back.

    Args:
        owner: The profile.
        table: Which of the three tables.
        entry: The entry as the document has it.
    """
    if isinstance(entry, Work):
        parts: Sequence[object] = (entry.company, entry.title, entry.start_date)
    elif isinstance(entry, Board):
        parts = (entry.organization, entry.role, entry.start_date)
    else:
        assert isinstance(entry, Education)
        parts = (entry.institution, entry.degree, entry.field_of_study, entry.graduation_year)
    key = "|".join("" if part is None else str(part).strip().lower() for part in parts)
    return uuid5(owner, f"{table}|{key}")


def same_job(one: Work, other: Work) -> bool:
    """Whether two entries are the same job, one perhaps less precise."""
    return (
        same_name(one.company, other.company)
        and same_name(one.title, other.title)
        and compatible_dates(one.start_date, other.start_date)
    )


def same_board(one: Board, other: Board) -> bool:
    """Whether two entries are the same board seat, one perhaps less precise."""
    return (
        same_name(one.organization, other.organization)
        and same_name(one.role, other.role)
        and compatible_dates(one.start_date, other.start_date)
    )


def same_study(one: Education, other: Education) -> bool:
    """Whether two entries are the same degree, one perhaps less precise."""
    years = {year for year in (one.graduation_year, other.graduation_year) if year is not None}
    return (
        same_name(one.institution, other.institution)
        and same_name(one.degree, other.degree)
        and (
            same_name(one.field_of_study, other.field_of_study)
            or not one.field_of_study
            or not other.field_of_study
        )
        and len(years) < 2
    )


def pairs(
    stored: Sequence[EntryT],
    found: Sequence[EntryT],
    made_id: Callable[[EntryT], UUID],
    same: Callable[[EntryT, EntryT], bool],
) -> list[tuple[EntryT | None, EntryT]]:
    """Each entry of a document with the stored one that it is; ``None`` where it is new.

    Every stored entry is used once: by the entry that made it, else by the first that is the same.

    Args:
        stored: What the table holds.
        found: What the document has.
        made_id: The id that an entry of the document was or would be stored with.
        same: Whether a stored and a found entry are the same.
    """
    free = {entry.id: entry for entry in stored}
    matched: dict[int, EntryT] = {}
    for place, entry in enumerate(found):
        if (known := free.pop(made_id(entry), None)) is not None:
            matched[place] = known
    for place, entry in enumerate(found):
        if place not in matched:
            known = next((candidate for candidate in free.values() if same(candidate, entry)), None)
            if known is not None:
                matched[place] = free.pop(known.id)
    return [(matched.get(place), entry) for place, entry in enumerate(found)]
