"""How long a text takes to say."""

from __future__ import annotations

import math
import re

__all__ = ["WORDS_PER_SLIDE", "seconds_to_say", "spoken_words"]

WORDS_PER_SLIDE = {"short": 40, "medium": 90, "long": 160}

# Scripts without spaces between words: Han, kana, Thai, Lao, Khmer, Burmese. Hangul is written with spaces.
_UNSPACED = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
)
_WORD = re.compile(r"\w[\w'’.-]*")
# About 250 characters a minute where others say 140 words.
_CHARACTERS_PER_WORD = 1.8


def spoken_words(text: str) -> float:
    """How many words a text has; in scripts without spaces, as many as take the same time to say."""
    unspaced = len(_UNSPACED.findall(text))
    return len(_WORD.findall(_UNSPACED.sub(" ", text))) + unspaced / _CHARACTERS_PER_WORD


def seconds_to_say(text: str, words_per_minute: int) -> int:
    """Whole seconds to say a text, at least 1.

    Args:
        text: What is said.
        words_per_minute: How fast.
    """
    return max(1, math.ceil(spoken_words(text) * 60 / words_per_minute))
