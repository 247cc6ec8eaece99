"""Turns what a model has read into a profile that fits the tables, without losing a role.

Whatever cannot be stored as it is (a date that is none, an address that is none, a text that is too long)
becomes a note for the person, never a missing entry.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from workers.cv.boards import board_seat
from workers.cv.contact import email_address, phone_number, web_address
from workers.cv.entries import as_board_role, board_of, job_of, study_of
from workers.cv.extraction import CvExtraction
from workers.cv.records import Board, Entry, FullProfile, Language, Profile, Work
from workers.cv.wording import compatible_dates, cut, distinct, same_name

__all__ = ["Tidied", "derive", "filled", "tidy"]

EntryT = TypeVar("EntryT", bound=Entry)


@dataclass
class Tidied:
    """A profile out of a CV, and what a person should know about how it came about."""

    profile: FullProfile
    notes: list[str] = field(default_factory=list)


def tidy(extraction: CvExtraction, today: date) -> Tidied:
    """The profile that a CV describes.

    Args:
        extraction: A model's answer.
        today: What dates are held against.
    """
    notes: list[str] = []
    listed = _kept(board_of(role, today, notes) for role in extraction.board_experience)
    jobs: list[Work] = []
    moved: list[Board] = []
    for role in extraction.work_experience:
        kind = board_seat(role.title, role.company)
        if kind != "no":
            moved += _kept([board_of(as_board_role(role), today, notes)])
        if kind != "yes":
            jobs += _kept([job_of(role, today, notes)])
    jobs = _each_once(jobs, lambda w: (_key(w.company), _key(w.title), w.start_date))
    boards = _each_once(
        _one_list(listed, moved), lambda b: (_key(b.organization), _key(b.role), b.start_date)
    )
    studies = _each_once(
        _kept(study_of(study, today, notes) for study in extraction.education),
        lambda s: (_key(s.institution), _key(s.degree), _key(s.field_of_study), s.graduation_year),
    )
    _settle_current(jobs, notes)
    for entries in (jobs, boards, studies):
        for position, entry in enumerate(entries):
            entry.position = position
    whole = FullProfile(
        profile=_person(extraction, notes), work_experience=jobs, board_experience=boards, education=studies
    )
    derive(whole)
    return Tidied(whole, notes)


def derive(whole: FullProfile) -> None:
    """Set what follows from the entries: board experience, current board roles, and a headline if none."""
    person = whole.profile
    person.has_board_experience = bool(whole.board_experience)
    seats = [board for board in whole.board_experience if board.is_current]
    person.current_board_roles = distinct(
        (", ".join(part for part in (seat.role, seat.organization) if part) for seat in seats), 200, 500
    )
    role = whole.current_role
    if person.professional_headline is None and role is not None:
        person.professional_headline = " · ".join(part for part in (role.title, role.company) if part)[:500]


def filled(entry: EntryT, other: EntryT) -> EntryT:
    """An entry with what it lacks taken from another one for the same thing."""
    missing = {
        name: getattr(other, name)
        for name in type(entry).model_fields
        if getattr(entry, name) in (None, [], False) and name not in ("id", "source", "position")
    }
    return entry.model_copy(update=missing)


def _person(found: CvExtraction, notes: list[str]) -> Profile:
    by_name: dict[str, Language] = {}
    for spoken in found.languages:
        if spoken.language:
            name = spoken.language[:100]
            known = by_name.setdefault(name.casefold(), Language(language=name))
            known.level = known.level or (spoken.level or "")[:100] or None
    return Profile(
        first_name=cut(found.first_name, 200, "first_name", notes),
        last_name=cut(found.last_name, 200, "last_name", notes),
        email=email_address(found.email, notes),
        professional_headline=cut(found.professional_headline, 500, "professional_headline", notes),
        location=cut(found.location, 500, "location", notes),
        phone=phone_number(found.phone, notes),
        linkedin_url=web_address(found.linkedin_url, "linkedin_url", notes),
        website=web_address(found.website, "website", notes),
        skills=distinct(found.skills, 500, 200),
        languages=list(by_name.values())[:100],
        sectors=distinct(found.sectors, 200, 200),
    )


def _settle_current(jobs: list[Work], notes: list[str]) -> None:
    # A CV that calls nothing current still has a latest job: the one that began last, if it has no end.
    if any(job.is_current for job in jobs):
        return
    dated = [job for job in jobs if job.start_date]
    latest = max(dated, key=lambda job: job.start_date or "", default=None)
    if latest is None or latest.end_date is not None:
        return
    if all((job.end_date or "") <= _last_moment(latest.start_date) for job in jobs):
        latest.is_current = True
        name = latest.title or latest.company or ""
        notes.append(f"{name[:100]}: taken as the current job, because it began last and has no end")


def _last_moment(start: str | None) -> str:
    # A job that ended in 2019-06 may have been followed by one that began in "2019".
    return (start or "") + "~"


def _one_list(listed: list[Board], moved: list[Board]) -> list[Board]:
    # The same seat may stand in a list of boards without dates and, with them, among the jobs.
    boards = list(listed)
    for seat in moved:
        for place, known in enumerate(boards):
            if (
                same_name(known.organization, seat.organization)
                and same_name(known.role, seat.role)
                and compatible_dates(known.start_date, seat.start_date)
            ):
                boards[place] = filled(known, seat)
                break
        else:
            boards.append(seat)
    return boards


def _each_once(entries: list[EntryT], key: Callable[[EntryT], Hashable]) -> list[EntryT]:
    # The tables know two entries with the same key as one.
    first: dict[Hashable, EntryT] = {}
    for entry in entries:
        known = first.get(key(entry))
        first[key(entry)] = entry if known is None else filled(known, entry)
    return list(first.values())


def _key(text: str | None) -> str:
    return (text or "").strip().lower()


def _kept(entries: Iterable[EntryT | None]) -> list[EntryT]:
    return [entry for entry in entries if entry is not None]
