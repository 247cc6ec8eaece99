"""Recognises the headings of a CV's sections in many languages."""

from __future__ import annotations

import re
from functools import cache

from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.vocabulary import groups

__all__ = ["heading_of"]

_CONNECTORS = re.compile(r"\s*(?:&|\+|/|\band\b|\bund\b|\bet\b|\by\b|\be\b|\ben\b|\boch\b|\bog\b|\bi\b|,)\s*")
_DECORATION = re.compile(r"^[\W_]+|[\W_]+$")
_NUMBERING = re.compile(r"^(?:\d{1,2}|[ivx]{1,4})[.)]\s+")
_QUALIFIERS = re.compile(
    r"\b(?:selected|relevant|key|additional|further|other|recent|previous|current|present|past|former|earlier|my|main|early|continued|"
    r"cont'd|ctd|meine|weitere|ausgewahlte|mes|autres|otra|otros|altre|outras|overige)\b"
)
_LONGEST = 60


@cache
def _index() -> dict[str, str]:
    return {phrase: kind for kind, phrases in groups("headings").items() for phrase in phrases}


def heading_of(line: str) -> tuple[str, str] | None:
    """The kind of section that a line begins, and what stands behind the heading in the same line.

    Args:
        line: One line of a CV.
    """
    text = line.strip()
    if not text:
        return None
    head, colon, rest = _divided(text)
    if kind := _kind(head):
        return kind, rest.strip() if colon else ""
    return None


def _divided(text: str) -> tuple[str, str, str]:
    match = re.match(r"^([^:：]{2,45})[:：](.*)$", text)
    if match and len(match[1]) <= _LONGEST:
        return match[1], ":", match[2]
    return text, "", ""


def _kind(head: str) -> str | None:
    if len(head) > _LONGEST or any(letter.isdigit() for letter in head[2:]):
        return None
    plain = _DECORATION.sub("", _NUMBERING.sub("", fold(head)))
    index = _index()
    if plain in index:
        return index[plain]
    qualified = _DECORATION.sub("", re.sub(r"\s+", " ", _QUALIFIERS.sub("", plain)).strip())
    if qualified in index:
        return index[qualified]
    parts = [part for part in _CONNECTORS.split(qualified) if part]
    if len(parts) > 1:
        kinds = [index.get(part) for part in parts]
        if kinds[0] is not None and all(kinds):
            # "Education and certifications" is about education, "Skills and languages" about skills.
            return next((kind for kind in kinds if kind != "other"), "other")
    # A heading of the person's own making, when it shouts: "INTERNATIONAL CAREER IN SHIPPING".
    if head.isupper() and 2 <= len(plain.split()) <= 5 and "," not in head:
        return next(
            (kind for kind, words in groups("heading_words").items() if words & set(plain.split())), None
        )
    return None
