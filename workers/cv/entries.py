"""Makes entries of jobs, board seats and degrees of what a model has read."""

from __future__ import annotations

from datetime import date

from workers.cv.dates import Period, read_period, read_year
from workers.cv.extraction import BoardRole, Study, WorkRole
from workers.cv.records import Board, Education, Work
from workers.cv.wording import cut, distinct

__all__ = ["as_board_role", "board_of", "job_of", "study_of"]


def job_of(role: WorkRole, today: date, notes: list[str]) -> Work | None:
    """A job as the table holds it; ``None`` when neither company nor title is told.

    Args:
        role: What was read.
        today: What dates are held against.
        notes: Where to say what could not be kept.
    """
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


def board_of(role: BoardRole, today: date, notes: list[str]) -> Board | None:
    """A board seat as the table holds it; ``None`` when neither organisation nor role is told.

    Args:
        role: What was read.
        today: What dates are held against.
        notes: Where to say what could not be kept.
    """
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


def as_board_role(role: WorkRole) -> BoardRole:
    """A seat that was listed among the jobs, with all that is told of it."""
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


def study_of(study: Study, today: date, notes: list[str]) -> Education | None:
    """A degree as the table holds it; ``None`` when nothing names it.

    Args:
        study: What was read.
        today: What years are held against.
        notes: Where to say what could not be kept.
    """
    degree, subject = study.degree, study.field_of_study
    if not study.institution and not degree:
        # A row needs one of both; a lone subject is better kept as the degree than dropped.
        degree, subject = subject, None
    what = degree or study.institution or ""
    if not what:
        return None
    year = read_year(study.graduation_year, today)
    if study.graduation_year and year is None:
        notes.append(f"{what[:100]}: {study.graduation_year[:60]!r} was not understood as a year")
    return Education(
        institution=cut(study.institution, 500, what, notes),
        degree=cut(degree, 500, what, notes),
        field_of_study=cut(subject, 500, what, notes),
        graduation_year=year,
        gpa=cut(study.gpa, 64, what, notes),
        honors=distinct(study.honors, 100, 500),
        description=cut(study.description, 20000, what, notes),
    )


def _period(start: str | None, end: str | None, what: str, today: date, notes: list[str]) -> Period:
    period = read_period(start, end, today)
    notes.extend(f"{what[:100]}: {text[:60]!r} was not understood as a date" for text in period.unread)
    return period


def _goes_on(period: Period, said: bool, today: date) -> bool:
    if period.end is not None:
        # "until 2030" still goes on; what is said to be current and ended in 2019 does not.
        return period.end > today.isoformat()[: len(period.end)]
    return said or period.ongoing
