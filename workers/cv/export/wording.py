"""Dates and headings of an exported profile, in the reader's language."""

from __future__ import annotations

import unicodedata
from datetime import date

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton

from headway import InvalidRequest

__all__ = ["GRADE", "HEADINGS", "is_right_to_left", "locale_of", "shown_date", "shown_period"]

HEADINGS = {
    "en": ("Experience", "Board roles", "Education", "Skills", "Languages", "Sectors", "present"),
    "de": ("Berufserfahrung", "Mandate", "Ausbildung", "Kenntnisse", "Sprachen", "Branchen", "heute"),
    "fr": ("Expérience", "Mandats", "Formation", "Compétences", "Langues", "Secteurs", "aujourd’hui"),
    "es": ("Experiencia", "Consejos", "Formación", "Competencias", "Idiomas", "Sectores", "actualidad"),
    "it": ("Esperienza", "Consigli", "Formazione", "Competenze", "Lingue", "Settori", "oggi"),
    "nl": ("Ervaring", "Bestuursfuncties", "Opleiding", "Vaardigheden", "Talen", "Sectoren", "heden"),
    "ar": ("الخبرة", "مجالس الإدارة", "التعليم", "المهارات", "اللغات", "القطاعات", "حتى الآن"),
    "he": ("ניסיון", "דירקטוריונים", "השכלה", "כישורים", "שפות", "תחומים", "היום"),
}
"""Work, boards, education, skills, languages, sectors, and what stands for today."""

GRADE = {
    "en": "Grade", "de": "Note", "fr": "Moyenne", "es": "Nota", "it": "Voto", "nl": "Cijfer",
    "ar": "المعدل", "he": "ציון",
}  # fmt: skip
"""What stands before the grade of a degree."""


def locale_of(language: str) -> Locale:
    """The locale of a language that profiles are exported in.

    Args:
        language: Such as ``en``.

    Raises:
        InvalidRequest: it is none of them.
    """
    if language in HEADINGS:
        try:
            return Locale.parse(language)
        except (UnknownLocaleError, ValueError):
            pass
    raise InvalidRequest(
        f"language: {language[:20]!r} is none that profiles are exported in",
        hint=f"Choose one of {', '.join(HEADINGS)}.",
        code="language_unknown",
        details="language",
    )


def shown_date(value: str, locale: Locale) -> str:
    """A partial date for people, no more precise than it is.

    Args:
        value: ``2019``, ``2019-03`` or ``2019-03-15``.
        locale: Whose words and order to use.
    """
    year, *rest = (int(part) for part in value.split("-"))
    if not rest:
        return str(year)
    moment = date(year, rest[0], rest[1] if len(rest) > 1 else 1)
    if len(rest) == 1:
        return str(format_skeleton("yMMM", moment, locale=locale))
    return str(format_date(moment, "medium", locale=locale))


def shown_period(start: str | None, end: str | None, current: bool, locale: Locale) -> str:
    """From when to when, as far as it is known."""
    last = HEADINGS[str(locale)][6] if current and end is None else shown_date(end, locale) if end else ""
    first = shown_date(start, locale) if start else ""
    return " – ".join(part for part in (first, last) if part)


def is_right_to_left(text: str) -> bool:
    """Whether a text begins with a right-to-left script, which decides at which margin it stands."""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("R", "AL"):
            return True
        if direction == "L":
            return False
    return False
