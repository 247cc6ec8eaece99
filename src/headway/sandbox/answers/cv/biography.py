"""The rule for ``CvBiography``: a few sentences from a sheet of facts, one ``Label: value`` a line."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from headway.sandbox.answers.generic import LABEL
from headway.sandbox.answers.registry import document, task

__all__ = ["biography"]

_LINE = re.compile(r"^\s*[-•*]?\s*([A-Za-z][A-Za-z ]{1,30}):\s*(\S.*)$", re.MULTILINE)
_CURRENT = re.compile(r"[–-]\s*(?:present|today|now)\b", re.IGNORECASE)
_DATES = re.compile(r"\s*\([^()]*\)\s*$")
_MOST_CHARACTERS = 850


@task("CvBiography")
def biography(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A biography that says what the facts say, and who wrote it.

    Args:
        text: The user's messages.
        schema: Of the answer.
    """
    facts: dict[str, list[str]] = defaultdict(list)
    for label, value in _LINE.findall(document(text)):
        facts[label.strip().lower()].append(value.strip())
    sentences = [sentence for sentence in _sentences(facts) if sentence] if facts else []
    written = ""
    for sentence in sentences:
        if len(written) + len(sentence) > _MOST_CHARACTERS - len(LABEL):
            break
        written = f"{written} {sentence}".strip()
    told = written or document(text).strip()[:200]
    return {"biography": f"{told} {LABEL}".strip()}


def _sentences(facts: Mapping[str, Sequence[str]]) -> list[str]:
    name = _one(facts, "name") or "This person"
    roles = [*facts.get("role", ()), *facts.get("job", ())]
    now = [role for role in roles if _CURRENT.search(role)]
    before = [role for role in roles if role not in now]
    headline = _one(facts, "headline")
    place = _one(facts, "location")
    where = f", based in {place}" if place else ""
    first = f"{name} is {_listed([_bare(role) for role in now[:2]])}{where}." if now else ""
    if not first and headline:
        first = f"{name} is known as {headline}{where}."
    boards = facts.get("board", ())
    return [
        first or f"{name} has told of {len(roles) or 'no'} roles so far{where}.",
        f"Earlier roles: {_listed([_bare(role) for role in before[:3]])}." if before else "",
        f"On boards: {_listed([_bare(seat) for seat in boards[:3]])}." if boards else "",
        f"Education: {_listed([_bare(degree) for degree in facts.get('degree', ())[:2]])}."
        if facts.get("degree")
        else "",
        f"Skills include {_one(facts, 'skills')}." if facts.get("skills") else "",
    ]


def _bare(value: str) -> str:
    return _DATES.sub("", value).strip(" .")


def _listed(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}"


def _one(facts: Mapping[str, Sequence[str]], label: str) -> str | None:
    values = facts.get(label, ())
    return values[0].rstrip(".") if values else None
