"""Questions and known facts as lines that a model can refer to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from workers.cv.interview.questions import record_keys
from workers.cv.interview.spoken import FIELDS
from workers.cv.interview.store import StoredQuestion
from workers.cv.records import FullProfile

__all__ = ["Line", "as_known_facts", "as_questions"]

_LONGEST = 300
_MOST_RECORDS = 40


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a prompt.

    Attributes:
        key: What a model calls it, such as ``work_experience.w1.company_size``.
        text: What it says.
    """

    key: str
    text: str


def as_questions(questions: Sequence[StoredQuestion], whole: FullProfile) -> list[Line]:
    """Open questions, by the keys under which they are answered.

    Args:
        questions: The questions.
        whole: The profile whose entries they are about.
    """
    names: dict[UUID, str] = {record: key for key, (_, record) in record_keys(whole).items()}
    lines = []
    for question in questions:
        if question.record_id is None:
            lines.append(Line(f"{question.target}.{question.field}", question.question))
        elif question.record_id in names:
            key = f"{question.target}.{names[question.record_id]}.{question.field}"
            lines.append(Line(key, question.question))
    return lines


def as_known_facts(whole: FullProfile) -> list[Line]:
    """What the profile says, by the keys under which it can be contradicted.

    Args:
        whole: The profile.
    """
    return list(_known(whole))


def _known(whole: FullProfile) -> Iterator[Line]:
    person = whole.profile.model_dump(mode="json")
    for name in FIELDS["profiles"]:
        if person.get(name):
            yield Line(f"profiles.{name}", _shown(person[name]))
    for key, (target, record) in list(record_keys(whole).items())[:_MOST_RECORDS]:
        entry = next(each for each in getattr(whole, target) if each.id == record)
        row = entry.model_dump(mode="json")
        for name in FIELDS[target]:
            if row.get(name) not in (None, [], ""):
                yield Line(f"{target}.{key}.{name}", _shown(row[name]))


def _shown(value: object) -> str:
    if isinstance(value, list):
        parts = [
            f"{item['language']}: {item.get('level') or '?'}" if isinstance(item, dict) else str(item)
            for item in value
        ]
        return "; ".join(parts)[:_LONGEST]
    return str(value)[:_LONGEST]
