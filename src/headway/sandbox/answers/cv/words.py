"""What job titles, companies and places look like."""

from __future__ import annotations

import re
from functools import cache

from headway.sandbox.answers.cv.folding import fold, folded_words
from headway.sandbox.answers.cv.vocabulary import pattern, phrases

__all__ = ["company_score", "is_place", "names_tongue", "title_score"]

_COMPANY = pattern("companies")
_AREA = re.compile(
    r"^(?:greater [\w ]+|[\w .]+ (?:bay |metropolitan )?area|.+ und umgebung|.+ y alrededores)$"
)
_LEGAL_END = re.compile(r"\b(?:inc|ltd|llc|llp|plc|corp|co|gmbh|group|university|hospital|school)\.?$")
_POSTCODE = re.compile(r"\b(?:\d{4,6}|\d{2}-\d{3}|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})\b")


@cache
def _stems() -> tuple[frozenset[str], tuple[str, ...]]:
    stems = phrases("titles")
    return stems, tuple(stem for stem in stems if len(stem) >= 5)


def title_score(text: str) -> float:
    """How much a text looks like a job title, 0 to 1: by the share that known words of titles have.

    Args:
        text: Part of a line.
    """
    words = [word for word in folded_words(text) if not word.isdigit()]
    if not words or len(words) > 14:
        return 0.0
    whole, long = _stems()
    hits = [
        word
        for word in words
        if word in whole or word.startswith(long) or (len(word) > 9 and word.endswith(long))
    ]
    if not hits:
        return 0.0
    # The first and the last word weigh most: "Head of X", "X Manager".
    edges = sum(0.25 for word in (words[0], words[-1]) if word in hits)
    return min(1.0, 0.5 * len(hits) / len(words) + 0.25 + edges)


def company_score(text: str) -> float:
    """How much a text looks like an organisation's name, 0 to 1.

    Args:
        text: Part of a line.
    """
    if not text.strip():
        return 0.0
    return 0.8 if _COMPANY.search(re.sub(r"(?<=\w)\.(?=\w|\s|$)", "", fold(text))) else 0.0


def is_place(text: str) -> bool:
    """Whether a text is a place: ``Leeds, UK``, ``Remote``, ``75002 Paris``.

    Args:
        text: Part of a line.
    """
    text = text.strip(" .,;()")
    if not text or len(text) > 60 or any(sign in text for sign in "@:/|"):
        return False
    if fold(text) in phrases("places"):
        return True
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > 1 and (fold(parts[-1]) in phrases("places") or _is_region(parts[-1])):
        short = all(len(part.split()) <= 4 for part in parts)
        if _is_region(parts[-1]) and len(parts) == 2 and not _LEGAL_END.search(fold(parts[0])):
            return short and title_score(text) == 0
        return short and not (title_score(text) or company_score(text))
    # "GED 2016" ends in a year.
    dated = re.search(r"(?<!,)\s(?:19|20)\d\d$", text)
    if _POSTCODE.search(text) and not (dated or title_score(text) or company_score(text)):
        bare = _POSTCODE.sub("", text).strip(" ,")
        # "75002 Paris", and not "from 1997" or "2019-2021".
        named = any(letter.isalpha() and not letter.islower() for letter in bare)
        return named and len(bare.split()) <= 6 and not re.search(r"\d{4}", bare)
    if _AREA.match(fold(text)):
        return True
    return bool(re.fullmatch(r"(?:remote|hybrid|on-?site)\b.{0,30}", fold(text)))


def _is_region(text: str) -> bool:
    return text.isupper() and fold(text.replace(".", "")) in phrases("regions")


def names_tongue(text: str) -> bool:
    """Whether a text names a language that people speak.

    Args:
        text: Any text.
    """
    return any(word in phrases("tongues") for word in re.findall(r"[^\W\d_]+", fold(text)))
