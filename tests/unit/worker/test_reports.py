"""What a job says is coalesced, never lost when it matters, and never out of order."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidRequest, LeaseLost
from headway.worker.reports import Frame, Reports

from .claims import attempt


def told(reports: Reports) -> list[dict[str, Any]]:
    """Everything, as it would be sent."""
    frames = []
    while (frame := reports.take()) is not None:
        frames.append(frame.fields())
        reports.stored()
    return frames


def test_progress_is_merged_and_the_latest_wins() -> None:
    reports = Reports()
    reports.progress(1, "a")
    reports.progress(2, None)
    reports.metrics({"n": 1})
    assert not reports.urgent
    assert told(reports) == [{"percent": 2, "message": "a", "metrics": {"n": 1}}]
    assert told(reports) == []


def test_stages_are_never_merged_into_one_another() -> None:
    reports = Reports()
    reports.progress(1, None)
    reports.stage("one", 10, "first")
    reports.stage("two", 50, None)
    reports.progress(60, None)
    assert reports.urgent
    assert told(reports) == [
        {"stage": "one", "percent": 10, "message": "first"},
        {"stage": "two", "percent": 60},
    ]


def test_a_stage_after_an_event_stays_after_it() -> None:
    reports = Reports()
    reports.stage("one", 0, None)
    reports.event("x", 1, urgent=True, wait=False)
    reports.stage("two", 50, None)
    reports.event("y", 2, urgent=True, wait=False)
    assert told(reports) == [
        {"stage": "one", "percent": 0, "events": [{"name": "x", "data": 1, "n": 1}]},
        {"stage": "two", "percent": 50, "events": [{"name": "y", "data": 2, "n": 2}]},
    ]


def test_what_is_said_while_a_frame_is_under_way_waits_for_the_next() -> None:
    reports = Reports()
    reports.progress(1, None)
    frame = reports.take()
    reports.progress(2, None)
    assert reports.take() is None
    assert frame is not None
    assert frame.percent == 1
    reports.put_back()
    assert told(reports) == [{"percent": 1}, {"percent": 2}]


def test_many_events_go_in_several_frames() -> None:
    reports = Reports()
    for number in range(90):
        reports.event("x", number, urgent=False, wait=False)
    frames = told(reports)
    assert [len(frame["events"]) for frame in frames] == [40, 40, 10]
    assert [event["n"] for frame in frames for event in frame["events"]] == list(range(1, 91))


def test_whoever_waits_is_told_when_it_is_stored_or_why_not() -> None:
    reports = Reports()
    stored = reports.event("x", 1, urgent=True, wait=True)
    refused = reports.event("y", 2, urgent=True, wait=True)
    assert stored is not None
    assert refused is not None
    reports.take()
    reports.stored(InvalidRequest("no"))
    with pytest.raises(InvalidRequest):
        refused.result(0)
    assert stored.exception(0) is not None
    late = reports.settled(urgent_only=False)
    assert late is None
    reports.stage("one", 0, None)
    waiting = reports.settled(urgent_only=True)
    assert waiting is not None
    reports.close(LeaseLost())
    with pytest.raises(LeaseLost):
        waiting.result(0)
    after = reports.event("z", 3, urgent=True, wait=True)
    assert after is not None
    with pytest.raises(LeaseLost):
        after.result(0)


def test_only_what_matters_must_be_stored_before_the_end() -> None:
    reports = Reports()
    reports.progress(10, "nearly")
    assert not reports.must_settle
    assert reports.settled(urgent_only=True) is None
    reports.event("log", {}, urgent=False, wait=False)
    assert reports.must_settle


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("stage"), st.sampled_from("abcdef")),
            st.tuples(st.just("event"), st.integers()),
            st.tuples(st.just("progress"), st.integers(0, 100)),
            st.tuples(st.just("send"), st.booleans()),
        ),
        max_size=60,
    )
)
def test_stages_and_events_arrive_all_and_in_order(story: list[tuple[str, Any]]) -> None:
    reports = Reports()
    said: list[tuple[str, Any]] = []
    heard: list[tuple[str, Any]] = []

    def send(works: bool) -> None:
        if (frame := reports.take()) is None:
            return
        if not works:
            reports.put_back()
            return
        if frame.stage is not None:
            heard.append(("stage", frame.stage))
        heard.extend(("event", event["data"]) for event in frame.events)
        reports.stored()

    for what, value in story:
        if what == "send":
            send(value)
        elif what == "progress":
            reports.progress(value, None)
        else:
            said.append((what, value))
            if what == "stage":
                reports.stage(value, 0, None)
            else:
                reports.event("x", value, urgent=False, wait=False)
    while reports.pending:
        send(True)
    assert heard == said


def test_an_execution_checks_what_it_is_told() -> None:
    running = attempt(stages=["read", "write"])
    with pytest.raises(InvalidRequest, match="unknown stage"):
        running.enter_stage("reed", None)
    with pytest.raises(InvalidRequest, match="done"):
        running.advance(-1, 10, None)
    with pytest.raises(InvalidRequest, match="metrics"):
        running.add_metrics({"text": "x" * 5000})
    assert not running.reports.pending
    running.enter_stage("read", "a\x00b\ud800c")
    running.enter_stage("read", None)
    running.add_metrics({"a": 1, "b": 2})
    running.add_metrics({"a": None})
    assert told(running.reports) == [
        {"stage": "read", "percent": 0.0, "message": "ab?c", "metrics": {"b": 2}}
    ]


def test_a_lost_lease_outweighs_every_other_reason_to_stop() -> None:
    running = attempt()
    stops: list[int] = []
    running.on_stop = lambda: stops.append(1)
    assert running.stop("cancelled", "why")
    assert not running.stop("timeout")
    assert running.stop("lost")
    assert (running.stop_reason, running.told_to_stop, stops) == ("lost", True, [1])
    assert not running.stop("cancelled")


def test_what_is_urgent_may_be_asked_while_it_is_stored() -> None:
    reports = Reports()
    reports.progress(1, None)
    assert reports.take() is not None
    storing: list[threading.Thread] = []

    class Looked(deque[Frame]):
        """Is stored by another thread as soon as somebody looks at it."""

        def __len__(self) -> int:
            size = super().__len__()
            if not storing:
                storing.append(threading.Thread(target=reports.stored))
                storing[0].start()
                storing[0].join(0.1)
            return size

    frames = Looked()
    frames.extend(reports._frames)
    reports._frames = frames
    assert reports.urgent is False
    storing[0].join()
    assert not reports.pending
