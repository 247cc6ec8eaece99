"""The rule for ``InterviewExtraction``: which questions the person's turns answer, and with what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from headway.sandbox.answers.interview.transcript import (
    Key,
    Question,
    asked_in,
    read_known,
    read_questions,
    read_turns,
)
from headway.sandbox.answers.interview.values import declines, values_of, wants_to_stop
from headway.sandbox.answers.registry import task

__all__ = ["extract"]

_VOLUNTEERED = {
    "linkedin_url": re.compile(r"linkedin\s*(?:\.|\s+dot\s+)\s*com", re.IGNORECASE),
    "email": re.compile(r"[\w.+-]+@[\w-]+\.\w+"),
    "phone": re.compile(r"\b(?:phone|number|reach me|call me|mobile)\b.*\d{3}", re.IGNORECASE),
    "languages": re.compile(r"\bI (?:also )?speak\b", re.IGNORECASE),
    "available_from": re.compile(
        r"\b(?:available|start|free)\b[^.?!]{0,40}\b(?:from|on|in)\b.*\d{4}", re.IGNORECASE
    ),
    "remote_work_preference": re.compile(r"\b(?:prefer|rather|like to) (?:to )?work", re.IGNORECASE),
}
_HYPOTHETICAL = re.compile(
    r"\b(?:perhaps one day|if i ever|hypothetically|what do you mean|could you repeat|sorry\?)",
    re.IGNORECASE,
)


@task("InterviewExtraction")
def extract(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """What the person said in the new turns of an interview.

    Args:
        text: The user's messages: open questions, known facts, and the turns.
        schema: Of the answer.
    """
    questions, known = read_questions(text), read_known(text)
    facts: dict[Key, dict[str, Any]] = {}
    declined: dict[Key, None] = {}
    stop = False
    asked: list[Question] = []
    for turn in read_turns(text):
        if not turn.by_user:
            asked = asked_in(turn.text, questions) or asked_in(turn.text, known) or asked
            continue
        stop = stop or wants_to_stop(turn.text)
        if _HYPOTHETICAL.search(turn.text):
            continue
        _hear(turn.text, [question.key for question in asked], facts, declined)
        asked = []
    return {
        "facts": list(facts.values()),
        "declined": [
            {"target": key.target, "record": key.record, "field": key.field}
            for key in declined
            if key not in facts
        ],
        "wants_to_stop": stop,
    }


def _hear(said: str, keys: list[Key], facts: dict[Key, dict[str, Any]], declined: dict[Key, None]) -> None:
    volunteered = [
        Key("profiles", None, field) for field, pattern in _VOLUNTEERED.items() if pattern.search(said)
    ]
    for key in dict.fromkeys([*keys, *volunteered]):
        # "No" to whether a fee may be shown is an answer, not a refusal to answer.
        if key in keys and declines(said) and key.field not in ("compensation_disclosed", "is_current"):
            declined[key] = None
            continue
        values = values_of(key.field, said)
        if values:
            facts[key] = {
                "target": key.target,
                "record": key.record,
                "field": key.field,
                "values": values,
                "quote": said,
            }
