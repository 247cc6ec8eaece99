"""What a feed tells in the situations that have a name."""

from __future__ import annotations

from typing import Any

import pytest

from headway.core.feed import Feed, Update
from headway.errors import InvalidRequest, SchemaMismatch

from .documents import JOB, OTHER, event, message, moment, row, snapshot


def kinds(updates: list[Update]) -> list[str]:
    return [update.event.type if update.event else "progress" for update in updates]


def started(seq: int = 5, revision: int = 5) -> Feed:
    feed = Feed(JOB)
    feed.take_snapshot(snapshot(seq=seq, revision=revision, percent=10))
    return feed


def test_a_fresh_watch_asks_for_a_snapshot_and_begins_with_it() -> None:
    feed = Feed(JOB)
    assert feed.needs_snapshot
    assert feed.take_message(message(event(6), seq=6, revision=7)) == []
    first, second = feed.take_snapshot(
        snapshot(seq=5, revision=5, eta={"seconds": 3, "at": moment(3), "runs": 2})
    )
    assert first.snapshot is feed.snapshot
    assert (first.seq, first.event, first.ended) == (5, None, False)
    assert first.eta is not None
    assert first.eta.seconds == 3
    assert second.event is not None
    assert second.seq == 6
    assert not feed.needs_snapshot
    assert feed.needs_events_after is None


def test_a_hole_is_asked_for_and_nothing_overtakes_it() -> None:
    feed = started()
    assert feed.take_message(message(event(7), seq=7, revision=9)) == []
    assert feed.needs_events_after == 5
    assert kinds(feed.take_events([row(6, "step_started"), row(7)])) == ["step_started", "emitted"]
    assert feed.needs_events_after is None


def test_a_hole_is_filled_batch_by_batch() -> None:
    feed = started()
    feed.take_snapshot(snapshot(seq=9, revision=20))
    for seq in (6, 7, 8):
        assert feed.needs_events_after == seq - 1
        assert len(feed.take_events([row(seq)])) == 1
    assert feed.take_events([]) == []
    assert feed.needs_events_after == 8
    assert [u.job.revision for u in feed.take_events([row(9)])] == [20]


def test_data_that_was_left_out_is_asked_for() -> None:
    feed = started()
    assert feed.take_message(message(event(6, data_omitted=True), seq=6, revision=6)) == []
    assert feed.needs_events_after == 5
    (update,) = feed.take_events([row(6, data={"name": "slide", "data": "x" * 20_000})])
    assert update.event is not None
    assert len(update.event.output) == 20_000


def test_events_that_were_left_out_are_asked_for() -> None:
    feed = started()
    assert feed.take_message(message(seq=8, revision=9, events_omitted=True)) == []
    assert feed.needs_events_after == 5


def test_progress_is_merged_and_the_latest_wins() -> None:
    feed = started()
    (update,) = feed.take_message(message(seq=5, revision=9, percent=60))
    assert update.job.percent == 60
    assert feed.take_message(message(seq=5, revision=8, percent=50)) == []
    assert feed.take_message(message(seq=5, revision=9, percent=60)) == []
    assert feed.take_snapshot(snapshot(seq=5, revision=7, percent=40)) == []
    (polled,) = feed.take_snapshot(snapshot(seq=5, revision=10, percent=70))
    assert (polled.job.percent, polled.snapshot) == (70, None)


def test_progress_from_beyond_a_hole_waits_for_it() -> None:
    feed = started()
    assert feed.take_message(message(seq=6, revision=9, percent=60)) == []
    (update,) = feed.take_events([row(6)])
    assert (update.seq, update.job.percent) == (6, 60)


def test_while_catching_up_the_job_is_shown_as_it_was() -> None:
    feed = Feed(JOB, 1)
    feed.take_snapshot(
        snapshot(seq=7, revision=30, status="completed", percent=100, finished_at=moment(9), attempt=2)
    )
    history = [
        row(2, "started"),
        row(3, "stage_started", data={"stage": "parse", "percent": 20, "message": "Reading"}),
        row(4, "cancel_requested", data={"reason": "no"}),
        row(5, "retry_scheduled", data={"code": "busy", "message": "Later", "retry_at": moment(40)}),
        row(6, "started", attempt=2),
        row(7, "completed", attempt=2),
    ]
    updates = feed.take_events(history)
    shown = [(u.job.status, u.job.percent, u.job.attempt, u.job.error and u.job.error.code) for u in updates]
    assert shown == [
        ("processing", 0, 1, None),
        ("processing", 20, 1, None),
        ("processing", 20, 1, None),
        ("pending", 0, 1, "busy"),
        ("processing", 0, 2, None),
        ("completed", 100, 2, None),
    ]
    assert updates[1].job.stage == "parse"
    assert updates[1].job.message == "Reading"
    assert updates[2].job.cancel_requested_at is not None
    assert updates[3].job.run_at.second == 40
    assert [u.ended for u in updates] == [False] * 5 + [True]
    assert updates[0].job.finished_at is None
    assert updates[-1].job.finished_at is not None


def test_the_end_is_told_once_and_nothing_after_it() -> None:
    feed = started()
    end = message(event(6, "failed", data={"code": "x", "message": "No"}), seq=6, revision=6, status="failed")
    (update,) = feed.take_message(end)
    assert update.ended
    assert feed.ended
    assert feed.take_message(end) == []
    assert feed.take_snapshot(snapshot(seq=7, revision=7, run=2)) == []
    assert feed.take_events([row(6, "failed"), row(7, "retried")]) == []
    assert (feed.needs_snapshot, feed.needs_events_after) == (False, None)


def test_a_job_that_has_ended_is_one_update() -> None:
    feed = Feed(JOB)
    (update,) = feed.take_snapshot(snapshot(status="cancelled", finished_at=moment(4)))
    assert update.ended
    assert feed.ended


def test_the_first_end_after_the_start_ends_the_feed_whatever_came_later() -> None:
    feed = Feed(JOB, 0)
    feed.take_snapshot(snapshot(seq=4, revision=4, run=2, status="pending", attempt=0, percent=0))
    history = [
        row(1, "submitted", attempt=0),
        row(2, "cancelled", attempt=0),
        row(3, "retried", run=2, attempt=0),
    ]
    assert kinds(feed.take_events(history)) == ["submitted", "cancelled"]
    assert feed.ended


def test_a_feed_that_follows_retries_goes_on() -> None:
    feed = Feed(JOB, 1, follow_retries=True)
    feed.take_snapshot(snapshot(seq=3, revision=4, run=2, status="pending", attempt=0, percent=0))
    updates = feed.take_events([row(2, "cancelled", attempt=0), row(3, "retried", run=2, attempt=0)])
    assert [(u.ended, u.job.status, u.job.run) for u in updates] == [
        (True, "cancelled", 1),
        (False, "pending", 2),
    ]
    assert not feed.ended


def test_a_start_after_the_end_ends_when_a_snapshot_says_so_and_not_by_hearsay() -> None:
    end = message(event(5, "failed"), seq=5, revision=9, status="failed")
    feed = Feed(JOB, 5)
    assert feed.take_message(end) == []
    assert feed.needs_snapshot
    (update,) = feed.take_snapshot(snapshot(seq=5, revision=9, status="failed", finished_at=moment(4)))
    assert update.ended
    assert feed.ended

    retried = Feed(JOB, 5)
    retried.take_message(end)
    assert retried.take_snapshot(snapshot(seq=6, revision=10, run=2, status="pending")) == []
    assert kinds(retried.take_events([row(6, "retried", run=2)])) == ["retried"]
    assert not retried.ended


def test_a_resumed_watch_needs_no_events_when_messages_follow_at_once() -> None:
    feed = Feed(JOB, 5)
    (update,) = feed.take_message(message(event(6), seq=6, revision=8))
    assert update.seq == 6
    assert not feed.needs_snapshot


def test_events_without_a_state_wait_for_one() -> None:
    feed = Feed(JOB, 5)
    assert feed.take_events([row(6)]) == []
    assert feed.needs_snapshot
    assert feed.needs_events_after is None
    assert kinds(feed.take_snapshot(snapshot(seq=6, revision=8))) == ["emitted"]


def test_the_eta_is_of_this_attempt_only() -> None:
    feed = Feed(JOB)
    eta = {"seconds": 3, "at": moment(3), "runs": 2}
    feed.take_snapshot(snapshot(seq=5, revision=5, eta=eta))
    (same,) = feed.take_message(message(seq=5, revision=6, percent=20))
    (other,) = feed.take_message(message(event(6, "started", attempt=2), seq=6, revision=7, attempt=2))
    assert same.eta is not None
    assert other.eta is None


def test_an_estimate_is_told_by_itself_when_it_is_news() -> None:
    def estimate(at: float, seconds: float, revision: int = 6, **more: Any) -> dict[str, Any]:
        eta = {"seconds": seconds, "at": moment(at), "runs": 2}
        return snapshot(**{"seq": 6, "revision": revision, "attempt": 2, "eta": eta, **more})

    feed = Feed(JOB)
    assert feed.attempt is None
    feed.take_snapshot(snapshot(seq=5, revision=5, status="pending", percent=0))
    assert feed.attempt is None
    (started,) = feed.take_message(message(event(6, "started", attempt=2), seq=6, revision=6, attempt=2))
    assert (started.eta, feed.attempt) == (None, (1, 2))
    (told,) = feed.take_snapshot(estimate(50, 40))
    assert (told.event, told.seq, told.job) == (None, 6, started.job)
    assert told.eta is not None
    assert told.eta.seconds == 40
    # Neither again, nor when it has hardly moved, nor what is older than what was told.
    assert feed.take_snapshot(estimate(50, 40)) == []
    assert feed.take_snapshot(estimate(53, 39)) == []
    assert feed.take_snapshot(estimate(90, 80, revision=5)) == []
    (later,) = feed.take_snapshot(estimate(90, 80))
    assert later.eta is not None
    assert later.eta.seconds == 80
    # Nor what is reckoned from the percent alone.
    reckoned = {"seconds": 300, "at": moment(400), "runs": None}
    assert feed.take_snapshot(snapshot(seq=6, revision=6, attempt=2, eta=reckoned)) == []
    # What tells anything else tells it along.
    (progress,) = feed.take_snapshot(estimate(55, 40, revision=7, percent=50))
    assert progress.eta is not None
    assert (progress.percent, progress.eta.seconds) == (50, 40)
    # It never overtakes an event that is missing.
    feed.take_message(message(event(8), seq=8, revision=9, attempt=2))
    assert feed.take_snapshot(estimate(200, 190, seq=8, revision=9)) == []


def test_nothing_is_estimated_of_what_waits_or_has_ended() -> None:
    eta = {"seconds": 40, "at": moment(50), "runs": 2}
    feed = Feed(JOB)
    pending = {"status": "pending", "percent": 0, "stage": None, "attempt": 0, "started_at": None}
    feed.take_snapshot(snapshot(seq=1, revision=1, **pending))
    assert feed.take_snapshot(snapshot(seq=1, revision=1, **pending, eta=eta)) == []
    feed = Feed(JOB, follow_retries=True)
    feed.take_snapshot(snapshot(seq=5, revision=5, status="completed", percent=100))
    assert feed.take_snapshot(snapshot(seq=5, revision=5, status="completed", percent=100, eta=eta)) == []


def test_other_jobs_are_ignored() -> None:
    feed = Feed(OTHER, 0)
    assert feed.take_message(message(event(1), seq=1)) == []
    assert feed.take_snapshot(snapshot()) == []
    assert feed.take_events([row(1)]) == []
    assert feed.needs_snapshot


@pytest.mark.parametrize(
    "bad", [{}, {"events": 3}, message(event(6), event(0)), message(event(6, "exploded"))]
)
def test_what_is_malformed_changes_nothing(bad: dict[str, object]) -> None:
    feed = started()
    with pytest.raises(SchemaMismatch):
        feed.take_message(bad)
    with pytest.raises(SchemaMismatch):
        feed.take_snapshot(bad)
    with pytest.raises(SchemaMismatch):
        feed.take_events([row(6), bad])
    assert (feed.seq, feed.needs_events_after) == (5, None)
    assert len(feed.take_message(message(event(6), seq=6, revision=6))) == 1


def test_a_seq_of_another_job_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="after_seq: is 50, but the job's last event is 3") as raised:
        Feed(JOB, 50).take_snapshot(snapshot(seq=3))
    assert raised.value.hint is not None
    with pytest.raises(InvalidRequest, match="after_seq"):
        Feed(JOB, -1)


def test_a_hole_that_is_never_filled_costs_bounded_memory_and_nothing_is_lost() -> None:
    feed = started()
    far = 5000
    for seq in range(7, far + 1):
        feed.take_message(message(event(seq), seq=seq, revision=seq + 1))
    assert len(feed._waiting) <= 1000
    told = 0
    while (after := feed.needs_events_after) is not None:
        told += len(feed.take_events([row(seq) for seq in range(after + 1, min(after + 500, far) + 1)]))
    assert (feed.seq, told) == (far, far - 5)


def test_an_update_says_the_usual_things_in_one_step() -> None:
    feed = started()
    (progress,) = feed.take_message(message(seq=5, revision=6, percent=20, message="half"))
    assert (progress.status, progress.percent, progress.stage) == ("processing", 20, progress.job.stage)
    assert (progress.message, progress.metrics, progress.error) == ("half", {"pages": 2}, None)
    assert progress.output is None
    (part,) = feed.take_message(
        message(event(6, data={"name": "slide", "data": {"n": 1}}), seq=6, revision=7, percent=20)
    )
    (step,) = feed.take_message(
        message(event(7, "step_completed", data={"step": "a", "result": [1]}), seq=7, revision=8, percent=20)
    )
    (end,) = feed.take_message(
        message(event(8, "completed", data={"result": 5}), seq=8, revision=9, percent=100, status="completed")
    )
    assert (part.output, step.output, end.output) == ({"n": 1}, [1], 5)
    assert end.event is not None
    assert end.event.has_result
    (large,) = started().take_message(
        message(event(6, "completed", data={"result_omitted": True}), seq=6, revision=9, status="completed")
    )
    assert large.event is not None
    assert (large.output, large.event.has_result, large.event.result_omitted) == (None, False, True)
