"""What is pushed, to whom, how often; and that a failed push fails nothing."""

from __future__ import annotations

import uuid
from collections import Counter

import pytest

from support.engine import Engine, Refused, held


async def test_a_transition_is_one_message_for_the_job_and_one_for_its_list(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    lease = await worker.claim_one()
    await engine.forget_messages()

    await worker.beat(lease, percent=10, stage="read", message="m", events=[{"name": "x", "data": {"a": 1}}])

    messages = {message["topic"]: message for message in await engine.messages()}
    assert set(messages) == {f"job:{answer['id']}", f"user:{user.sub}:jobs"}
    assert all(message["private"] for message in messages.values())
    told = messages[f"job:{answer['id']}"]
    payload = told["payload"]
    assert told["event"] == "job"
    assert (payload["job_id"], payload["status"], payload["percent"], payload["stage"]) == (
        answer["id"],
        "processing",
        10,
        "read",
    )
    assert [(event["seq"], event["type"], event["data"]) for event in payload["events"]] == [
        (3, "stage_started", {"stage": "read", "percent": 10, "message": "m"}),
        (4, "emitted", {"name": "x", "data": {"a": 1}}),
    ]
    assert (payload["seq"], payload["attempt"], payload["error"]) == (4, 1, None)
    brief = messages[f"user:{user.sub}:jobs"]["payload"]
    assert (brief["count"], brief["truncated"], brief["jobs"][0]["id"]) == (1, False, answer["id"])
    assert brief["jobs"][0]["revision"] == payload["revision"]


async def test_progress_between_events_is_pushed_without_events(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    await engine.forget_messages()
    await worker.beat(lease, percent=10)
    (message,) = await engine.messages()
    assert (message["topic"], message["payload"]["events"], message["payload"]["percent"]) == (
        f"job:{lease['job_id']}",
        [],
        10,
    )
    assert message["payload"]["seq"] == 2
    await engine.forget_messages()
    await worker.beat(lease, percent=5)
    assert await engine.messages() == []


async def test_ten_thousand_jobs_at_once_are_one_wake_up_and_one_message_to_their_list(
    engine: Engine,
) -> None:
    await engine.worker("k.a", {"kind": "k.b", "queue": "other"})
    user = await engine.user()
    await user.submit_many([{"kind": "k.a"}] * 9_999 + [{"kind": "k.b"}])
    messages = await engine.messages()
    assert Counter(message["topic"] for message in messages) == {
        "queue:default": 1,
        "queue:other": 1,
        f"user:{user.sub}:jobs": 1,
    }
    (brief,) = [message["payload"] for message in messages if message["event"] == "jobs"]
    assert (brief["count"], brief["truncated"], len(brief["jobs"])) == (10_000, True, 25)


async def test_a_batch_of_ends_is_one_message_per_job_and_one_per_list(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    one, two = await engine.user(), await engine.user()
    org = await engine.organization(editor=one)
    project = await engine.project(organization=org)
    for caller, fields in (
        (one, {}),
        (two, {}),
        (one, {"organization_id": org}),
        (one, {"project_id": project}),
    ):
        await caller.submit_many([{"kind": "k.a", **fields}] * 3)
    leases = await worker.claim(12)
    await engine.forget_messages()

    await worker.finish_all([held(lease) | {"outcome": "completed"} for lease in leases])

    topics = Counter(message["topic"] for message in await engine.messages())
    assert topics == {f"job:{lease['job_id']}": 1 for lease in leases} | {
        f"user:{one.sub}:jobs": 1,
        f"user:{two.sub}:jobs": 1,
        f"org:{org}:jobs": 1,
        f"project:{project}:jobs": 1,
    }
    (brief,) = await engine.messages(f"org:{org}:jobs")
    assert brief["payload"]["count"] == 6


async def test_a_job_that_becomes_ready_wakes_its_queue(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a", delay_seconds=60)
    assert await engine.messages("queue:default") == []
    await engine.make_due(answer["id"])
    await engine.service.call("sweep")
    assert len(await engine.messages("queue:default")) == 1
    lease = await worker.claim_one()
    await worker.finish(lease, "wait", **{"for": "signal", "signal": "go"})
    await user.call("signal", job_id=answer["id"], name="go")
    assert len(await engine.messages("queue:default")) == 2
    await worker.finish(await worker.claim_one(), "retry", delay_seconds=0)
    assert len(await engine.messages("queue:default")) == 3
    await engine.service.call("resume_queue", queue="default")
    assert len(await engine.messages("queue:default")) == 4


async def test_a_kind_that_is_pushed_while_watched_is_silent_until_somebody_watches(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "push": "watched"})
    user = await engine.user()
    answer = await user.submit("k.a")
    lease = await worker.claim_one()
    await worker.beat(lease, percent=10)
    assert [message["topic"] for message in await engine.messages()] == ["queue:default"]

    await user.call("snapshot", job_id=answer["id"])
    await worker.beat(lease, percent=20)
    assert len(await engine.messages(f"job:{answer['id']}")) == 1
    assert await engine.messages(f"user:{user.sub}:jobs") == []

    watched = await user.call("watch", topics=[f"user:{user.sub}:jobs"])
    assert watched["topics"] == [f"user:{user.sub}:jobs"]
    await engine.admin.execute(
        "update headway_private.watches set expires_at = now() where topic like 'job:%'"
    )
    await worker.beat(lease, percent=30)
    assert len(await engine.messages(f"job:{answer['id']}")) == 1
    assert len(await engine.messages(f"user:{user.sub}:jobs")) == 1


async def test_only_topics_that_the_caller_may_read_are_watched(engine: Engine) -> None:
    await engine.worker("k.a")
    owner, stranger = await engine.user(), await engine.user()
    answer = await owner.submit("k.a")
    for topic in (f"job:{answer['id']}", f"user:{owner.sub}:jobs", "queue:default", "", "job:x", "realtime"):
        with pytest.raises(Refused) as refusal:
            await stranger.call("watch", topics=[topic])
        assert (refusal.value.code, refusal.value.field) == ("HW302", "topics")
    for topics in ([], [f"job:{answer['id']}"] * 101, None):
        with pytest.raises(Refused) as refusal:
            await owner.call("watch", topics=topics)
        assert refusal.value.code == "HW103"


async def test_large_events_are_referred_to_and_not_sent(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    answer = await engine.service.submit("k.a")
    lease = await worker.claim_one()
    await engine.forget_messages()
    noise = "".join(uuid.uuid4().hex for _ in range(1000))
    await worker.beat(lease, events=[{"name": "big", "data": noise}, {"name": "small", "data": 1}])
    (message,) = await engine.messages(f"job:{answer['id']}")
    big, small = message["payload"]["events"]
    assert (big["data"], big["data_omitted"], big["seq"]) == ({}, True, 3)
    assert small["data"] == {"name": "small", "data": 1}
    await engine.forget_messages()
    await worker.beat(lease, events=[{"name": "n", "data": noise[:15000]} for _ in range(10)])
    (message,) = await engine.messages(f"job:{answer['id']}")
    assert (message["payload"]["events"], message["payload"]["events_omitted"]) == ([], True)
    assert message["payload"]["seq"] == 14


async def test_a_batch_tells_its_counts(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit_many([{"kind": "k.a"}] * 2, batch={"name": "b"})
    await engine.forget_messages()
    for lease in await worker.claim(2):
        await worker.finish(lease)
    batches = [message["payload"] for message in await engine.messages() if message["event"] == "batches"]
    assert [batch["batches"][0]["completed"] for batch in batches] == [1, 2]
    assert batches[1]["batches"][0]["id"] == answer["batch_id"]
