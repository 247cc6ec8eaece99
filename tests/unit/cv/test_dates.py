"""Dates are exactly as precise as they were given, in any language."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.cv.dates import is_ongoing, read_date, read_period, read_year

TODAY = date(2026, 11, 26)
PARTIAL = re.compile(r"(19|20)\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019", "2019"),
        ("2019-03", "2019-03"),
        ("2019-03-15", "2019-03-15"),
        ("2019-03-01T00:00:00Z", "2019-03-01"),
        ("January 2022", "2022-01"),
        ("Sept 2011", "2011-09"),
        ("Jan '06", "2006-01"),
        ("15 June 2004", "2004-06-15"),
        ("June 15, 2004", "2004-06-15"),
        ("03/2018", "2018-03"),
        ("3/19", "2019-03"),
        ("15.03.2019", "2019-03-15"),
        ("25/12/2018", "2018-12-25"),
        # Two readings: what is certain is the year.
        ("03/04/2019", "2019"),
        # No such day: the month is certain.
        ("2019-02-30", "2019-02"),
        ("Spring 2014", "2014"),
        ("Q3 2019", "2019"),
        ("ca. 2012", "2012"),
        ("seit 05/2020", "2020-05"),
        ("März 2020", "2020-03"),
        ("1er mars 2019", "2019-03-01"),
        ("15 de enero de 2022", "2022-01-15"),
        ("wrzesień 2010", "2010-09"),
        # October in one language, November in another.
        ("listopad 2019", "2019"),
        ("Δεκέμβριος 2015", "2015-12"),
        ("مارس ٢٠١٩", "2019-03"),
        ("ינואר 2021", "2021-01"),
        ("2019年3月", "2019-03"),
        ("2019년 3월 5일", "2019-03-05"),
        ("1990s", None),
        ("a while ago", None),
        ("May", None),
        ("1440", None),
        ("Room 4711", None),
        ("", None),
        (None, None),
    ],
)
def test_a_date(text: str | None, expected: str | None) -> None:
    assert read_date(text, TODAY) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2019-03", "Present", ("2019-03", None, True)),
        ("2019 - 2021", None, ("2019", "2021", False)),
        ("2019–heute", None, ("2019", None, True)),
        ("Jan 2019 to Apr 2020", None, ("2019-01", "2020-04", False)),
        ("01/2019 - 03/2020", None, ("2019-01", "2020-03", False)),
        ("2018/19", None, ("2018", "2019", False)),
        ("since 2019", None, ("2019", None, True)),
        ("2019 -", None, ("2019", None, True)),
        ("Present", "2019", (None, "2019", False)),
        (None, "aujourd'hui", (None, None, True)),
        (None, None, (None, None, False)),
    ],
)
def test_a_period(start: str | None, end: str | None, expected: tuple[str | None, str | None, bool]) -> None:
    period = read_period(start, end, TODAY)
    assert (period.start, period.end, period.ongoing) == expected
    assert period.unread == []


def test_what_is_no_date_is_told() -> None:
    assert read_period("a while ago", "2020", TODAY).unread == ["a while ago"]


@pytest.mark.parametrize(
    "text", ["Present", "to date", "heute", "bis heute", "actuellement", "aujourd’hui", "actualidad", "oggi",
             "heden", "obecnie", "по настоящее время", "حتى الآن", "היום", "至今", "現在", "현재"],
)  # fmt: skip
def test_what_goes_on(text: str) -> None:
    assert is_ongoing(text)


def test_the_year_of_a_degree() -> None:
    assert read_year("2011 - 2015", TODAY) == 2015
    assert read_year("June 2012", TODAY) == 2012
    assert read_year("expected 2028", TODAY) == 2028
    assert read_year("n.d.", TODAY) is None


@given(st.text(max_size=60))
def test_whatever_comes_is_a_partial_date_or_none(text: str) -> None:
    read = read_date(text, TODAY)
    assert read is None or PARTIAL.fullmatch(read)


@given(st.dates(min_value=date(1950, 1, 1), max_value=TODAY))
def test_no_precision_is_lost_or_gained(moment: date) -> None:
    for shown in (moment.isoformat(), f"{moment:%d.%m.%Y}", f"{moment:%d %B %Y}", f"{moment:%B %d, %Y}"):
        assert read_date(shown, TODAY) == moment.isoformat()
    for shown in (f"{moment:%Y-%m}", f"{moment:%m/%Y}", f"{moment:%B %Y}", f"{moment:%b. %Y}"):
        assert read_date(shown, TODAY) == moment.isoformat()[:7]


@pytest.mark.parametrize("piece", ["1", "2019 ", "Present ", "x"])
def test_what_never_ends_is_no_date(piece: str) -> None:
    text = piece * 5000
    assert read_date(text, TODAY) is None
    assert read_year(text, TODAY) is None
    assert not is_ongoing(text)
    assert read_period(text, text, TODAY).unread == [text.strip()] * 2
