"""Dates are found as they are written, in many languages, and never made more precise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.sandbox.answers.cv.dates import find_span, first_date, is_duration


@pytest.mark.parametrize(
    ("line", "start", "end", "rest"),
    [
        ("CFO, Acme (March 2019 – Present)", "March 2019", "Present", "CFO, Acme"),
        ("2019-03 - 2021-11  CFO", "2019-03", "2021-11", "CFO"),
        ("03/2018 – heute", "03/2018", "Present", ""),
        ("seit 04/2021   Leiterin", "04/2021", "Present", "Leiterin"),
        ("janvier 2020 – aujourd'hui", "janvier 2020", "Present", ""),
        ("mayo de 2015 – actualidad", "mayo de 2015", "Present", ""),
        ("de marzo de 2010 a junio de 2012", "marzo de 2010", "junio de 2012", "de"),
        ("maart 2010 - december 2012", "maart 2010", "december 2012", ""),
        ("wrzesień 2010 – kwiecień 2016", "wrzesień 2010", "kwiecień 2016", ""),
        ("март 2016 – настоящее время", "март 2016", "Present", ""),
        ("2018年3月 - 至今", "2018年3月", "Present", ""),
        ("مارس 2019 – حتى الآن", "مارس 2019", "Present", ""),
        ("ינואר 2021 – היום", "ינואר 2021", "Present", ""),
        ("Jan '06 – Oct 2008", "Jan '06", "Oct 2008", ""),
        ("15 June 2004 – 30 September 2005", "15 June 2004", "30 September 2005", ""),
        ("01.04.2012 - 31.12.2014 Analyst", "01.04.2012", "31.12.2014", "Analyst"),
        ("March – June 2019", "March 2019", "June 2019", ""),
        ("2013–17", "2013", "2017", ""),
        ("Spring 2014 to 2019", "Spring 2014", "2019", ""),
        ("2018 to date", "2018", "Present", ""),
        ("Chair (2019 – )", "2019", "Present", "Chair"),
        ("January 2023 - Present (2 years 1 month)", "January 2023", "Present", ""),
        ("Trustee, Museum, 2015", "2015", None, "Trustee, Museum"),
        ("until 2012", None, "2012", ""),
    ],
)
def test_a_span_is_found(line: str, start: str | None, end: str | None, rest: str) -> None:
    span = find_span(line)
    assert span is not None
    assert (span.start, span.end, span.rest) == (start, end, rest)
    assert span.current is (end == "Present")


@pytest.mark.parametrize(
    "line",
    [
        "Chemist who moved to Basel in 2012 and stayed",
        "Managed 2000 servers",
        "Call +44 20 7946 0958",
        "Room 1984",
        "May I introduce myself",
        "Marched from 1 to 9",
    ],
)
def test_numbers_in_sentences_are_no_dates(line: str) -> None:
    assert find_span(line) is None


@pytest.mark.parametrize("line", ["5 years 3 months", "(2 yrs)", "3 Jahre", "1 an 2 mois", "18 months"])
def test_durations_are_known(line: str) -> None:
    assert is_duration(line)
    assert not is_duration(f"{line} at Acme")


def test_the_first_date_in_speech_is_found() -> None:
    assert first_date("I could start on 1 March 2027, or later") == "1 March 2027"
    assert first_date("whenever you like") is None


@given(st.text(max_size=80))
def test_any_line_is_survived(line: str) -> None:
    span = find_span(line)
    if span is not None and span.start is not None:
        assert span.start in line or span.start.split()[-1].isdigit()
