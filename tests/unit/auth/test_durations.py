"""Go's durations."""

from __future__ import annotations

from datetime import timedelta

import pytest

from headway.local.auth.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("100ms", 0.1),
        ("1us1µs1μs", 3e-6),
        ("-24h", -86400),
        ("+1m", 60),
        ("876000h", 3153600000),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "1", "h", "1d", "1h ", " 1h", "1h-30m", "--1h", "1hh", "1e3s", "9999999h", "٣s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="time: invalid duration"):
        parse_duration(text)
