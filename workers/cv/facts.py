"""A profile as plain facts, one a line, for a model that writes about it or speaks with its owner."""

from __future__ import annotations

from collections.abc import Iterator

from workers.cv.records import Board, FullProfile, Work

__all__ = ["fact_sheet"]

_MOST_JOBS = 12
_LONGEST = 600


def fact_sheet(whole: FullProfile, summary: str | None = None) -> str:
    """What is known of a person, without contact details.

    Args:
        whole: The profile.
        summary: The CV's own summary.
    """
    return "\n".join(
        f"{label}: {' '.join(text.split())[:_LONGEST]}" for label, text in _facts(whole, summary) if text
    )


def _facts(whole: FullProfile, summary: str | None) -> Iterator[tuple[str, str]]:
    person = whole.profile
    yield "Name", person.name
    yield "Headline", person.professional_headline or ""
    yield "Location", person.location or ""
    for work in whole.work_experience[:_MOST_JOBS]:
        yield "Role", _with_dates(" at ".join(part for part in (work.title, work.company) if part), work)
        for achievement in work.key_achievements[:3]:
            yield "Achievement", achievement
    for board in whole.board_experience[:_MOST_JOBS]:
        yield (
            "Board",
            _with_dates(", ".join(part for part in (board.role, board.organization) if part), board),
        )
    for study in whole.education:
        parts = (*study.named, study.institution, str(study.graduation_year or ""))
        yield "Degree", ", ".join(part for part in parts if part)
    yield "Skills", ", ".join(person.skills[:40])
    spoken = (f"{s.language} ({s.level})" if s.level else s.language for s in person.languages)
    yield "Languages", ", ".join(spoken)
    yield "Sectors", ", ".join(person.sectors[:20])
    yield "Summary", summary or ""


def _with_dates(what: str, entry: Work | Board) -> str:
    end = "present" if entry.is_current else entry.end_date
    dates = " – ".join(part for part in (entry.start_date, end) if part)
    return f"{what} ({dates})" if dates else what
