"""What an event tells of the job right after it."""

from __future__ import annotations

from typing import Any

import pytest

from headway.core.event import JobEvent
from headway.core.evolution import state_after, state_before_history
from headway.core.feed import Feed
from headway.core.job import JobState
from headway.core.validation import read_answer

from .documents import JOB, event, moment, snapshot, state


def after(before: dict[str, Any], kind: str, **data: Any) -> JobState:
    fact = read_answer(JobEvent, event(9, kind, data=data, attempt=2, run=3), "event")
    return state_after(read_answer(JobState, before, "state"), fact)


@pytest.mark.parametrize("before", ["pending", "processing"])
def test_a_signal_leaves_the_status_as_it_was(before: str) -> None:
    job = after(state(status=before), "signalled", name="approve")
    assert (job.status, job.seq, job.attempt, job.run) == (before, 9, 2, 3)


def test_waiting_and_going_on() -> None:
    waiting = after(state(), "waiting", **{"for": "signal", "on": "approve", "until": moment(50)})
    assert (waiting.status, waiting.waiting_for, waiting.run_at.second) == ("pending", "signal", 50)
    resumed = after(state(status="pending", waiting_for="signal"), "resumed", by="signal")
    assert (resumed.status, resumed.waiting_for, resumed.run_at.second) == ("pending", None, 9)


@pytest.mark.parametrize("kind", ["snoozed", "released"])
def test_a_pause_keeps_the_percent(kind: str) -> None:
    job = after(state(percent=40), kind, until=moment(50))
    assert (job.status, job.percent, job.run_at.second) == ("pending", 40, 50)


@pytest.mark.parametrize("kind", ["retry_scheduled", "lost"])
def test_a_failed_attempt_starts_anew(kind: str) -> None:
    job = after(state(percent=40), kind, code="busy", message="Later", retry_at=moment(50))
    assert (job.status, job.percent, job.run_at.second) == ("pending", 0, 50)
    assert job.error is not None
    assert job.error.code == "busy"
    assert after(state(error={"code": "busy", "message": "Later"}), "started").error is None


def test_the_ends() -> None:
    completed = after(state(percent=40), "completed")
    assert (completed.status, completed.percent, completed.error) == ("completed", 100, None)
    failed = after(state(percent=40), "failed", code="x", message="No")
    assert (failed.status, failed.percent, failed.error and failed.error.code) == ("failed", 40, "x")
    cancelled = after(state(cancel_requested_at=moment(4)), "cancelled", reason="enough")
    assert cancelled.cancel_requested_at is not None
    assert cancelled.cancel_requested_at.second == 4
    assert after(state(), "cancelled").cancel_requested_at == cancelled.updated_at
    assert all(job.finished_at == job.updated_at for job in (completed, failed, cancelled))


def test_a_persons_retry_forgets_the_end() -> None:
    ended = state(status="failed", percent=40, finished_at=moment(4), error={"code": "x", "message": "No"})
    job = after(ended | {"cancel_requested_at": moment(3)}, "retried")
    assert (job.status, job.percent, job.stage, job.message, job.error) == ("pending", 0, None, None, None)
    assert (job.finished_at, job.cancel_requested_at) == (None, None)


def test_history_begins_with_nothing_but_the_identity() -> None:
    latest = read_answer(JobState, state(status="failed", error={"code": "x", "message": "No"}), "state")
    job = state_before_history(latest)
    assert (job.id, job.kind, job.status) == (JOB, "cv.parse", "processing")
    assert (job.percent, job.stage, job.message, job.metrics, job.error) == (0, None, None, {}, None)


def test_values_before_are_left_alone() -> None:
    before = read_answer(JobState, state(), "state")
    copy = before.model_copy(deep=True)
    state_after(before, read_answer(JobEvent, event(9, "completed"), "event"))
    assert before == copy


def test_following_retries_of_a_job_that_has_ended_waits_for_the_next_run() -> None:
    feed = Feed(JOB, follow_retries=True)
    (first,) = feed.take_snapshot(snapshot(seq=5, revision=5, status="failed", finished_at=moment(4)))
    assert first.ended
    assert not feed.ended
    again = state(seq=6, revision=6, status="pending", run=2) | {"events": [event(6, "retried", run=2)]}
    (update,) = feed.take_message(again)
    assert (update.ended, update.job.run) == (False, 2)
