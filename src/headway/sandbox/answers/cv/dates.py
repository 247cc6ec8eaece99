"""Finds dates and spans of time in a line, and keeps them exactly as they were written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.vocabulary import phrases

__all__ = ["Span", "find_span", "first_date", "is_duration", "years_in"]


def _either(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_MONTHS_WORDS = _either(phrases("months"))
_PRESENT_WORDS = _either(phrases("present"))
_SINCE_WORDS = _either(phrases("since"))
_FROM_WORDS = _either([*phrases("since"), "from", "as of", "ab", "da", "fra", "fran"])
_MONTH = rf"(?:{_either(phrases('months'))})\.?"
_SEASON = rf"(?:{_either(phrases('seasons'))})"
_YEAR = r"(?:19[3-9]\d|20[0-4]\d)"
_DATE = (
    r"(?:"
    rf"{_YEAR}[-/.]\d{{1,2}}(?:[-/.]\d{{1,2}})?(?!\d)"
    rf"|(?<!\d)\d{{1,2}}[./-]\d{{1,2}}[./-]{_YEAR}"
    rf"|(?<!\d)(?:0?[1-9]|1[0-2])\s?[./-]\s?{_YEAR}"
    rf"|{_YEAR}\s?年\s?\d{{1,2}}\s?月|{_YEAR}\s?年|{_YEAR}\s?년\s?\d{{1,2}}\s?월"
    rf"|(?:(?<![\d.,])(?:[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th|er|\.|º)?\s{{1,2}}(?:de\s+)?)?{_MONTH}(?:\s+\d{{1,2}},)?"
    rf"[\s,./-]*(?:de\s+|del\s+|of\s+|d')?(?:{_YEAR}|'\d\d(?!\d)|(?<=[\s./-])\d\d(?!\d))"
    rf"|{_SEASON}[\s-]+(?:of\s+)?{_YEAR}"
    rf"|(?<!\d){_YEAR}(?!\d)"
    r")"
)
_DASH = r"(?:-|–|—|−|‐|‑|―|~|→|>|/|\.\.\.?|…)"
_UNTIL = (
    r"(?:to|until|till|through|thru|up to|bis|a|au|jusqu'a|jusqu'en|hasta|al|ate|tot|t/m|till|til|do|az|"
    r"pana in|kadar|по|до|إلى|الى|حتى|עד|まで|から|kl|fino a)"
)
_JOIN = rf"(?:\s*{_DASH}\s*(?:{_UNTIL}\s+)?|\s+{_UNTIL}(?:\s+|(?=حتى)))"
_NOW = rf"(?:{_either(phrases('present'))})(?![^\W\d_])"
_FROM = rf"(?:{_FROM_WORDS})"
# Without an end, only words that say that it goes on: "from 2015" may be anything.
_SINCE_THEN = rf"(?:{_either(phrases('since'))})"

_RANGE = re.compile(
    rf"(?<![^\W\d_])(?:{_FROM}\s+)?(?:(?P<start>{_DATE})|(?P<month>(?:\d{{1,2}}\.?\s+)?{_MONTH}))"
    rf"{_JOIN}(?:(?P<end>{_DATE})|(?:(?:ao|o|a|la|el|le|il|the|al|zum|au)\s+)?(?P<now>{_NOW})|(?P<short>\d\d)(?!\d))"
)
_OPEN = re.compile(rf"(?<![^\W\d_]){_SINCE_THEN}\s+(?P<start>{_DATE})(?!\s*{_DASH}\s*\d)")
_DANGLING = re.compile(rf"(?<![^\W\d_])(?P<start>{_DATE})\s*(?:–|—|-)\s*(?=$|[)\],|])")
_UNTIL_ONLY = re.compile(
    rf"(?<![^\W\d_])(?:until|bis|jusqu'en|hasta|fino al?|ate|tot|till|til|do)\s+(?P<end>{_DATE})"
)
_SINGLE = re.compile(rf"(?<![^\W\d_])(?P<start>{_DATE})")
_ONLY_NOW = re.compile(rf"[(\[]\s*(?P<now>{_NOW})\s*[)\]]")
_ISOLATED_BEFORE = re.compile(r"(?:^|[(\[|,;:·•–—-]|\s{2,}|\t)\s*$")
_ISOLATED_AFTER = re.compile(r"^\s*(?:$|[)\]|,;:·•–—-]|\s{2,}|\t)")
_DURATION = re.compile(
    r"^[(\[]?\s*(?:about\s+|ca\.?\s+|~)?\d+\+?\s*(?:years?|yrs?|y|jahre?n?|ans?|annees?|anos?|anni|anno|jaar|ar|lat|"
    r"rok|roku|months?|mos?|monate?n?|mois|mes|meses|mesi|mese|maanden|maand|man)\.?"
    r"(?:[\s,]*(?:and|und|et|y|e|en)?[\s,]*\d+\s*(?:months?|mos?|monate?n?|mois|mes|meses|mesi|mese|maanden|maand|man)"
    r"\.?)?\s*[)\]]?$"
)
_TRAILING_DURATION = re.compile(
    r"\s*[·•(|,-]?\s*[(\[]?\s*\d+\s*(?:years?|yrs?|jahre?|ans?|anos?|anni|anno|jaar|months?|mos?|monate?|mois|mes|"
    r"meses|mesi|mese|maanden)\b[^)\n]*[)\]]?"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time in a line.

    Attributes:
        start: As written; ``None`` when not given.
        end: As written; ``Present`` while it goes on; ``None`` when not given.
        current: Whether it goes on.
        before: The line's text before it.
        after: The line's text after it.
    """

    start: str | None
    end: str | None
    current: bool
    before: str
    after: str

    @property
    def rest(self) -> str:
        """The line without it."""
        left = re.sub(r"[\s(\[,;:|·•–—-]+$", "", self.before)
        right = re.sub(r"^[\s)\],;:|·•–—-]+", "", _TRAILING_DURATION.sub("", self.after, count=1))
        return f"{left}  {right}".strip() if left and right else left or right


def find_span(line: str) -> Span | None:
    """The span of time that a line gives, if it gives one.

    A bare year counts only where it stands apart, not in the middle of a sentence.

    Args:
        line: One line.
    """
    low, places = _folded_with_places(line)

    def span(match: re.Match[str], start: str | None, end: str | None, current: bool) -> Span:
        return Span(start, end, current, line[: places[match.start()]], line[places[match.end() - 1] + 1 :])

    def written(match: re.Match[str], group: str) -> str:
        first, last = match.span(group)
        return line[places[first] : places[last - 1] + 1].strip(" .,")

    match: re.Match[str] | None
    for match in reversed(list(_RANGE.finditer(low))):
        if match["now"]:
            end, current = "Present", True
        elif match["short"]:
            year = re.search(_YEAR, match["start"] or "")
            if year is None:
                continue
            end, current = year[0][:2] + match["short"], False
        else:
            end, current = written(match, "end"), False
        if match["month"]:
            # "March – June 2019": the year is said once, and meant for both.
            year = re.search(_YEAR, match["end"] or "")
            if year is None:
                continue
            return span(match, f"{written(match, 'month')} {year[0]}", end, current)
        return span(match, written(match, "start"), end, current)
    for pattern in (_OPEN, _DANGLING):
        if match := pattern.search(low):
            return span(match, written(match, "start"), "Present", True)
    if match := _UNTIL_ONLY.search(low):
        return span(match, None, written(match, "end"), False)
    for match in reversed(list(_SINGLE.finditer(low))):
        if _ISOLATED_BEFORE.search(low[: match.start()]) and _ISOLATED_AFTER.search(low[match.end() :]):
            return span(match, written(match, "start"), None, False)
    if match := _ONLY_NOW.search(low):
        return span(match, None, "Present", True)
    return None


def first_date(text: str) -> str | None:
    """The first date in running text, as it is written; ``None`` without one.

    Args:
        text: Any text.
    """
    low, places = _folded_with_places(text)
    found = _SINGLE.search(low)
    return text[places[found.start()] : places[found.end() - 1] + 1].strip(" .,") if found else None


def is_duration(line: str) -> bool:
    """Whether a line says nothing but how long something took, such as ``5 years 3 months``.

    Args:
        line: One line.
    """
    return bool(_DURATION.match(fold(line)))


def years_in(text: str) -> list[str]:
    """The years of a text, in its order.

    Args:
        text: Any text.
    """
    return re.findall(rf"(?<!\d){_YEAR}(?!\d)", text)


def _folded_with_places(line: str) -> tuple[str, list[int]]:
    """The line folded, and for each of its letters the place in the line that it comes from."""
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(line):
        for each in fold(letter) if not letter.isspace() else " ":
            letters.append(each)
            places.append(place)
    return "".join(letters), places
