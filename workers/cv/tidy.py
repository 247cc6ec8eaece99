"""Turns what a model has read into a profile that fits the tables, without losing a role.

Whatever cannot be stored as it is (a date that is none, an address that is none, a text that is too long) becomes
a note for the person, never a missing entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from workers.cv.boards import board_seat
from workers.cv.contact import email_address, phone_number, web_address
from workers.cv.dates import Period, read_period, read_year
from workers.cv.extraction import BoardRole, CvExtraction, Study, WorkRole
from workers.cv.months import plain
from workers.cv.records import Board, Education, FullProfile, Language, Profile, Work

__all__ = ["Tidied", "cut", "distinct", "same_name", "tidy"]


@dataclass
class Tidied:
    """A profile out of a CV, and what a person should know about how it came about."""

    profile: FullProfile
    notes: list[str] = field(default_factory=list)


def tidy(extraction: CvExtraction, today: date) -> Tidied:
    """The profile that a CV describes.

    Args:
        extraction: A model's answer.
        today: What relative dates are held against.
    """
    notes: list[str] = []
    jobs: list[Work] = []
    boards = [
        seat for role in extraction.board_experience if (seat := _board(role, today, notes)) is not None
    ]
    for role in extraction.work_experience:
        seat = board_seat(role.title, role.company)
        if seat != "no" and (moved := _board(_as_board(role), today, notes)) is not None:
            boards.append(moved)
        if seat != "yes" and (job := _job(role, today, notes)) is not None:
            jobs.append(job)
    jobs = _without_repetition(jobs, lambda w: (w.company, w.title, w.start_date))
    boards = _without_repetition(boards, lambda b: (b.organization, b.role, b.start_date))
    boards = _absorb_undated(boards)
    _settle_current(jobs, notes)
    studies = [s for study in extraction.education if (s := _study(study, today, notes)) is not None]
    studies = _without_repetition(
        studies, lambda s: (s.institution, s.degree, s.field_of_study, s.graduation_year)
    )
    whole = FullProfile(
        profile=_person(extraction, notes), work_experience=jobs, board_experience=boards, education=studies
    )
    for entries in (whole.work_experience, whole.board_experience, whole.education):
        for position, entry in enumerate(entries):
            entry.position = position
    _describe_person(whole)
    return Tidied(whole, notes)


def cut(text: str | None, most: int, what: str, notes: list[str]) -> str | None:
    """A text of at most so many characters; says so when something is left out."""
    if text is None or len(text) <= most:
        return text
    notes.append(f"{what}: shortened to {most:,} characters")
    return text[: most - 1].rstrip() + "…"


def distinct(items: Iterable[str], most: int, longest: int) -> list[str]:
    """Each item once, whatever its case and accents, in order; none empty, too long or too many."""
    found: dict[str, str] = {}
    for item in items:
        text = re.sub(r"\s+", " ", item).strip()[:longest].strip()
        if text:
            found.setdefault(text.casefold(), text)
    return list(found.values())[:most]


def same_name(one: str | None, other: str | None) -> bool:
    """Whether two names of companies, titles or schools are the same but for case, accents and legal form."""
    return _name(one) == _name(other)


_LEGAL_FORM = re.compile(
    r"\b(?:inc|incorporated|corp|corporation|ltd|limited|llc|plc|gmbh|ag|se|kg|sa|sas|sarl|spa|srl|bv|nv|ab|oy|as|aps)\b"
)


def _name(text: str | None) -> str:
    words = re.sub(r"[^\w\s]", " ", plain(text or ""))
    kept = _LEGAL_FORM.sub(" ", words).split() or words.split()
    return " ".join(kept)


def _person(found: CvExtraction, notes: list[str]) -> Profile:
    def limited(field_name: str, most: int) -> str | None:
        return cut(getattr(found, field_name), most, field_name, notes)

    return Profile(
        first_name=limited("first_name", 200),
        last_name=limited("last_name", 200),
        email=email_address(found.email, notes),
        professional_headline=limited("professional_headline", 500),
        location=limited("location", 500),
        phone=phone_number(found.phone, notes),
        linkedin_url=web_address(found.linkedin_url, "linkedin_url", notes),
        website=web_address(found.website, "website", notes),
        skills=distinct(found.skills, 500, 200),
        languages=_languages(found),
        sectors=distinct(found.sectors, 200, 200),
    )


def _languages(found: CvExtraction) -> list[Language]:
    by_name: dict[str, Language] = {}
    for spoken in found.languages:
        if spoken.language:
            name = spoken.language[:100]
            known = by_name.setdefault(name.casefold(), Language(language=name))
            known.level = known.level or (spoken.level or "")[:100] or None
    return list(by_name.values())[:100]


def _job(role: WorkRole, today: date, notes: list[str]) -> Work | None:
    if not role.company and not role.title:
        return None
    what = role.title or role.company or ""
    period = _period(role.start_date, role.end_date, what, today, notes)
    return Work(
        company=cut(role.company, 500, what, notes),
        title=cut(role.title, 500, what, notes),
        start_date=period.start,
        end_date=period.end,
        is_current=_goes_on(period, role.is_current, today),
        description=cut(role.description, 20000, what, notes),
        key_achievements=distinct(role.key_achievements, 100, 4000),
        company_size=cut(role.company_size, 200, what, notes),
        location=cut(role.location, 500, what, notes),
    )


def _board(role: BoardRole, today: date, notes: list[str]) -> Board | None:
    if not role.organization and not role.role:
        return None
    what = role.role or role.organization or ""
    period = _period(role.start_date, role.end_date, what, today, notes)
    return Board(
        organization=cut(role.organization, 500, what, notes),
        role=cut(role.role, 500, what, notes),
        sector=cut(role.sector, 200, what, notes),
        start_date=period.start,
        end_date=period.end,
        is_current=_goes_on(period, role.is_current, today),
        organization_size=cut(role.organization_size, 200, what, notes),
        key_contributions=cut(role.key_contributions, 20000, what, notes),
    )


def _as_board(role: WorkRole) -> BoardRole:
    told = [role.description, *role.key_achievements]
    return BoardRole(
        organization=role.company,
        role=role.title,
        sector=None,
        start_date=role.start_date,
        end_date=role.end_date,
        is_current=role.is_current,
        organization_size=role.company_size,
        key_contributions="\n".join(text for text in told if text) or None,
    )


def _study(study: Study, today: date, notes: list[str]) -> Education | None:
    if not study.institution and not study.degree:
        if not study.field_of_study:
            return None
        study = study.model_copy(update={"degree": study.field_of_study, "field_of_study": None})
    what = study.degree or study.institution or ""
    year = read_year(study.graduation_year, today)
    if study.graduation_year and year is None:
        notes.append(f"{what}: {study.graduation_year[:60]!r} was not understood as a year")
    return Education(
        institution=cut(study.institution, 500, what, notes),
        degree=cut(study.degree, 500, what, notes),
        field_of_study=cut(study.field_of_study, 500, what, notes),
        graduation_year=year,
        gpa=cut(study.gpa, 64, what, notes),
        honors=distinct(study.honors, 100, 500),
        description=cut(study.description, 20000, what, notes),
    )


def _period(start: str | None, end: str | None, what: str, today: date, notes: list[str]) -> Period:
    period = read_period(start, end, today)
    notes.extend(f"{what}: {text[:60]!r} was not understood as a date" for text in period.unread)
    return period


def _goes_on(period: Period, said: bool, today: date) -> bool:
    if period.end is not None:
        # "until 2027-03" is still going on; a current job that has ended is not.
        return period.end > today.isoformat()[: len(period.end)]
    return said or period.ongoing


def _settle_current(jobs: list[Work], notes: list[str]) -> None:
    # A CV that marks nothing as current still has a latest job: the one without an end that began last.
    if any(job.is_current for job in jobs):
        return
    open_ended = [job for job in jobs if job.start_date and not job.end_date]
    latest = max((job.start_date or "" for job in jobs), default="")
    for job in open_ended:
        if job.start_date == latest and latest >= max((j.end_date or "" for j in jobs), default="")[:4]:
            job.is_current = True
            notes.append(f"{job.title or job.company}: taken as the current job, since it has no end")
            return


def _without_repetition(entries: list, key) -> list:  # type: ignore[type-arg, no-untyped-def]
    first: dict[tuple[str, ...], object] = {}
    for entry in entries:
        first.setdefault(tuple(_name(str(part or "")) for part in key(entry)), entry)
    return list(first.values())


def _absorb_undated(boards: list[Board]) -> list[Board]:
    # The same seat may stand in a list without dates and, with them, among the jobs.
    dated = [b for b in boards if b.start_date or b.end_date]
    return [
        seat
        for seat in boards
        if seat.start_date
        or seat.end_date
        or not any(
            same_name(seat.organization, other.organization) and same_name(seat.role, other.role)
            for other in dated
        )
    ]


def _describe_person(whole: FullProfile) -> None:
    person = whole.profile
    person.has_board_experience = bool(whole.board_experience)
    person.current_board_roles = distinct(
        (
            ", ".join(part for part in (b.role, b.organization) if part)
            for b in whole.board_experience
            if b.is_current
        ),
        200,
        500,
    )
    role = whole.current_role
    if person.professional_headline is None and role is not None:
        person.professional_headline = " · ".join(part for part in (role.title, role.company) if part)[:500]
