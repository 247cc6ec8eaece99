"""What a worker writes while a job runs, and what the fence keeps out."""

from __future__ import annotations

import uuid

import pytest

from support.engine import Engine, Refused, Row, held


async def test_a_heartbeat_extends_leases_without_touching_the_job(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one(lease_seconds=10)
    before = await engine.service.job(lease["job_id"])
    await engine.forget_messages()

    beat = await worker.beat(lease)

    assert (beat["state"], beat["attempt"]) == ("ok", 1)
    assert (beat["lease_expires_at"] - lease["lease_expires_at"]).total_seconds() > 15
    assert await engine.service.job(lease["job_id"]) == before
    assert await engine.messages() == []


async def test_a_lease_is_not_extended_past_the_timeout(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "timeout_seconds": 60})
    await engine.service.submit("k.a")
    lease = await worker.claim_one(lease_seconds=10)
    beat = await worker.beat(lease)
    assert (lease["deadline_at"] - beat["lease_expires_at"]).total_seconds() > 25
    (late,) = await worker.heartbeat(held(lease), lease_seconds=3600)
    assert (late["lease_expires_at"] - lease["deadline_at"]).total_seconds() == 30


async def test_progress_is_one_row_and_a_new_stage_is_an_event(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "stages": ["read", "write"]})
    await engine.service.submit("k.a")
    lease = await worker.claim_one()

    await worker.beat(lease, percent=12.345, stage="read", message="page 1", metrics={"pages": 1})
    await worker.beat(lease, percent=20, stage="read", message="page 2")

    job = await engine.service.job(lease["job_id"])
    assert (float(job["percent"]), job["stage"], job["message"], job["metrics"]) == (
        20,
        "read",
        "page 2",
        {"pages": 1},
    )
    events = await engine.service.events(lease["job_id"])
    assert [event["type"] for event in events] == ["submitted", "started", "stage_started"]
    assert events[2]["data"] == {"stage": "read", "percent": 12.35, "message": "page 1"}
    await worker.beat(lease, message="")
    assert (await engine.service.job(lease["job_id"]))["message"] is None


async def test_percent_never_falls_within_an_attempt_and_starts_anew_after_a_failure(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    for percent in (30, 10, 40, 39.99):
        await worker.beat(lease, percent=percent)
    assert float((await engine.service.job(lease["job_id"]))["percent"]) == 40
    await worker.finish(lease, "snooze", delay_seconds=0)
    lease = await worker.claim_one()
    assert float((await engine.service.job(lease["job_id"]))["percent"]) == 40
    await worker.finish(lease, "retry", delay_seconds=0)
    assert float((await engine.service.job(lease["job_id"]))["percent"]) == 0


async def test_a_beat_that_changes_nothing_writes_nothing(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    await worker.beat(lease, percent=30, stage="read", message="m", metrics={"a": 1})
    before = await engine.service.job(lease["job_id"])
    await worker.beat(lease, percent=30, stage="read", message="m", metrics={"a": 1})
    assert await engine.service.job(lease["job_id"]) == before


async def test_numbered_events_are_taken_once_however_often_they_are_sent(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    first = {"name": "chunk", "data": {"text": "a"}, "n": 1}
    second = {"name": "chunk", "data": "b", "n": 2}
    for events in ([first], [first, second], [second]):
        await worker.beat(lease, events=events)
    await engine.service.call("emit", **held(lease), events=[first, {"name": "note"}])

    emitted = [event for event in await engine.service.events(lease["job_id"]) if event["type"] == "emitted"]

    assert [event["data"] for event in emitted] == [
        {"name": "chunk", "data": {"text": "a"}},
        {"name": "chunk", "data": "b"},
        {"name": "note"},
    ]
    assert [event["seq"] for event in emitted] == [3, 4, 5]


async def test_one_bad_row_does_not_spoil_a_heartbeat(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit_many([{"kind": "k.a"}] * 6)
    leases = await worker.claim(6)
    progress: list[Row] = [
        {"percent": 50},
        {"percent": 101},
        {"metrics": {"x": "y" * 5000}},
        {"message": "a\0b"},
        {"stagee": "x"},
        {"events": [{"data": 1}]},
    ]

    rows = await worker.heartbeat(*(held(lease) | more for lease, more in zip(leases, progress, strict=True)))

    assert [(row["state"], row["code"]) for row in rows] == [
        ("ok", None),
        ("invalid", "HW103"),
        ("invalid", "HW104"),
        ("invalid", "HW105"),
        ("invalid", "HW101"),
        ("invalid", "HW102"),
    ]
    assert all(
        row["lease_expires_at"] > lease["lease_expires_at"] for row, lease in zip(rows, leases, strict=True)
    )
    assert rows[1]["reason"] == "jobs[1].percent: must be from 0 to 100"
    assert [float((await engine.service.job(lease["job_id"]))["percent"]) for lease in leases] == [
        50,
        0,
        0,
        0,
        0,
        0,
    ]


async def test_a_zombie_learns_that_its_lease_is_lost_and_writes_nothing(engine: Engine) -> None:
    zombie = await engine.worker("k.a")
    successor = await engine.worker("k.a")
    await engine.service.submit("k.a")
    old = await zombie.claim_one()
    await engine.expire(old["job_id"])
    assert (await engine.service.call("sweep"))["lost"] == 1
    await engine.make_due(old["job_id"])
    new = await successor.claim_one()
    assert (new["job_id"], new["attempt"]) == (old["job_id"], 2)
    before = await engine.service.job(old["job_id"])
    events = await engine.service.events(old["job_id"])

    row = await zombie.beat(old, percent=99, stage="late", events=[{"name": "x"}])
    assert (row["state"], row["code"]) == ("lost", "HW001")
    row = await zombie.finish(old, result={"zombie": True})
    assert (row["state"], row["code"]) == ("lost", "HW001")
    calls: list[tuple[str, Row]] = [
        ("checkpoint", {"step": "s", "result": 1}),
        ("emit", {"events": [{"name": "x"}]}),
        ("add_files", {"files": [{"name": "a", "bucket": "b", "path": "c"}]}),
        ("submit_children", {"children": [{"kind": "k.a"}]}),
        ("reserve_usage", {"call_id": uuid.uuid4(), "provider": "p", "max_cost": 1}),
        ("release_usage", {"call_id": uuid.uuid4()}),
    ]
    for function, arguments in calls:
        with pytest.raises(Refused) as refusal:
            await zombie.service.call(function, **held(old), **arguments)
        assert (refusal.value.code, refusal.value.field) == ("HW001", "lease_token"), function

    assert await engine.service.job(old["job_id"]) == before
    assert await engine.service.events(old["job_id"]) == events
    for table in ("job_steps", "job_files", "job_outputs", "usage"):
        assert await engine.admin.fetchval(f"select count(*) from headway.{table}") == 0, table
    assert (await successor.finish(new))["state"] == "applied"


async def test_the_right_job_with_a_wrong_token_or_attempt_is_refused(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    for forged in ({"lease_token": uuid.uuid4()}, {"attempt": 2}, {"job_id": uuid.uuid4()}):
        assert (await worker.beat(lease | forged))["state"] == "lost"
        assert (await worker.finish(lease | forged))["state"] == "lost"
    assert (await worker.finish(lease))["state"] == "applied"


async def test_a_heartbeat_brings_the_wish_to_cancel(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    lease = await worker.claim_one()
    await user.call("cancel", job_id=answer["id"], reason="wrong file")
    row = await worker.beat(lease)
    assert (row["state"], row["cancel_reason"]) == ("cancel", "wrong file")


async def test_a_worker_that_nobody_knows_is_told_to_register(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.call("stop_worker", worker_id=worker.id)
    with pytest.raises(Refused) as refusal:
        await worker.heartbeat()
    assert (refusal.value.code, refusal.value.field) == ("HW002", "worker_id")


async def test_malformed_heartbeats_are_refused(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    for jobs, code, field in (
        ({}, "HW100", "jobs"),
        ([3], "HW102", "jobs[0]"),
        ([{"job_id": 3}], "HW100", "jobs[0].job_id"),
        ([held(lease), held(lease)], "HW100", "jobs"),
        ([held(lease)] * 1001, "HW103", "jobs"),
    ):
        with pytest.raises(Refused) as refusal:
            await worker.service.call("heartbeat", worker_id=worker.id, jobs=jobs)
        assert (refusal.value.code, refusal.value.field) == (code, field)
    with pytest.raises(Refused) as refusal:
        await worker.heartbeat(lease_seconds=1)
    assert refusal.value.field == "lease_seconds"


async def test_a_completed_step_keeps_its_first_result(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()

    stored = await engine.service.call("checkpoint", **held(lease), step="one", result={"n": 1})
    again = await engine.service.call("checkpoint", **held(lease), step="one", result={"n": 2})

    assert (stored["state"], again["state"], again["result"]) == ("stored", "repeated", {"n": 1})
    (step,) = await engine.service.fetch("select * from headway.job_steps")
    assert (step["status"], step["result"], step["ordinal"]) == ("completed", {"n": 1}, 1)
    events = await engine.service.events(lease["job_id"])
    assert [(event["type"], event["data"]) for event in events[2:]] == [
        ("step_completed", {"step": "one", "result": {"n": 1}})
    ]


async def test_steps_run_fail_and_are_done_again(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    call = engine.service.call
    await call("checkpoint", **held(lease), step="de", status="running")
    assert (await call("checkpoint", **held(lease), step="de", status="running"))["state"] == "repeated"
    await call(
        "checkpoint", **held(lease), step="de", status="failed", error={"code": "quota", "message": "no more"}
    )
    (step,) = await engine.service.fetch("select * from headway.job_steps")
    assert (step["status"], step["error_code"], step["error_message"]) == ("failed", "quota", "no more")
    await call("checkpoint", **held(lease), step="de", status="running")
    await call("checkpoint", **held(lease), step="de", result=None)
    types = [event["type"] for event in await engine.service.events(lease["job_id"])]
    assert types[2:] == ["step_started", "step_failed", "step_started", "step_completed"]


async def test_a_large_step_result_is_stored_and_left_out_of_the_event(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "result_limit": 50_000})
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    await engine.service.call("checkpoint", **held(lease), step="big", result="x" * 20_000)
    assert (await engine.service.events(lease["job_id"]))[-1]["data"] == {
        "step": "big",
        "result_omitted": True,
    }
    for result, code in (("x" * 50_001, "HW104"), ("a\0b", "HW105")):
        with pytest.raises(Refused) as refusal:
            await engine.service.call("checkpoint", **held(lease), step="more", result={"r": result})
        assert (refusal.value.code, refusal.value.field[:6]) == (code, "result")
    for arguments in ({"step": ""}, {"step": "x" * 201}, {"step": "a", "status": "done"}):
        with pytest.raises(Refused):
            await engine.service.call("checkpoint", **held(lease), **arguments)
