"""Reads a prompt with an interview: open questions, and turns of both speakers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from headway.sandbox.answers.cv.folding import folded_words
from headway.sandbox.answers.cv.vocabulary import phrases
from headway.sandbox.answers.registry import document

__all__ = ["Key", "Question", "Turn", "asked_in", "read_known", "read_questions", "read_turns"]

_KEYED = re.compile(r"^\s*\[([\w.]+)\]\s*(.*)$", re.MULTILINE)
_TURN = re.compile(r"^\s*(assistant|interviewer|agent|user|candidate|person)\s*:\s*(.*)$", re.IGNORECASE)
_ENOUGH = 0.6
_SMALL = phrases("small_words")
_HINTS = {
    "phone": "phone number reach call mobile",
    "linkedin_url": "linkedin",
    "website": "website homepage site",
    "skills": "skills skill strengths good",
    "languages": "languages language speak",
    "sectors": "sectors sector industries industry",
    "availability_status": "available availability looking",
    "available_from": "start date notice",
    "remote_work_preference": "remote remotely onsite hybrid office home",
    "compensation_expectation": "pay salary compensation expectation earn",
    "email": "email mail",
    "location": "live location based",
}


@dataclass(frozen=True, slots=True)
class Key:
    """Where an answer belongs.

    Attributes:
        target: The table.
        record: The entry's short name, ``None`` for the profile.
        field: The field.
    """

    target: str
    record: str | None
    field: str


@dataclass(frozen=True, slots=True)
class Question:
    """An open question, by the key under which it is answered."""

    key: Key
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What one of the two said."""

    by_user: bool
    text: str


def read_questions(text: str) -> list[Question]:
    """The open questions of a prompt.

    Args:
        text: The user's messages.
    """
    return [Question(key, words) for key, words in _keyed("questions", text)]


def read_known(text: str) -> list[Question]:
    """What is known already, as questions without words: somebody may ask for it again.

    Args:
        text: The user's messages.
    """
    return [Question(key, "") for key, _ in _keyed("known", text)]


def _keyed(name: str, text: str) -> list[tuple[Key, str]]:
    block = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
    found = _KEYED.findall(block[1]) if block is not None else []
    return [(key, words.strip()) for each, words in found if (key := _key(each)) is not None]


def _key(name: str) -> Key | None:
    parts = name.split(".")
    if len(parts) == 2:
        return Key(parts[0], None, parts[1])
    return Key(parts[0], parts[1], parts[2]) if len(parts) == 3 else None


def read_turns(text: str) -> list[Turn]:
    """The turns of the transcript in a prompt; a line without a speaker goes on with the one before.

    Args:
        text: The user's messages.
    """
    turns: list[Turn] = []
    for line in document(text).splitlines():
        if match := _TURN.match(line):
            turns.append(Turn(match[1].lower() in ("user", "candidate", "person"), match[2].strip()))
        elif turns and line.strip():
            turns[-1] = Turn(turns[-1].by_user, f"{turns[-1].text} {line.strip()}")
    return turns


def asked_in(turn: str, questions: Sequence[Question]) -> list[Question]:
    """The open questions that an interviewer's turn asks, the best understood first.

    Args:
        turn: What the interviewer said.
        questions: All open ones.
    """
    said = set(folded_words(turn))
    scored = []
    for question in questions:
        words = {word for word in folded_words(question.text) if word not in _SMALL}
        share = len(words & said) / len(words) if words else 0.0
        if question.text and question.text in turn:
            share = 2.0
        scored.append((share, question))
    sure = [question for share, question in sorted(scored, key=lambda each: -each[0]) if share >= _ENOUGH]
    whole = [question for share, question in scored if share == 2.0]
    if whole:
        return whole
    if sure:
        return sure[:1]
    hinted = [
        (len(said & set(_HINTS.get(question.key.field, "").split())), share, question)
        for share, question in scored
        if question.key.record is None
    ]
    best = max(hinted, key=lambda each: each[:2], default=None)
    return [best[2]] if best is not None and best[0] else []
