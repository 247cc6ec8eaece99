"""Weighted stages make one percent that never falls."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headway.core.parts import Stage
from headway.core.stages import StagePlan, StageProgress
from headway.errors import InvalidRequest

VIDEO = StagePlan(
    [
        {"name": "uploading", "weight": 20},
        {"name": "transcribing", "weight": 10},
        {"name": "generating", "weight": 25},
        {"name": "translating", "weight": 45},
    ]
)


def test_weights_are_shares_of_the_bar() -> None:
    assert [VIDEO.span(stage.name) for stage in VIDEO.stages] == [(0, 20), (20, 30), (30, 55), (55, 100)]


def test_progress_within_a_stage_and_from_stage_to_stage() -> None:
    progress = StageProgress(VIDEO)
    assert progress.enter("uploading") == 0
    assert progress.advance(1, 2) == 10
    assert progress.enter("transcribing") == 20
    assert progress.advance(50) == 25
    assert (progress.stage, progress.percent) == ("transcribing", 25)


def test_skipped_stages_count_as_done() -> None:
    progress = StageProgress(VIDEO)
    assert progress.enter("translating") == 55


def test_going_back_never_lowers_the_percent() -> None:
    progress = StageProgress(VIDEO)
    progress.enter("translating")
    assert progress.enter("uploading") == 55
    assert progress.advance(9, 10) == 55
    assert progress.stage == "uploading"


def test_too_much_counts_as_all_and_nothing_to_do_as_done() -> None:
    progress = StageProgress(VIDEO)
    progress.enter("uploading")
    assert progress.advance(30, 10) == 20
    progress.enter("transcribing")
    assert progress.advance(0, 0) == 30


def test_names_are_stages_of_equal_weight() -> None:
    plan = StagePlan(["a", Stage(name="b"), "c"])
    assert plan.percent("b", 0) == 33.33
    assert plan.percent("c", 1) == 100


def test_a_weight_of_zero_takes_no_room_and_all_zeros_share_alike() -> None:
    plan = StagePlan([{"name": "a", "weight": 0}, {"name": "b", "weight": 2}])
    assert (plan.span("a"), plan.span("b")) == ((0, 0), (0, 100))
    assert StagePlan([{"name": "a", "weight": 0}, {"name": "b", "weight": 0}]).span("b") == (50, 100)


def test_without_stages_the_bar_belongs_to_the_work() -> None:
    progress = StageProgress(StagePlan())
    assert progress.advance(1, 4) == 25
    with pytest.raises(InvalidRequest, match="unknown stage 'a'"):
        progress.enter("a")


def test_before_the_first_stage_nothing_is_done() -> None:
    progress = StageProgress(VIDEO)
    assert progress.advance(99, 100) == 0
    assert progress.stage is None


def test_an_unknown_stage_names_the_nearest_and_changes_nothing() -> None:
    progress = StageProgress(VIDEO)
    progress.enter("generating")
    with pytest.raises(InvalidRequest, match="unknown stage 'translatin'") as raised:
        progress.enter("translatin")
    assert raised.value.hint is not None
    assert "Did you mean translating?" in raised.value.hint
    assert raised.value.details == "stage"
    assert (progress.stage, progress.percent) == ("generating", 30)


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"stages\[1\]\.name: 'a' comes twice"):
        StagePlan(["a", "a"])


@pytest.mark.parametrize("weight", [-1, math.inf, math.nan])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ValidationError):
        StagePlan([{"name": "a", "weight": weight}])


@pytest.mark.parametrize(
    ("done", "total", "field"),
    [(-1, 2, "done"), (math.nan, 2, "done"), (1, -2, "total"), (1, math.inf, "total")],
)
def test_numbers_that_are_none_are_refused(done: float, total: float, field: str) -> None:
    progress = StageProgress(VIDEO)
    progress.enter("generating")
    with pytest.raises(InvalidRequest, match=f"^{field}:"):
        progress.advance(done, total)
    assert progress.percent == 30


weights = st.lists(st.floats(0, 1e6), min_size=1, max_size=8)
moves = st.lists(st.tuples(st.integers(0, 7), st.floats(0, 1e6), st.floats(0, 1e6)), max_size=30)


@given(weights, moves)
def test_whatever_is_reported_the_percent_rises_from_0_to_100(
    w: list[float], m: list[tuple[int, float, float]]
) -> None:
    plan = StagePlan([{"name": f"s{place}", "weight": weight} for place, weight in enumerate(w)])
    progress = StageProgress(plan)
    shown = [0.0]
    for place, done, total in m:
        shown.append(progress.enter(f"s{place % len(w)}"))
        shown.append(progress.advance(done, total))
    progress.enter(f"s{len(w) - 1}")
    shown.append(progress.advance(1, 1))
    assert shown == sorted(shown)
    assert shown[-1] == 100
    assert all(round(percent, 2) == percent for percent in shown)


@given(st.integers(1, 400), st.data())
def test_100_is_shown_only_when_all_is_done(total: int, data: st.DataObject) -> None:
    done = data.draw(st.integers(0, total))
    progress = StageProgress(StagePlan())
    assert (progress.advance(done, total) == 100) is (done == total)
    assert progress.percent == pytest.approx(100 * done / total, abs=0.01)
