"""The fault switch's values."""

from __future__ import annotations

from typing import Any

import pytest

from headway.local.realtime.faults import FaultInvalid, RealtimeFaults


def test_healthy_by_default() -> None:
    faults = RealtimeFaults()
    assert not faults.disturbs_sending
    assert faults.fate("realtime:x") == (1, False)


def test_set_changes_only_what_is_named() -> None:
    faults = RealtimeFaults(lose=0.5)
    faults.set({"delay_ms": 10, "refuse_joins": "Unauthorized: no"})
    assert (faults.lose, faults.delay_ms, faults.refuse_joins) == (0.5, 10, "Unauthorized: no")
    faults.reset()
    assert faults == RealtimeFaults()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"loose": 0.5}, "loose"),
        ({"lose": 2}, "lose"),
        ({"lose": "all"}, "lose"),
        ({"lose": True}, "lose"),
        ({"silent": 1}, "silent"),
        ({"refuse_joins": None}, "refuse_joins"),
        ({"refuse_connections": 200}, "refuse_connections"),
        ({"refuse_connections": True}, "refuse_connections"),
        ({"delay_ms": -1}, "delay_ms"),
        ({"delay_ms": 1e9}, "delay_ms"),
        ({"_chance": 1}, "_chance"),
    ],
)
def test_what_cannot_be_is_named_and_changes_nothing(values: dict[str, Any], named: str) -> None:
    faults = RealtimeFaults()
    with pytest.raises(FaultInvalid, match=f"^{named}:"):
        faults.set({"duplicate": 0.1, **values})
    assert faults == RealtimeFaults()


def test_a_seed_makes_fates_repeatable() -> None:
    faults = RealtimeFaults()

    def fates() -> list[tuple[int, bool]]:
        faults.set({"lose": 0.3, "duplicate": 0.3, "reorder": 0.3, "seed": 7})
        return [faults.fate("realtime:x") for _ in range(50)]

    first = fates()
    assert first == fates()
    assert {copies for copies, _ in first} == {0, 1, 2}


def test_other_topics_are_spared() -> None:
    faults = RealtimeFaults(lose=1, topic="job:")
    assert faults.fate("realtime:job:1") == (0, False)
    assert faults.fate("realtime:user:1") == (1, False)
