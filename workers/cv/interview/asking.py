"""Keeps the open questions of an interview in step with the profile."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from workers.cv.interview.hearing import Conflict, Place
from workers.cv.interview.questions import Question, missing
from workers.cv.interview.store import InterviewStore, Session, StoredQuestion
from workers.cv.records import FullProfile

__all__ = ["conflict_question", "refresh"]

# A contradiction is asked about before anything that is merely missing.
_CONFLICT_WORTH = 200
_SOURCES = {
    "cv": "your CV says",
    "linkedin": "LinkedIn says",
    "manual": "you have entered",
    "interview": "you said",
}


def conflict_question(conflict: Conflict, whole: FullProfile) -> Question:
    """Asks which of two values is right, without leaning to either.

    Args:
        conflict: The contradiction.
        whole: The profile, for the names of its entries.
    """
    target, record, field = conflict.place
    about = _about(target, record, whole)
    known = _SOURCES.get(conflict.known_source, "it says")
    text = (
        f"About the {field.replace('_', ' ')}{about}: {known} {_said(conflict.known_value)}, "
        f"and you said {_said(conflict.heard_value)}. Which is right?"
    )
    return Question(target, record, field, text, _CONFLICT_WORTH)


async def refresh(
    store: InterviewStore, session: Session, whole: FullProfile, most: int
) -> list[StoredQuestion]:
    """Ask what is missing or contradictory now, and no more what no longer is; the open questions.

    Args:
        store: The interview's rows.
        session: The interview.
        whole: The profile as it is.
        most: How many questions an interview has at most, contradictions aside.
    """
    asked = {question.place: question for question in await store.questions(session)}
    conflicts = {place: conflict for place, (_, conflict) in (await store.conflicts()).items()}
    lacking = {(q.target, q.record_id, q.field): q for q in missing(whole)}
    for place, question in asked.items():
        if question.status == "open" and place not in lacking and place not in conflicts:
            # Answered elsewhere: typed by the person, or found in another CV.
            await store.close(question, _value(whole, place))
    new = [conflict_question(conflict, whole) for place, conflict in conflicts.items() if place not in asked]
    for place, conflict in conflicts.items():
        if place in asked and asked[place].worth != _CONFLICT_WORTH:
            again = conflict_question(conflict, whole)
            await store.ask_again(asked[place], again.text, again.worth)
    room = max(0, most - len(asked))
    new += [question for place, question in lacking.items() if place not in asked and place not in conflicts][
        :room
    ]
    await store.ask(session, new)
    return [question for question in await store.questions(session) if question.status == "open"]


def _about(target: str, record: UUID | None, whole: FullProfile) -> str:
    if record is None:
        return ""
    for entry in getattr(whole, target):
        if entry.id == record:
            names = [
                getattr(entry, name, None)
                for name in ("title", "role", "degree", "company", "organization", "institution")
            ]
            return f" of your time as {' at '.join(name for name in names if name)}"
    return ""


def _said(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, float) else str(value)


def _value(whole: FullProfile, place: Place) -> Any | None:
    target, record, field = place
    row = (
        whole.profile if record is None else next((e for e in getattr(whole, target) if e.id == record), None)
    )
    document = row.model_dump(mode="json") if row is not None else {}
    return document.get(field) or document.get(f"{field}_min") or None
