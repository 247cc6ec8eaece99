"""What a profile lacks, as questions in order of worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from workers.cv.interview.extraction import Target
from workers.cv.records import Board, Education, FullProfile, Profile, Work

__all__ = ["COMPENSATION", "Question", "missing", "record_keys"]

COMPENSATION = "compensation_expectation"
"""One question for the range: its lower and upper end and its currency."""

_FEWEST_SKILLS = 3
# Of older jobs, people remember less and readers want less.
_PER_PLACE = 4


@dataclass(frozen=True, slots=True)
class Question:
    """A question that an interview asks.

    Attributes:
        target: The table.
        record_id: The entry asked about; ``None`` for the profile itself.
        field: What is asked for.
        text: The question, as it can be spoken.
        worth: The higher, the earlier.
    """

    target: Target
    record_id: UUID | None
    field: str
    text: str
    worth: int


def missing(whole: FullProfile) -> list[Question]:
    """Everything that a profile lacks and an interview can ask for, the most worthwhile first.

    Args:
        whole: The profile.
    """
    questions = [*_about_person(whole.profile)]
    jobs = sorted(
        whole.work_experience, key=lambda w: (w.is_current, w.end_date or w.start_date or ""), reverse=True
    )
    for place, job in enumerate(jobs):
        questions += _about_job(job, place)
    boards = sorted(
        whole.board_experience, key=lambda b: (b.is_current, b.end_date or b.start_date or ""), reverse=True
    )
    for place, board in enumerate(boards):
        questions += _about_board(board, place, whole.profile)
    for place, study in enumerate(whole.education):
        questions += _about_study(study, place)
    return sorted(questions, key=lambda question: -question.worth)


def record_keys(whole: FullProfile) -> dict[str, tuple[Target, UUID]]:
    """Short names of a profile's entries for a conversation: ``w1``, ``b1``, ``e1``.

    Args:
        whole: A stored profile; entries without an id have no name.
    """
    lists: Sequence[tuple[str, Target, Sequence[Work] | Sequence[Board] | Sequence[Education]]] = (
        ("w", "work_experience", whole.work_experience),
        ("b", "board_experience", whole.board_experience),
        ("e", "education", whole.education),
    )
    return {
        f"{letter}{number}": (target, entry.id)
        for letter, target, entries in lists
        for number, entry in enumerate(entries, start=1)
        if entry.id is not None
    }


def _about_person(person: Profile) -> Iterator[Question]:
    def ask(field: str, worth: int, text: str) -> Question:
        return Question("profiles", None, field, text, worth)

    if person.availability_status is None:
        yield ask(
            "availability_status",
            100,
            "Are you available for a new role, and if so, how soon and how openly?",
        )
    elif person.available_from is None and person.availability_status in ("notice_period", "open_to_offers"):
        yield ask("available_from", 86, "From which date could you start?")
    if len(person.skills) < _FEWEST_SKILLS:
        yield ask("skills", 96, "Which skills do people come to you for?")
    if person.remote_work_preference is None:
        yield ask("remote_work_preference", 84, "Would you rather work remotely, on site, or a mix of both?")
    if person.compensation_expectation_min is None and person.compensation_expectation_max is None:
        yield ask(
            COMPENSATION, 80, "What yearly pay do you have in mind, from and to, and in which currency?"
        )
    if person.phone is None:
        yield ask("phone", 78, "On which phone number can you be reached?")
    if not person.languages:
        yield ask("languages", 74, "Which languages do you speak, and how well?")
    if not person.sectors:
        yield ask("sectors", 70, "In which sectors have you worked?")
    if person.linkedin_url is None:
        yield ask("linkedin_url", 58, "What is the address of your LinkedIn profile?")
    if person.website is None:
        yield ask("website", 22, "Do you have a website of your own that should be on your profile?")


def _about_job(job: Work, place: int) -> Iterator[Question]:
    what = _named(job.title, job.company)
    if job.id is None or not what:
        return
    if not job.key_achievements:
        text = f"What are you proudest of from your time as {what}? Figures help."
        yield Question("work_experience", job.id, "key_achievements", text, max(92 - _PER_PLACE * place, 30))
    if job.company_size is None and job.company:
        text = f"Roughly how many people did {job.company} have while you were there?"
        yield Question("work_experience", job.id, "company_size", text, max(48 - _PER_PLACE * place, 12))


def _about_board(board: Board, place: int, person: Profile) -> Iterator[Question]:
    what = _named(board.role, board.organization)
    if board.id is None or not what:
        return
    if board.key_contributions is None:
        text = f"What have you contributed as {what}?"
        yield Question(
            "board_experience", board.id, "key_contributions", text, max(66 - _PER_PLACE * place, 28)
        )
    told = f"board_experience.{board.id}.compensation_disclosed" in person.data_sources
    if not board.compensation_disclosed and not told:
        text = f"May the fee for your role as {what} be shown on your profile?"
        worth = max(26 - _PER_PLACE * place, 8)
        yield Question("board_experience", board.id, "compensation_disclosed", text, worth)
    elif board.compensation_disclosed and board.annual_fee is None:
        text = f"What is the yearly fee for your role as {what}?"
        yield Question("board_experience", board.id, "annual_fee", text, max(34 - _PER_PLACE * place, 10))


def _about_study(study: Education, place: int) -> Iterator[Question]:
    what = " at ".join(part for part in (study.degree, study.institution) if part)
    if study.id is None or not what:
        return
    if not study.honors:
        text = f"Did you receive any honours or prizes for your {what}?"
        yield Question("education", study.id, "honors", text, max(18 - _PER_PLACE * place, 4))
    if study.gpa is None:
        text = f"What was your final grade for your {what}?"
        yield Question("education", study.id, "gpa", text, max(14 - _PER_PLACE * place, 2))


def _named(title: str | None, company: str | None) -> str:
    return " at ".join(part for part in (title, company) if part)
