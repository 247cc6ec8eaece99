"""Dates exactly as precise as they were given, whatever form they come in.

A date is ``2019``, ``2019-03`` or ``2019-03-15``: what ``public.is_partial_date`` admits. What can be read in
two ways (03/04/2019) is kept as far as it is certain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date

from workers.cv.months import month_of, plain

__all__ = ["Period", "is_ongoing", "read_date", "read_period", "read_year"]

_EARLIEST = 1900
# Degrees and contracts that end in the future are common; years beyond that are numbers of something else.
_YEARS_AHEAD = 10
# Nobody writes a date at such length; a model that repeats itself does, without an end.
_LONGEST = 200

_ONGOING = re.compile(
    r"\b(?:present|presently|now|current|currently|today|date|ongoing|continuing|heute|jetzt|aktuell|laufend|"
    r"gegenwart|derzeit|actuel(?:le)?|actuellement|aujourd.?hui|ce jour|cours|actual(?:idad|mente)?|presente|"
    r"hoy|fecha|curso|oggi|attuale|attualmente|corso|atual(?:mente)?|hoje|momento|heden|nu|tegenwoordig|huidig|"
    r"pagaende|nuvarande|idag|i dag|naverende|nutid|obecnie|teraz|nadal|soucasnost|soucasnosti|dosud|nyni|"
    r"настоящее время|сеичас|н\.? ?в|дотепер|теперішніи час|halen|gunumuz|devam|prezent|jelenleg|jelen|"
    r"σημερα|nykyinen|nykyaan)\b|الان|حاليا|الحالي|الحاضر|היום|כיום|現在|至今|现在|目前|현재"
)
_SINCE = re.compile(
    r"^\W*(?:since|seit|ab|depuis|desde|dal|dall'?|sinds|sedan|siden|od|с|от|από|beri|منذ|מאז)\b"
)
_RANGE = re.compile(
    r"\s*[–—―]\s*|\s+(?:-|to|until|till|bis|au|a|al|hasta|ate|tot|til|till|do|по|до|إلى|الى|עד)\s+"
)
_FOUR_TO_FOUR = re.compile(r"(?<!\d)(\d{4})\s*[-/]\s*(\d{4})(?!\d)")
_SEASON_YEAR = re.compile(r"^(\d{4})\s*[-/]\s*(\d{2})$")
_CJK = re.compile(r"[年年月日년월일]")
_PIECE = re.compile(r"\d+|[^\W\d_]+")
_TOKEN = re.compile(r"\d[\d./-]*\d|\d")
_DECADE = re.compile(r"\d{3}0(?:'?s|er|ern)\b")


@dataclass(frozen=True, slots=True)
class Period:
    """From when to when.

    Attributes:
        start: The first date, as precise as given; ``None`` when it is not told.
        end: The last date; ``None`` when it is not told, or has not come.
        ongoing: The text says that it goes on.
        unread: Texts that should have been dates and could not be read as such.
    """

    start: str | None = None
    end: str | None = None
    ongoing: bool = False
    unread: list[str] = field(default_factory=list)


def read_date(text: str | None, today: date) -> str | None:
    """A date as precise as the text is certain; ``None`` when there is none in it.

    Args:
        text: In any language and any usual order.
        today: What two-digit years and years in the future are held against.
    """
    if not text or len(text) > _LONGEST:
        return None
    words = plain(text)
    words = re.sub(r"t\d{2}:\d{2}.*$", "", words.strip())
    if _DECADE.search(words):
        return None
    if _CJK.search(text):
        words = _CJK.sub(" ", words)
        return _year_first([int(n) for n in re.findall(r"\d+", words)], today)
    pieces = _PIECE.findall(words)
    numbers = [piece for piece in pieces if piece.isdigit()]
    months = {month for piece in pieces if (month := month_of(piece)) is not None}
    if len(months) == 1:
        return _with_month_name(numbers, months.pop(), words, today)
    if len(months) > 1:
        return _only_year(numbers, today)
    return _numeric(words, numbers, today)


def read_year(text: str | None, today: date) -> int | None:
    """The year of a date, the last one of a range; ``None`` when there is none."""
    if not text:
        return None
    last = read_period(text, None, today)
    value = last.end or last.start
    return int(value[:4]) if value else None


def is_ongoing(text: str | None) -> bool:
    """Whether a text stands for a date that has not come: Present, heute, actuellement."""
    return bool(text) and len(text or "") <= _LONGEST and _ONGOING.search(plain(text or "")) is not None


def read_period(start: str | None, end: str | None, today: date) -> Period:
    """Both ends of a period, also when one text holds both.

    Args:
        start: What stands for the beginning, or for the whole period.
        end: What stands for the end, or ``None``.
        today: What two-digit years and years in the future are held against.
    """
    first, second = (start or "").strip(), (end or "").strip()
    ongoing = False
    if first and not second:
        first, second, ongoing = _divided(first, today)
    unread = []
    starts = read_date(first, today)
    if first and starts is None:
        # "2019" as the end and "Present" as the beginning: somebody has mixed up the columns.
        if is_ongoing(first):
            ongoing = True
        else:
            unread.append(first)
    ends = read_date(second, today)
    if second and ends is None:
        if is_ongoing(second):
            ongoing = True
        else:
            unread.append(second)
    return Period(starts, ends, ongoing and ends is None, unread)


def _divided(text: str, today: date) -> tuple[str, str, bool]:
    if len(text) > _LONGEST:
        return text, "", False
    words = plain(text)
    if found := _SEASON_YEAR.match(words.strip()):
        year, short = found.groups()
        if int(short) > 12 or int(short) == 0:
            return year, year[:2] + short, False
        return text, "", False
    if found := _FOUR_TO_FOUR.search(words):
        return found.group(1), found.group(2), False
    parts = _RANGE.split(words)
    if len(parts) == 2:
        first, second = parts
        if read_date(first, today) and (read_date(second, today) or is_ongoing(second)):
            return first, second, False
        if read_date(first, today) and not second.strip():
            return first, "", True
    if words.rstrip().endswith(("-", "–", "—")) or _SINCE.search(words):
        return text, "", True
    return text, "", is_ongoing(text)


def _with_month_name(numbers: list[str], month: int, words: str, today: date) -> str | None:
    years = [n for n in numbers if len(n) == 4 and _plausible(int(n), today)]
    rest = [n for n in numbers if n not in years]
    if not years:
        # "Jan 22", "jan-22", "jan '22": with a single number it is the year, with two the second.
        short = [n for n in rest if len(n) == 2]
        if not short:
            return None
        years, rest = [str(_century(int(short[-1]), today))], rest[: rest.index(short[-1])]
    if len(set(years)) > 1:
        return None
    days = [int(n) for n in rest if len(n) <= 2]
    if len(days) == 1 and "'" not in words:
        return _checked(int(years[0]), month, days[0]) or f"{years[0]}-{month:02d}"
    return f"{years[0]}-{month:02d}"


def _numeric(words: str, numbers: list[str], today: date) -> str | None:
    values = [int(n) for n in numbers]
    # A clean row of numbers is a date; numbers within other words are counted on only for a year.
    clean = re.fullmatch(r"\W*(?:\d+\W{0,2})+\W*", words) is not None
    if not clean:
        tokens = _TOKEN.findall(words)
        if len(tokens) == 1:
            return _numeric(tokens[0], re.findall(r"\d+", tokens[0]), today)
        return _only_year(numbers, today)
    if len(numbers) == 1:
        return _single(numbers[0], today)
    if len(numbers[0]) == 4:
        return _year_first(values, today)
    if len(numbers) == 2 and len(numbers[0]) <= 2 and 1 <= values[0] <= 12:
        year = values[1] if len(numbers[1]) == 4 else _century(values[1], today)
        return f"{year}-{values[0]:02d}" if len(numbers[1]) in (2, 4) and _plausible(year, today) else None
    if len(numbers) == 3 and len(numbers[2]) in (2, 4):
        year = values[2] if len(numbers[2]) == 4 else _century(values[2], today)
        return _day_and_month(values[0], values[1], year, "." in words) if _plausible(year, today) else None
    return _only_year(numbers, today)


def _single(number: str, today: date) -> str | None:
    if len(number) == 4:
        return number if _plausible(int(number), today) else None
    if len(number) == 6:
        return _year_first([int(number[:4]), int(number[4:])], today)
    if len(number) == 8:
        return _year_first([int(number[:4]), int(number[4:6]), int(number[6:])], today)
    return None


def _year_first(values: list[int], today: date) -> str | None:
    if not values or not _plausible(values[0], today):
        return None
    year, *rest = values
    if not rest or not 1 <= rest[0] <= 12:
        return f"{year:04d}"
    if len(rest) > 1:
        return _checked(year, rest[0], rest[1]) or f"{year:04d}-{rest[0]:02d}"
    return f"{year:04d}-{rest[0]:02d}"


def _day_and_month(first: int, second: int, year: int, dotted: bool) -> str | None:
    day_first, month_first = _checked(year, second, first), _checked(year, first, second)
    if dotted or month_first is None or day_first == month_first:
        return day_first or month_first or str(year)
    return month_first if day_first is None else str(year)


def _only_year(numbers: list[str], today: date) -> str | None:
    years = {n for n in numbers if len(n) == 4 and _plausible(int(n), today)}
    return years.pop() if len(years) == 1 else None


def _checked(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _plausible(year: int, today: date) -> bool:
    return _EARLIEST <= year <= today.year + _YEARS_AHEAD


def _century(short: int, today: date) -> int:
    ahead = today.year % 100 + _YEARS_AHEAD
    return today.year // 100 * 100 + short - (100 if short > ahead else 0)
