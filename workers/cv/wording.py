"""Compares and limits what documents call things."""

from __future__ import annotations

import re
from collections.abc import Iterable

from workers.cv.months import plain

__all__ = ["compatible_dates", "cut", "distinct", "same_name"]

_LEGAL_FORM = re.compile(
    r"\b(?:inc|incorporated|corp|corporation|ltd|limited|llc|plc|gmbh|ag|se|kg|sa|sas|sarl|spa|srl|bv|nv|ab|oy|as"
    r"|aps)\b"
)


def cut(text: str | None, most: int, what: str, notes: list[str]) -> str | None:
    """A text of at most so many characters; says so when something is left out.

    Args:
        text: Any text.
        most: The column's limit in characters.
        what: What the text belongs to, for the note.
        notes: Where to say what was left out.
    """
    if text is None or len(text) <= most:
        return text
    notes.append(f"{what[:100]}: shortened to {most:,} characters")
    return text[: most - 1].rstrip() + "…"


def distinct(items: Iterable[str], most: int, longest: int) -> list[str]:
    """Each item once, whatever its case, in order; none empty, too long or too many."""
    found: dict[str, str] = {}
    for item in items:
        text = re.sub(r"\s+", " ", item).strip()[:longest].strip()
        if text:
            found.setdefault(text.casefold(), text)
    return list(found.values())[:most]


def same_name(one: str | None, other: str | None) -> bool:
    """Whether two names of companies, titles or schools differ only in case, accents, marks or legal form."""
    return _essence(one) == _essence(other)


def compatible_dates(one: str | None, other: str | None) -> bool:
    """Whether two partial dates may be the same: one is missing, or a less precise form of the other."""
    if one is None or other is None:
        return True
    return one.startswith(other) or other.startswith(one)


def _essence(text: str | None) -> str:
    words = re.sub(r"[^\w\s]", " ", plain(text or ""))
    # A company may be called AG and nothing else.
    return " ".join(_LEGAL_FORM.sub(" ", words).split() or words.split())
