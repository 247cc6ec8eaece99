"""Cron in SQL against croniter, and around changes of clocks against minute-by-minute counting."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import psycopg2
import psycopg2.errors
import pytest
from croniter import croniter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.local.database import Database

MINUTE = timedelta(minutes=1)
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


@pytest.fixture
def cursor(shared_database: Database) -> Iterator[Any]:
    with closing(psycopg2.connect(shared_database.conninfo("postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as opened:
            opened.execute("set timezone to 'UTC'")
            yield opened


def next_ticks(cursor: Any, questions: list[tuple[str, str, datetime]]) -> list[datetime]:
    cursor.execute(
        "select array(select headway.cron_next(e, z, a) from unnest(%s::text[], %s::text[],"
        " %s::timestamptz[]) with ordinality as q (e, z, a, n) order by n)",
        [list(column) for column in zip(*questions, strict=True)],
    )
    return list(cursor.fetchone()[0])


# Against croniter ---------------------------------------------------------------------------------------


@st.composite
def fields(draw: st.DrawFn, low: int, high: int, names: list[str] | None = None) -> str:
    """A field that both implementations read alike, see test_where_croniter_differs for the others."""

    def shown(value: int) -> str:
        return draw(st.sampled_from([str(value), names[value - low]])) if names else str(value)

    def item() -> str:
        first = draw(st.integers(low, high))
        second = draw(st.integers(low, high))
        kind = draw(st.sampled_from(["one", "range", "stepped range", "stepped star", "open step"]))
        if kind == "range" and first != second:
            return f"{shown(first)}-{shown(second)}"
        if kind == "stepped range" and first < second:
            return f"{shown(first)}-{shown(second)}/{draw(st.integers(1, high - low))}"
        if kind == "stepped star":
            return f"*/{draw(st.integers(2, high - low))}"
        if kind == "open step" and first < high:
            return f"{first}/{draw(st.integers(2, high - low))}"
        return shown(first)

    if draw(st.integers(0, 2)) == 0:
        return "*"
    return ",".join(item() for _ in range(draw(st.integers(1, 3))))


expressions = st.tuples(
    fields(0, 59), fields(0, 23), fields(1, 28), fields(1, 12, MONTHS), fields(0, 6, WEEKDAYS)
).map(" ".join)
instants = st.integers(0, 120 * 366 * 86400).map(
    lambda s: datetime(1999, 1, 1, tzinfo=UTC) + timedelta(seconds=s)
)


def covers_everything(expression: str) -> bool:
    """croniter turns a day field that names every value into ``*``, which changes the day rule."""
    expanded = croniter(expression).expanded
    given_fields = expression.split()
    return any(expanded[i] == ["*"] and given_fields[i] != "*" for i in (2, 4))


@given(st.lists(st.tuples(expressions, instants), min_size=40, max_size=80))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
def test_agrees_with_croniter(cursor: Any, cases: list[tuple[str, datetime]]) -> None:
    questions, expected = [], []
    for expression, after in cases:
        if covers_everything(expression):
            continue
        questions.append((expression, "UTC", after))
        expected.append(croniter(expression, after).get_next(datetime))
    if questions:
        assert dict(zip(questions, next_ticks(cursor, questions), strict=True)) == dict(
            zip(questions, expected, strict=True)
        )


@pytest.mark.parametrize(
    "expression",
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "0 0 L * *",
     "15 3 15,L * *", "0 0 29 2 *", "0 0 29 FEB MON", "  5   4 * *  sun ", "0 9 * * Mon-Fri", "0 0 ? * 1",
     "0 22-2 * * *", "0 0 * nov-feb *", "0 0 * * fri-mon", "0 0 * * 5-7", "0 0 * * 7-2", "0 0 31 * *"],
)  # fmt: skip
def test_notations_agree_with_croniter(cursor: Any, expression: str) -> None:
    after = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    reference = croniter(expression.strip(), after)
    cursor.execute("select array_agg(t) from headway.cron_preview(%s, 'UTC', 12, %s) t", (expression, after))
    assert cursor.fetchone()[0] == [reference.get_next(datetime) for _ in range(12)]


def test_where_croniter_differs(cursor: Any) -> None:
    """Decided otherwise on purpose: a field that is written out is a restriction, whatever it covers."""
    after = datetime(2026, 1, 1, tzinfo=UTC)
    # 0-7 names every weekday, so with the POSIX rule every day matches, as in Vixie cron.
    assert next_ticks(cursor, [("0 0 15 * 0-7", "UTC", after)]) == [after + timedelta(days=1)]
    # croniter reads 5-5 as "every minute".
    assert next_ticks(cursor, [("5-5 * * * *", "UTC", after)]) == [after + 5 * MINUTE]


# Around changes of clocks -------------------------------------------------------------------------------


def matching(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        bounds = (low, high) if first == "*" else (int(first), int(last or (high if step else first)))
        found.update(range(bounds[0], bounds[1] + 1, int(step or 1)))
    return found


@cache
def walls(zone: str, start: datetime, minutes: int) -> list[tuple[datetime, datetime]]:
    """Each minute's instant and wall time, from the one before ``start`` on."""
    instants = [start + (i - 1) * MINUTE for i in range(minutes + 2)]
    return [(instant, instant.astimezone(ZoneInfo(zone))) for instant in instants]


def counted(expression: str, zone: str, after: datetime, start: datetime) -> datetime | None:
    """The next tick within four days of ``start``, found by looking at every minute."""
    minute, hour, day, month, weekday = expression.split()
    minutes, hours = matching(minute, 0, 59), matching(hour, 0, 23)
    on_days, in_months = matching(day, 1, 31), matching(month, 1, 12)
    on_weekdays = {value % 7 for value in matching(weekday, 0, 7 if weekday != "*" else 6)}
    regular = hour.startswith("*")

    def matches(wall: datetime) -> bool:
        if wall.minute not in minutes or wall.hour not in hours or wall.month not in in_months:
            return False
        by_day, by_weekday = wall.day in on_days, wall.isoweekday() % 7 in on_weekdays
        if day == "*":
            return by_weekday
        if weekday == "*":
            return by_day
        return by_day or by_weekday

    series = walls(zone, start, 4 * 1440)
    series = series[int((after - start) / MINUTE) :]
    for (_, earlier), (instant, wall) in pairwise(series):
        if instant <= after:
            continue
        if matches(wall) and (regular or wall.fold == 0):
            return instant
        skipped = earlier.replace(tzinfo=None, fold=0) + MINUTE
        while not regular and skipped < wall.replace(tzinfo=None, fold=0):
            if matches(skipped):
                return instant
            skipped += MINUTE
    return None


CHANGES = [
    ("America/New_York", "2026-03-08T07:00"),  # one hour forward at 02:00
    ("America/New_York", "2026-11-01T06:00"),  # one hour back at 02:00
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),  # half an hour forward
    ("Australia/Lord_Howe", "2026-04-04T15:00"),  # half an hour back
    ("America/Sao_Paulo", "2018-11-04T03:00"),  # forward at midnight: the day begins at 01:00
    ("America/Sao_Paulo", "2018-02-18T02:00"),  # back at midnight: the day's last hour comes twice
    ("Africa/Cairo", "2026-10-29T21:00"),  # back at midnight
    ("Asia/Beirut", "2026-03-28T22:00"),  # forward at midnight
    ("Antarctica/Troll", "2026-03-29T01:00"),  # two hours forward
    ("Antarctica/Troll", "2026-10-25T01:00"),  # two hours back
    ("Africa/Casablanca", "2026-02-15T02:00"),  # Ramadan
    ("Pacific/Apia", "2011-12-30T10:00"),  # a whole day is left out
    ("America/St_Johns", "2010-11-07T02:31"),  # back at one minute past midnight, into the day before
    ("Asia/Kathmandu", "2026-06-01T00:00"),  # no change, and an odd offset
]


def test_clock_changes_agree_with_counting(cursor: Any) -> None:
    chance = random.Random(20261122)
    questions, starts = [], []
    for zone, change in CHANGES:
        moment = datetime.fromisoformat(change).replace(tzinfo=UTC)
        start = moment - timedelta(hours=30)
        for _ in range(30):
            after = start + chance.randrange(0, 60 * 60 * 36) * timedelta(seconds=1)
            minute = chance.choice(["0", "30", "1", "*/15", "*", "59", "10-50/20"])
            hour = chance.choice(["*", "*/2", "0", "1", "2", "3", "23", "0-3", "1,2", "22-23"])
            day = chance.choice(["*", "*", str((moment + timedelta(hours=6)).day), "1,15,30"])
            weekday = chance.choice(["*", "*", "0", "1-5", "6"])
            questions.append((f"{minute} {hour} {day} * {weekday}", zone, after))
            starts.append(start)
    answers = next_ticks(cursor, questions)
    compared = 0
    for question, start, answer in zip(questions, starts, answers, strict=True):
        expected = counted(*question, start)
        if expected is None:
            assert answer > start + timedelta(days=4), question
        else:
            assert answer == expected, question
            compared += 1
    assert compared > len(questions) / 2


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *", "America/New_York", "2026-03-08T00:00-05:00",
            ["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"],
            id="a time that does not exist comes right after the gap",
        ),
        pytest.param(
            "*/20 2 * * *", "America/New_York", "2026-03-08T00:00-05:00",
            ["2026-03-08T03:00-04:00", "2026-03-09T02:00-04:00"],
            id="several times in the gap fall together",
        ),
        pytest.param(
            "30 1 * * *", "America/New_York", "2026-11-01T00:00-04:00",
            ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
            id="a time that comes twice counts once",
        ),
        pytest.param(
            "*/30 * * * *", "America/New_York", "2026-11-01T01:00-04:00",
            ["2026-11-01T01:30-04:00", "2026-11-01T01:00-05:00", "2026-11-01T01:30-05:00"],
            id="every half hour means every half hour",
        ),
        pytest.param(
            "0 9 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00", ["2026-03-29T09:00+02:00"],
            id="nine o'clock is nine o'clock",
        ),
    ],
)  # fmt: skip
def test_clock_changes_by_example(
    cursor: Any, expression: str, zone: str, after: str, expected: list[str]
) -> None:
    cursor.execute(
        "select array_agg(t) from headway.cron_preview(%s, %s, %s, %s) t",
        (expression, zone, len(expected), datetime.fromisoformat(after)),
    )
    assert cursor.fetchone()[0] == [datetime.fromisoformat(text) for text in expected]


# Refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("60 * * * *", "minute field holds 60"),
        ("* 24 * * *", "hour field holds 24"),
        ("* * 0 * *", "day of month field holds 0"),
        ("* * * 13 *", "month field holds 13"),
        ("* * * * 8", "day of week field holds 8"),
        ("*/0 * * * *", "step of 0"),
        ("*/61 * * * *", "step of 61"),
        ("1, * * * *", "does not understand ''"),
        ("-1 * * * *", "does not understand '-1'"),
        ("1-2-3 * * * *", "does not understand '1-2-3'"),
        ("* * * mon *", "does not understand 'mon'"),
        ("* * * * 1#2", "does not understand '1#2'"),
        ("99999999999 * * * *", "does not understand '99999999999'"),
        ("0 0 30 2 *", "day 30 does not exist in month 2"),
        ("0 0 31 apr,jun *", "day 31 does not exist in month 4,6"),
        ("* * * *", "5 fields, not 4"),
        ("* * * * * *", "5 fields, not 6"),
        ("@reboot", "not a known shorthand"),
        ("", "at most 256 characters"),
        (None, "at most 256 characters"),
        ("0," * 200 + "0 * * * *", "at most 256 characters"),
        ("٣ * * * *", "does not understand"),
    ],
)
def test_refuses_expressions(cursor: Any, expression: str | None, words: str) -> None:
    with pytest.raises(psycopg2.Error) as refused:
        cursor.execute("select headway.cron_next(%s)", (expression,))
    assert refused.value.pgcode == "HW100"
    assert words in str(refused.value.diag.message_primary)
    assert refused.value.diag.message_detail == "cron"
    assert refused.value.diag.message_hint


@pytest.mark.parametrize(
    "zone",
    ["PST", "EST5EDT4", "FOO+3", "Mars/Olympus", "", "Europe/../../etc/passwd", "Etc/GMT+20", "+02:00", None],
)
def test_refuses_time_zones(cursor: Any, zone: str | None) -> None:
    with pytest.raises(psycopg2.Error) as refused:
        cursor.execute("select headway.cron_next('@daily', %s)", (zone,))
    assert (refused.value.pgcode, refused.value.diag.message_detail) == ("HW100", "time_zone")


@pytest.mark.parametrize(
    "zone",
    ["UTC", "GMT", "America/Argentina/Buenos_Aires", "America/Port-au-Prince", "Etc/GMT-14", "Etc/GMT+5"],
)
def test_takes_time_zones(cursor: Any, zone: str) -> None:
    after = datetime(2026, 1, 1, tzinfo=UTC)
    (found,) = next_ticks(cursor, [("0 0 * * *", zone, after)])
    local = found.astimezone(ZoneInfo(zone))
    assert (local.hour, local.minute) == (0, 0)
    assert timedelta() < found - after <= timedelta(days=1)


@pytest.mark.parametrize("after", ["infinity", "-infinity", "0099-01-01", None])
def test_refuses_absurd_times(cursor: Any, after: str | None) -> None:
    with pytest.raises(psycopg2.Error) as refused:
        cursor.execute("select headway.cron_next('@daily', 'UTC', %s)", (after,))
    assert refused.value.pgcode == "HW103"


@pytest.mark.parametrize("count", [0, -1, 101, None])
def test_previews_are_bounded(cursor: Any, count: int | None) -> None:
    with pytest.raises(psycopg2.Error) as refused:
        cursor.execute("select headway.cron_preview('@daily', 'UTC', %s)", (count,))
    assert refused.value.pgcode == "HW103"
