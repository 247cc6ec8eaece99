"""Text of strangers, made safe for a terminal."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

__all__ = ["one_line", "safe_text"]

# What moves a cursor, colours a screen, or turns a line around, is not for whoever submitted a job.
_DANGEROUS = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"


def safe_text(text: str) -> str:
    """A text without control characters; line ends and tabs become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if unicodedata.category(character) not in _DANGEROUS or character in _JOINERS
        # Separators keep words apart, the rest goes without a trace.
        else (" " if character in "\n\r\t\v\f\x85\u2028\u2029" else "")
        for character in text
    )


def one_line(value: Any, most: int = 160) -> str:
    """Any JSON value as one short line: a text, the texts in things and lists of things, else JSON."""
    text = _said(value, most)
    if text is None:
        text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    line = " ".join(safe_text(text[: 4 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _said(value: Any, most: int) -> str | None:
    """What a value says to people, at least as much as fits; ``None`` when it is only data."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        for name in ("text", "message", "title", "name"):
            if isinstance(value.get(name), str):
                return str(value[name])
        (only, *others) = value.values() or (None,)
        return _said(only, most) if isinstance(only, list) and not others else None
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        said = [_said(each, most) for each in value[:most]]
        return " · ".join(each for each in said if each is not None) if None not in said else None
    return None
