"""Pieces of text on a page are put into the order in which a person reads them."""

from __future__ import annotations

import random

from workers.reading.layout import Piece, reading_order


def column(
    left: float, lines: list[str], top: float = 700, leading: float = 14, width: float = 6
) -> list[Piece]:
    return [
        Piece(left, top - n * leading, left + width * len(line), top - n * leading + 10, line)
        for n, line in enumerate(lines)
        if line
    ]


SIDE = ["Contact", "ada@example.com", "Leeds", "Skills", "Python", "SQL", "Leadership"]
MAIN = [
    "Experience",
    "Engineer at Acme, since a while",
    "Built the first machine of its kind in town",
    "Clerk at the Bank of Leeds",
    "Education",
    "University of London, mathematics",
]


def test_columns_are_read_one_after_the_other() -> None:
    pieces = column(40, SIDE) + column(220, MAIN, leading=15)
    random.Random(1).shuffle(pieces)
    assert reading_order(pieces).splitlines() == [*SIDE, *MAIN]


def test_also_when_their_lines_are_level() -> None:
    assert reading_order(column(40, SIDE) + column(220, MAIN)).splitlines() == [*SIDE, *MAIN]


def test_a_heading_over_both_comes_first_and_a_footer_last() -> None:
    pieces = column(40, SIDE) + column(220, MAIN, leading=15)
    pieces += column(40, ["Ada Lovelace, engineer of the first hour and of many later ones"], top=740)
    pieces += column(40, ["References are available on request, as are copies of all certificates"], top=580)
    lines = reading_order(pieces).splitlines()
    assert lines[0].startswith("Ada Lovelace")
    assert lines[-1].startswith("References")
    assert lines[1:-1] == [*SIDE, *MAIN]


def test_dates_at_the_right_stay_in_their_line() -> None:
    jobs = [f"Engineer, Company {n}" for n in range(8)]
    dates = [f"{2012 + n} – {2013 + n}" for n in range(8)]
    lines = reading_order(column(40, jobs) + column(420, dates)).splitlines()
    assert lines == [f"{job}    {date}" for job, date in zip(jobs, dates, strict=True)]


def test_dates_at_the_left_too() -> None:
    dates = ["03/2018 – heute", "10/2011 – 02/2018", "2009 – 2011", "2005 – 2009"]
    jobs = ["Leiter Produktion", "Fertigungsplaner", "Werkstudent", "Praktikant"]
    lines = reading_order(column(40, dates) + column(220, jobs)).splitlines()
    assert lines == [f"{date}    {job}" for date, job in zip(dates, jobs, strict=True)]


def test_labels_stay_with_what_they_label() -> None:
    labels = ["Name:", "E-mail:", "Languages:", "Nationality:"]
    values = ["Ada Lovelace", "ada@example.com", "English, French", "British"]
    lines = reading_order(column(40, labels) + column(220, values)).splitlines()
    assert lines == [f"{label}    {value}" for label, value in zip(labels, values, strict=True)]


def test_three_columns() -> None:
    columns = [[f"{letter}{n}" for n in range(6)] for letter in "abc"]
    pieces = [piece for n, lines in enumerate(columns) for piece in column(40 + 180 * n, lines)]
    assert reading_order(pieces).split() == [word for lines in columns for word in lines]


def test_pieces_of_one_line_are_joined_by_their_distance() -> None:
    pieces = [
        Piece(40, 0, 70, 10, "Senior"),
        Piece(74, 0, 120, 10, "Engin"),
        Piece(120.2, 0, 140, 10, "eer"),
        Piece(300, 0, 330, 10, "2019"),
    ]
    assert reading_order(pieces) == "Senior Engineer    2019"


def test_a_page_of_nothing_and_a_page_of_dust() -> None:
    assert reading_order([]) == ""
    chance = random.Random(7)
    dust = [
        Piece(x, y, x + 3, y + 3, "·")
        for x, y in ((chance.uniform(0, 600), chance.uniform(0, 800)) for _ in range(6000))
    ]
    assert reading_order(dust).count("·") == 6000
