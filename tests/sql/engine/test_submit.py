"""Submitting a job, alone and with others."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from support.engine import Engine, Refused


async def test_a_submitted_job_is_pending_with_its_kinds_defaults_and_a_first_event(engine: Engine) -> None:
    await engine.worker({"kind": "cv.parse", "queue": "documents", "priority": 7, "max_attempts": 3})
    user = await engine.user()

    answer = await user.submit("cv.parse", {"path": "a.pdf"})

    job = await user.job(answer["id"])
    assert (job["status"], job["queue"], job["priority"], job["max_attempts"]) == (
        "pending",
        "documents",
        7,
        3,
    )
    assert (job["owner_id"], job["tenant_id"], job["organization_id"]) == (user.sub, user.sub, None)
    assert (job["attempt"], job["seq"], job["percent"], job["retention"]) == (0, 1, 0, timedelta(days=7))
    (event,) = await user.events(answer["id"])
    assert (event["seq"], event["type"], event["data"]) == (1, "submitted", {"by": str(user.sub)})
    assert await user.value("select payload from headway.job_inputs where job_id = $1", job["id"]) == {
        "path": "a.pdf"
    }


async def test_the_same_id_with_the_same_content_finds_the_job_again(engine: Engine) -> None:
    await engine.worker("cv.parse")
    user = await engine.user()
    job_id = str(uuid.uuid4())

    first = await user.submit("cv.parse", {"n": 1}, id=job_id)
    again = await user.submit("cv.parse", {"n": 1}, id=job_id)

    assert (first["id"], first["created"], first["merged"]) == (job_id, True, None)
    assert (again["id"], again["created"], again["merged"]) == (job_id, False, "id")
    assert await engine.admin.fetchval("select count(*) from headway.jobs") == 1


async def test_the_same_id_with_other_content_or_from_somebody_else_is_refused(engine: Engine) -> None:
    await engine.worker("cv.parse", "other.kind")
    owner, stranger = await engine.user(), await engine.user()
    job_id = str(uuid.uuid4())
    await owner.submit("cv.parse", {"n": 1}, id=job_id)

    for caller, kind, payload in (
        (owner, "cv.parse", {"n": 2}),
        (owner, "other.kind", {"n": 1}),
        (stranger, "cv.parse", {"n": 1}),
    ):
        with pytest.raises(Refused) as refusal:
            await caller.submit(kind, payload, id=job_id)
        assert (refusal.value.code, refusal.value.field) == ("HW201", "id")


async def test_a_delayed_job_cannot_be_claimed_before_its_time(engine: Engine) -> None:
    worker = await engine.worker("cv.parse")
    user = await engine.user()
    answer = await user.submit("cv.parse", delay_seconds=60)
    assert await worker.claim() == []

    await engine.make_due(answer["id"])

    assert str((await worker.claim_one())["job_id"]) == answer["id"]


async def test_a_time_in_the_past_means_now(engine: Engine) -> None:
    worker = await engine.worker("cv.parse")
    user = await engine.user()
    answer = await user.submit("cv.parse", run_at="2026-06-01T00:00:00+02:00")
    assert len(await worker.claim()) == 1
    assert answer["run_at"] >= answer["created_at"][:10]


async def test_many_jobs_are_stored_in_order_or_not_at_all(engine: Engine) -> None:
    worker = await engine.worker("cv.parse")
    user = await engine.user()

    answer = await user.submit_many([{"kind": "cv.parse", "payload": {"n": n}} for n in range(5)])
    claimed = await worker.claim(10)

    assert [row["payload"]["n"] for row in claimed] == [0, 1, 2, 3, 4]
    assert [str(row["job_id"]) for row in claimed] == [job["id"] for job in answer["jobs"]]
    with pytest.raises(Refused) as refusal:
        await user.submit_many([{"kind": "cv.parse"}, {"kind": "cv.parse", "priority": -1}])
    assert (refusal.value.code, refusal.value.field) == ("HW103", "jobs[1].priority")
    assert await engine.admin.fetchval("select count(*) from headway.jobs") == 5


async def test_an_array_will_do_for_many_and_more_than_ten_thousand_will_not(engine: Engine) -> None:
    await engine.worker("cv.parse")
    user = await engine.user()
    answer = await user.value("select headway.submit_many($1::json)", '[{"kind": "cv.parse"}]')
    assert len(answer["jobs"]) == 1
    with pytest.raises(Refused) as refusal:
        await user.submit_many([{"kind": "cv.parse"}] * 10_001)
    assert (refusal.value.code, refusal.value.field) == ("HW103", "jobs")
    for body in ('{"jobs": []}', '{"jobs": null}', '{"jobs": [], "more": 1}', "3", "null"):
        with pytest.raises(Refused):
            await user.value("select headway.submit_many($1::json)", body)


async def test_an_unknown_kind_is_refused_with_the_nearest_ones(engine: Engine) -> None:
    user = await engine.user()
    with pytest.raises(Refused) as refusal:
        await user.submit("cv.parse")
    assert (refusal.value.code, refusal.value.field) == ("HW107", "kind")
    assert "start a worker" in refusal.value.hint

    await engine.worker("cv.parse", "video.process", {"kind": "cv.parse_internal", "submitters": "service"})
    with pytest.raises(Refused) as refusal:
        await user.submit("cv.prase")
    assert refusal.value.hint == "Did you mean cv.parse?"
    with pytest.raises(Refused) as refusal:
        await user.submit("zzzz")
    assert refusal.value.hint == "Known kinds: cv.parse, video.process."


async def test_a_kind_for_the_service_does_not_exist_for_users(engine: Engine) -> None:
    await engine.worker({"kind": "internal.step", "submitters": "service"})
    user = await engine.user()
    with pytest.raises(Refused) as refusal:
        await user.submit("internal.step")
    assert refusal.value.code == "HW107"
    assert (await engine.service.submit("internal.step"))["created"]
    assert await user.fetch("select kind from headway.kinds") == []


async def test_limits_of_the_kind_bind_users_and_not_the_service(engine: Engine) -> None:
    await engine.worker({"kind": "cv.parse", "max_attempts": 3, "cost_budget": 1, "max_priority": 6})
    user = await engine.user()
    for field, value in (("max_attempts", 4), ("cost_budget", 1.5), ("priority", 7)):
        with pytest.raises(Refused) as refusal:
            await user.submit("cv.parse", **{field: value})
        assert (refusal.value.code, refusal.value.field) == ("HW103", field)
        assert (await engine.service.submit("cv.parse", **{field: value}))["created"]


async def test_the_service_submits_for_somebody_and_nobody_else_does(engine: Engine) -> None:
    await engine.worker("cv.parse")
    user, other = await engine.user(), await engine.user()
    answer = await engine.service.submit("cv.parse", owner_id=str(user.sub))
    assert (await user.job(answer["id"]))["owner_id"] == user.sub
    with pytest.raises(Refused) as refusal:
        await other.submit("cv.parse", owner_id=str(user.sub))
    assert (refusal.value.code, refusal.value.field) == ("HW302", "owner_id")


async def test_nobody_without_a_token_submits(engine: Engine) -> None:
    await engine.worker("cv.parse")
    nobody = await engine.caller("anon")
    with pytest.raises(Exception, match="permission denied"):
        await nobody.submit("cv.parse")
    unnamed = await engine.caller("authenticated")
    with pytest.raises(Refused) as refusal:
        await unnamed.submit("cv.parse")
    assert refusal.value.code == "HW302"


async def test_tags_retention_and_wishes_are_kept(engine: Engine) -> None:
    await engine.worker("cv.parse")
    user = await engine.user()
    answer = await user.submit(
        "cv.parse",
        tags=["a", "b"],
        retention_seconds=3600,
        notify={"webhook": "https://example.com/hook", "on": ["failed"]},
        priority=9,
        max_attempts=2,
    )
    job = await user.job(answer["id"])
    assert (job["tags"], job["retention"], job["priority"], job["max_attempts"]) == (
        ["a", "b"],
        timedelta(hours=1),
        9,
        2,
    )
    assert await engine.admin.fetchval("select notify ->> 'webhook' from headway.job_inputs") == (
        "https://example.com/hook"
    )


async def test_ids_made_by_the_engine_are_ordered_by_time(engine: Engine) -> None:
    await engine.worker("cv.parse")
    ids = []
    for _ in range(3):
        ids.append(uuid.UUID((await engine.service.submit("cv.parse"))["id"]))
        await engine.admin.execute("select pg_sleep(0.002)")
    assert ids == sorted(ids)
    assert {(job_id.version, job_id.variant) for job_id in ids} == {(7, uuid.RFC_4122)}
