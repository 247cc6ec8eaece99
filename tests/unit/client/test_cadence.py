"""When a watch reads although nothing tells it to."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from typing import Any

import pytest

from headway.client.cadence import Cadence
from headway.client.policy import ClientPolicy
from headway.errors import ConfigError

POLICY = ClientPolicy(poll=2, quiet=5, quiet_cap=30)


def left(cadence: Cadence) -> float:
    return cadence.due - asyncio.get_running_loop().time()


def about(seconds: float) -> Any:
    """Within the spread that keeps many watches apart."""
    return pytest.approx(seconds, rel=0.25)


async def test_without_realtime_it_reads_every_two_seconds() -> None:
    cadence = Cadence(POLICY, first=0)
    assert left(cadence) <= 0
    for _ in range(3):
        cadence.read(missed=False)
        assert left(cadence) == about(2)
    cadence.heard()
    assert left(cadence) == about(2)


async def test_silence_is_believed_for_longer_each_time() -> None:
    cadence = Cadence(POLICY, first=0)
    cadence.hears()
    pauses = []
    for _ in range(6):
        cadence.read(missed=False)
        pauses.append(left(cadence))
    assert pauses == [about(5), about(10), about(20), about(30), about(30), about(30)]
    cadence.heard()
    assert left(cadence) == about(5)


async def test_a_loss_makes_it_look_sooner() -> None:
    cadence = Cadence(POLICY, first=0)
    cadence.hears()
    for _ in range(5):
        cadence.read(missed=False)
    cadence.read(missed=True)
    assert left(cadence) == about(2)
    cadence.read(missed=False)
    assert left(cadence) == about(2)
    cadence.read(missed=False)
    assert left(cadence) == about(4)


async def test_a_lost_connection_is_made_up_for_at_once() -> None:
    cadence = Cadence(POLICY, first=0)
    cadence.hears()
    for _ in range(4):
        cadence.read(missed=False)
    cadence.deaf()
    assert left(cadence) == about(2)


async def test_failures_make_it_slower_and_a_server_may_ask_for_more() -> None:
    cadence = Cadence(POLICY, first=0)
    pauses = []
    for _ in range(10):
        cadence.failed()
        pauses.append(left(cadence))
    assert pauses[0] == about(2)
    assert pauses[-1] == about(30)
    cadence.failed(retry_after=100)
    assert left(cadence) == pytest.approx(100, abs=1)
    cadence.failed(retry_after=1e9)
    assert left(cadence) == pytest.approx(300, abs=1)
    cadence.read(missed=False)
    cadence.failed()
    assert left(cadence) == about(2)


async def test_soon_is_soon_but_not_at_once() -> None:
    cadence = Cadence(POLICY, first=0)
    cadence.soon()
    assert 0 < left(cadence) <= 0.1
    cadence.read(missed=False)
    cadence.soon()
    assert 0 < left(cadence) <= 0.1


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ClientPolicy)])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "1", True, None])
def test_a_policy_that_makes_no_sense_names_its_field(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"ClientPolicy.{field}"):
        ClientPolicy(**{field: value})
