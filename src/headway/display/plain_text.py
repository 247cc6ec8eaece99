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
    """Any JSON value as one short line: texts as they are, a ``text`` or ``message`` within, else JSON."""
    if isinstance(value, dict):
        for name in ("text", "message", "title", "name"):
            if isinstance(value.get(name), str):
                return one_line(value[name], most)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    line = " ".join(safe_text(text[: 4 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"
