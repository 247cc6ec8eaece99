"""Keys that find an earlier job: idempotency, unique while active, debounce."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import pytest

from support.engine import Engine, Refused


async def test_the_same_idempotency_key_returns_the_same_job_even_after_its_end(engine: Engine) -> None:
    worker = await engine.worker("cv.parse")
    user = await engine.user()
    first = await user.submit("cv.parse", {"n": 1}, idempotency_key="order-7")
    await worker.finish(await worker.claim_one())

    again = await user.submit("cv.parse", {"n": 2}, idempotency_key="order-7")

    assert (again["id"], again["created"], again["merged"]) == (first["id"], False, "idempotency_key")
    assert again["status"] == "completed"


async def test_an_idempotency_key_belongs_to_its_tenant_and_its_kind(engine: Engine) -> None:
    await engine.worker("cv.parse", "other.kind")
    one, other = await engine.user(), await engine.user()
    await one.submit("cv.parse", idempotency_key="k")
    assert (await other.submit("cv.parse", idempotency_key="k"))["created"]
    with pytest.raises(Refused) as refusal:
        await one.submit("other.kind", idempotency_key="k")
    assert (refusal.value.code, refusal.value.field) == ("HW204", "idempotency_key")


async def test_an_idempotency_key_ends_with_its_lifetime(engine: Engine) -> None:
    await engine.worker("cv.parse")
    user = await engine.user()
    first = await user.submit("cv.parse", idempotency_key="k", idempotency_seconds=60)
    job = await user.job(first["id"])
    lifetime = job["idempotency_expires_at"] - job["created_at"]
    assert timedelta(seconds=59) < lifetime <= timedelta(seconds=60)
    await engine.shift("jobs", "idempotency_expires_at", first["id"], -61)

    second = await user.submit("cv.parse", idempotency_key="k")

    assert second["created"]
    assert second["id"] != first["id"]
    assert (await user.job(first["id"]))["idempotency_key"] is None


async def test_a_unique_key_holds_while_its_job_is_pending_or_processing(engine: Engine) -> None:
    worker = await engine.worker("cv.parse")
    user = await engine.user()
    first = await user.submit("cv.parse", unique_key="profile")
    assert (await user.submit("cv.parse", unique_key="profile"))["merged"] == "unique_key"
    lease = await worker.claim_one()
    assert (await user.submit("cv.parse", unique_key="profile"))["id"] == first["id"]
    await worker.finish(lease)
    assert (await user.submit("cv.parse", unique_key="profile"))["created"]


async def test_a_submission_that_was_merged_and_is_repeated_later_finds_the_same_job(engine: Engine) -> None:
    """Its first answer was lost; meanwhile the job has ended, and the key is free again."""
    worker = await engine.worker("cv.parse")
    user = await engine.user()
    first = await user.submit("cv.parse", unique_key="profile")
    repeated_id = str(uuid.uuid4())
    await user.submit("cv.parse", unique_key="profile", id=repeated_id)
    await worker.finish(await worker.claim_one())

    again = await user.submit("cv.parse", unique_key="profile", id=repeated_id)

    assert (again["id"], again["created"], again["merged"]) == (first["id"], False, "unique_key")


async def test_a_later_submission_replaces_a_debounced_one_that_has_not_started(engine: Engine) -> None:
    worker = await engine.worker("cv.parse")
    user = await engine.user()
    first = await user.submit("cv.parse", {"n": 1}, debounce_key="profile", debounce_seconds=60)
    second = await user.submit(
        "cv.parse", {"n": 2}, debounce_key="profile", debounce_seconds=120, tags=["late"]
    )

    assert (second["id"], second["merged"]) == (first["id"], "debounce_key")
    assert second["run_at"] > first["run_at"]
    assert [event["type"] for event in await user.events(first["id"])] == ["submitted", "replaced"]
    await engine.make_due(first["id"])
    lease = await worker.claim_one()
    assert (lease["payload"], lease["tags"]) == ({"n": 2}, ["late"])
    third = await user.submit("cv.parse", {"n": 3}, debounce_key="profile")
    assert third["created"], "a job that has started is not replaced"


async def test_a_debounced_job_without_delay_is_ready_at_once(engine: Engine) -> None:
    worker = await engine.worker("cv.parse")
    user = await engine.user()
    await user.submit("cv.parse", {"n": 1}, debounce_key="k", debounce_seconds=60)
    await user.submit("cv.parse", {"n": 2}, debounce_key="k", debounce_seconds=0)
    assert (await worker.claim_one())["payload"] == {"n": 2}


async def test_keys_within_one_call_merge_too(engine: Engine) -> None:
    await engine.worker("cv.parse")
    user = await engine.user()
    answer = await user.submit_many(
        [
            {"kind": "cv.parse", "unique_key": "a"},
            {"kind": "cv.parse", "unique_key": "a"},
            {"kind": "cv.parse"},
        ]
    )
    one, two, three = answer["jobs"]
    assert (one["created"], two["created"], three["created"]) == (True, False, True)
    assert two["id"] == one["id"] != three["id"]


@pytest.mark.parametrize("key", ["idempotency_key", "unique_key", "debounce_key"])
async def test_submissions_at_the_same_moment_make_one_job(engine: Engine, key: str) -> None:
    await engine.worker("cv.parse")
    user = await engine.user()
    twins = [user] + [await engine.caller("authenticated", user.sub) for _ in range(7)]

    answers = await asyncio.gather(*(twin.submit("cv.parse", {"n": 1}, **{key: "k"}) for twin in twins))

    assert len({answer["id"] for answer in answers}) == 1
    assert sum(answer["created"] for answer in answers) == 1
    assert await engine.admin.fetchval("select count(*) from headway.jobs") == 1


async def test_keys_that_contradict_each_other_are_refused(engine: Engine) -> None:
    await engine.worker("cv.parse")
    user = await engine.user()
    for fields, field in (
        ({"unique_key": "a", "debounce_key": "b"}, "debounce_key"),
        ({"debounce_seconds": 3}, "debounce_key"),
        ({"idempotency_seconds": 3}, "idempotency_key"),
        ({"debounce_key": "a", "delay_seconds": 3}, "debounce_seconds"),
        ({"run_at": "2026-11-22T10:00:00Z", "delay_seconds": 3}, "delay_seconds"),
    ):
        with pytest.raises(Refused) as refusal:
            await user.submit("cv.parse", **fields)
        assert refusal.value.field == field
    assert await engine.admin.fetchval("select count(*) from headway.jobs") == 0
