"""Which month a word is, in the languages that CVs are written in."""

from __future__ import annotations

import unicodedata
from functools import cache

from babel.dates import get_month_names

__all__ = ["month_of", "plain"]

_LOCALES = (
    "en", "de", "de_AT", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "is", "pl", "cs", "sk", "hu",
    "ro", "bg", "hr", "sr", "sr_Latn", "sl", "el", "tr", "ru", "uk", "et", "lv", "lt", "ca", "ga", "he", "ar",
    "ar_SY", "ar_MA", "hi", "id", "vi",
)  # fmt: skip
# What people abbreviate and CLDR (https://cldr.unicode.org) does not.
_ALSO = {"sept": 9, "mrz": 3, "aout": 8, "febr": 2, "okt": 10, "dez": 12, "set": 9, "ene": 1, "dic": 12}


def plain(text: str) -> str:
    """A text for comparisons: one form of every character, lower case, no accents, western digits."""
    # Compatibility forms first: Arabic in a PDF may be drawn in presentation forms.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    kept = (c for c in folded if not unicodedata.combining(c))
    shown = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in kept)
    # Decomposition has taken Korean syllables apart as well.
    return unicodedata.normalize("NFC", shown)


def month_of(word: str) -> int | None:
    """The month that a word names, 1 to 12; ``None`` for another word and for one that languages disagree on.

    Args:
        word: As ``plain`` leaves it, without a full stop.
    """
    return _months().get(word)


@cache
def _months() -> dict[str, int]:
    found: dict[str, set[int]] = {}
    for locale in _LOCALES:
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in get_month_names(width, context, locale).items():
                    word = plain(name).strip(" .")
                    # Two-part names ("kanun al-thani") and "10월" are no single word.
                    if len(word) > 2 and " " not in word and not word[0].isdigit():
                        found.setdefault(word, set()).add(int(number))
    # listopad is October in Croatian and November in Polish: better no month than a wrong one.
    certain = {word: numbers.pop() for word, numbers in found.items() if len(numbers) == 1}
    return _ALSO | certain
