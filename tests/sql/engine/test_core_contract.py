"""The engine answers what ``headway.core`` reads, and refuses what it refuses, in the same words."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from headway.core.answers import Cancelled, Retried, Signalled, Submitted, SubmittedMany
from headway.core.event import EVENT_TYPES, JobEvent
from headway.core.feed import Feed, Update
from headway.core.job import JobRecord, Snapshot
from headway.core.lease import Beaten, Claimed, Finished
from headway.core.listing import Listing
from headway.core.message import JobMessage, job_topic, user_topic
from headway.core.submission import read_submission, submissions_body
from headway.core.validation import read_answer, read_answers
from headway.errors import InvalidRequest
from support.engine import Caller, Engine, Refused, Row, Worker


async def eventful_life(user: Caller, worker: Worker) -> uuid.UUID:
    """A job that fails once, is asked to wait, fails for good, is retried by a person, and completes."""
    submission = read_submission(
        {"kind": "contract", "payload": {"n": 1}, "tags": ["t"], "cost_budget": "1.5"}
    )
    answer = read_answer(Submitted, await user.submit_body(json.dumps(submission.body())), "submission")
    assert (answer.id, answer.created) == (submission.id, True)

    lease = await claim(worker)
    beats = await worker.heartbeat(
        {**held_by(lease), "percent": 20, "stage": "one", "events": [{"name": "chunk", "data": [1], "n": 1}]}
    )
    assert read_answers(Beaten, beats, "heartbeat")[0].state == "ok"
    await worker.beat(held_by(lease), percent=35.5, message="Half", metrics={"pages": 3})
    for step, fields in (
        ("a", {"result": {"x": 1}}),
        ("b", {"status": "failed", "error": {"code": "e", "message": "m"}}),
    ):
        await worker.service.call("checkpoint", **held_by(lease), step=step, **fields)
    done = await worker.finish(
        held_by(lease), "retry", delay_seconds=0, error={"code": "busy", "message": "Later"}
    )
    assert read_answer(Finished, done, "finish").state == "applied"

    lease = await claim(worker)
    await worker.finish(held_by(lease), "wait", **{"for": "signal", "signal": "approve"})
    signalled = await user.call("signal", job_id=submission.id, name="approve", payload=True)
    assert read_answer(Signalled, signalled, "signal").state == "delivered"
    lease = await claim(worker)
    assert lease.signals == {"approve": True}
    await worker.finish(
        held_by(lease), "failed", error={"code": "broken", "message": "No", "hint": "Try", "step": "b"}
    )

    assert read_answer(Retried, await user.call("retry", job_id=submission.id), "retry").run == 2
    lease = await claim(worker)
    assert lease.steps == {"a": {"x": 1}}
    await worker.beat(held_by(lease), percent=50, stage="two")
    await worker.finish(held_by(lease), "completed", result={"ok": True})
    return submission.id


async def claim(worker: Worker) -> Claimed:
    return read_answer(Claimed, await worker.claim_one(), "claim")


def held_by(lease: Claimed) -> Row:
    token = {"job_id": lease.job_id, "attempt": lease.attempt, "lease_token": lease.lease_token}
    return {name: value if name == "attempt" else str(value) for name, value in token.items()}


async def test_a_whole_life_is_read_and_folded_as_it_was(engine: Engine) -> None:
    user, worker = await engine.user(), await engine.worker("contract")
    job_id = await eventful_life(user, worker)
    rows = await user.call("events_after", job_id=job_id, after_seq=0)
    pushed = [m["payload"] for m in await engine.messages(job_topic(job_id)) if m["event"] == "job"]
    snapshot = read_answer(Snapshot, await user.call("snapshot", job_id=job_id), "snapshot")
    assert snapshot.result == {"ok": True}
    assert [step.name for step in snapshot.steps] == ["a"]
    assert snapshot.cost is not None
    assert str(snapshot.cost.budget) == "1.5"
    assert [attempt.outcome for attempt in snapshot.attempts] == ["retried", "waiting", "failed", "completed"]

    live = Feed(job_id, 0, follow_retries=True)
    told = [update for message in pushed for update in live.take_message(message)]
    # The first event goes to lists only, so a watcher of the whole story asks for it.
    assert (told, live.needs_events_after) == ([], 0)
    late = Feed(job_id, 0, follow_retries=True)
    late.take_snapshot(snapshot)
    caught_up = late.take_events(rows)
    assert [u.event.seq for u in caught_up if u.event] == list(range(1, snapshot.seq + 1))

    # What the fold says of each event is what the engine pushed with it.
    truth = {
        message["seq"]: read_answer(JobMessage, message, "message") for message in pushed if message["events"]
    }
    compared = [update for update in caught_up if update.seq in truth]
    assert len(compared) > 10
    for update in compared:
        assert shown(update) == shown(Update(truth[update.seq], update.event))
    assert {event.type for event in read_answers(JobEvent, rows, "events")} <= set(EVENT_TYPES)


def shown(update: Update) -> tuple[Any, ...]:
    job = update.job
    waiting = (job.waiting_for, job.finished_at is None, job.cancel_requested_at is None)
    return (job.seq, job.status, job.run, job.attempt, job.stage, job.error, *waiting, job.updated_at)


async def test_live_messages_alone_tell_everything_to_a_watcher_that_was_there(engine: Engine) -> None:
    user, worker = await engine.user(), await engine.worker("contract")
    job_id = await eventful_life(user, worker)
    pushed = [m["payload"] for m in await engine.messages(job_topic(job_id)) if m["event"] == "job"]
    feed = Feed(job_id, 1, follow_retries=True)
    updates = [update for message in pushed for update in feed.take_message(message)]
    rows = await user.call("events_after", job_id=job_id, after_seq=1)
    assert [u.event.type for u in updates if u.event] == [row["type"] for row in rows]
    assert any(u.event is None and u.job.percent == 35.5 for u in updates)
    assert feed.needs_events_after is None


async def test_lists_rows_and_cancellations_are_read(engine: Engine) -> None:
    user = await engine.user()
    await engine.worker("contract")
    jobs = [read_submission({"kind": "contract"}) for _ in range(30)]
    body = submissions_body(jobs, batch_name="many")
    answer = await user.submit_many(body["jobs"], batch=body["batch"])
    assert [job.id for job in read_answer(SubmittedMany, answer, "answer").jobs] == [job.id for job in jobs]
    listing = Listing()
    ticket = listing.begin_reading()
    assert user.sub is not None
    (message,) = (m["payload"] for m in await engine.messages(user_topic(user.sub)) if m["event"] == "jobs")
    listing.take_message(message)
    assert len(listing.active) == 25
    rows = await user.fetch("select * from headway.jobs")
    listing.take_rows(rows, ticket)
    assert len(listing.active) == 30
    assert listing.needs_reading
    assert len(read_answers(JobRecord, rows, "rows")) == 30
    assert read_answer(Cancelled, await user.call("cancel", job_id=jobs[0].id, reason="no"), "cancel").changed


@pytest.mark.parametrize(
    "fields",
    [
        {"colour": 1},
        {"id": "x"},
        {"priority": 10},
        {"priority": "5"},
        {"delay_seconds": -1},
        {"delay_seconds": 1, "run_at": "2026-11-22T10:00:00Z"},
        {"debounce_key": "a", "unique_key": "b"},
        {"debounce_seconds": 1},
        {"idempotency_seconds": 1},
        {"idempotency_key": "k" * 256},
        {"tags": ["a"] * 33},
        {"tags": ["a\x00"]},
        {"retention_seconds": 59},
        {"max_attempts": 101},
        {"cost_budget": -1},
        {"notify": {}},
        {"notify": {"webhook": "ftp://x"}},
        {"notify": {"email": "a@b", "sms": "1"}},
        {"files": [{"name": "a", "bucket": "b", "path": "c", "sha256": "A"}]},
        {"payload": {"a": ["x\x00"]}},
        {"payload": json.loads("[" * 66 + "]" * 66)},
    ],
    ids="+".join,
)
async def test_both_refuse_the_same_with_the_same_code_and_field(engine: Engine, fields: Row) -> None:
    with pytest.raises(InvalidRequest) as early:
        read_submission({"kind": "contract", **fields})
    with pytest.raises(Refused) as late:
        await engine.service.submit_body(json.dumps({"kind": "contract", **fields}))
    assert (early.value.code, early.value.details) == (late.value.code, late.value.field)
