"""Words without what languages and typesetters put on them, for comparing."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["fold", "fold_level", "folded_words"]

_SPECIAL = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i", "’": "'", "‘": "'", "`": "'"}
)


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Lower case, without accents, vowel points and double spaces.

    Args:
        text: Any text.
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_SPECIAL))
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return re.sub(r"\s+", " ", plain).strip()


def fold_level(text: str) -> str:
    """A text folded letter by letter: as long as it was, so that places in both are the same.

    Args:
        text: Any text.
    """
    return "".join(" " if letter.isspace() else (fold(letter) or letter)[0] for letter in text)


def folded_words(text: str) -> list[str]:
    """The words of a text, folded.

    Args:
        text: Any text.
    """
    return re.findall(r"[^\W_]+", fold(text))
