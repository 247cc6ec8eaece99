"""Reading: snapshots, events after a seq, learnt durations."""

from __future__ import annotations

import uuid

import pytest

from support.engine import Engine, Refused, held


async def test_a_snapshot_is_everything_about_a_job_at_one_seq(engine: Engine) -> None:
    worker = await engine.worker(
        {"kind": "k.a", "stages": [{"name": "read", "weight": 2}, "write"], "cost_budget": 5}
    )
    user = await engine.user()
    answer = await user.submit("k.a", tags=["t"])
    lease = await worker.claim_one()
    await worker.beat(lease, percent=30, stage="read", message="m", metrics={"n": 1})
    await engine.service.call("checkpoint", **held(lease), step="one", result={"a": 1})
    await engine.service.call("checkpoint", **held(lease), step="big", result="x" * 9000)
    await engine.service.call("record_usage", **held(lease), call_id=uuid.uuid4(), provider="p", cost=1)
    await engine.service.call("add_files", **held(lease), files=[{"name": "f", "bucket": "b", "path": "p"}])
    await worker.finish(
        lease, "retry", error={"code": "flaky", "message": "again", "hint": "wait"}, delay_seconds=0
    )
    lease = await worker.claim_one()
    await worker.finish(lease, result={"ok": True})

    snapshot = await user.call("snapshot", job_id=answer["id"])

    assert (snapshot["id"], snapshot["status"], snapshot["percent"], snapshot["tags"]) == (
        answer["id"],
        "completed",
        100,
        ["t"],
    )
    assert snapshot["seq"] == len(await user.events(answer["id"]))
    assert [(step["name"], step["status"]) for step in snapshot["steps"]] == [
        ("one", "completed"),
        ("big", "completed"),
    ]
    assert snapshot["steps"][0]["result"] == {"a": 1}
    assert snapshot["steps"][1]["result_omitted"] is True
    assert "result" not in snapshot["steps"][1]
    assert [attempt["outcome"] for attempt in snapshot["attempts"]] == ["retried", "completed"]
    assert snapshot["cost"] == {"spent": 1, "reserved": 0, "budget": 5, "calls": 1}
    assert snapshot["files"][0]["path"] == "p"
    assert snapshot["stages"] == [
        {"name": "read", "label": "read", "weight": 2},
        {"name": "write", "label": "write", "weight": 1},
    ]
    assert (snapshot["result"], snapshot["error"], snapshot["eta"], snapshot["children"]) == (
        {"ok": True},
        None,
        None,
        {},
    )
    assert "lease_token" not in str(snapshot)


async def test_a_large_result_is_left_to_the_outputs(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    await worker.finish(await worker.claim_one(), result="x" * 300_000)
    snapshot = await user.call("snapshot", job_id=answer["id"])
    assert (snapshot["result"], snapshot["result_omitted"]) == (None, True)
    assert await user.value("select length(result #>> '{}') from headway.job_outputs") == 300_000


async def test_a_failed_jobs_snapshot_says_what_to_do(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    error = {
        "code": "encrypted",
        "message": "The PDF is encrypted.",
        "hint": "Remove the password.",
        "step": "read",
    }
    await worker.finish(await worker.claim_one(), "failed", error=error)
    assert (await user.call("snapshot", job_id=answer["id"]))["error"] == error


async def test_events_after_a_seq_come_in_order_and_in_pages(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    lease = await worker.claim_one()
    await worker.beat(lease, events=[{"name": "n", "data": n} for n in range(20)])
    seen = 2
    data: list[int] = []
    while page := await user.call("events_after", job_id=answer["id"], after_seq=seen, max_events=7):
        assert [event["seq"] for event in page] == list(range(seen + 1, seen + 1 + len(page)))
        data += [event["data"]["data"] for event in page]
        seen = page[-1]["seq"]
    assert data == list(range(20))


async def test_what_is_not_visible_does_not_exist(engine: Engine) -> None:
    await engine.worker("k.a")
    owner, stranger = await engine.user(), await engine.user()
    answer = await owner.submit("k.a")
    for job_id in (answer["id"], str(uuid.uuid4())):
        for function in ("snapshot", "events_after", "cancel", "retry"):
            with pytest.raises(Refused) as refusal:
                await stranger.call(function, job_id=job_id)
            assert (refusal.value.code, refusal.value.field) == ("HW301", "job_id"), function
    for arguments in ({"after_seq": -1}, {"after_seq": None}, {"max_events": 0}, {"max_events": 1001}):
        with pytest.raises(Refused):
            await owner.call("events_after", job_id=answer["id"], **arguments)


async def test_how_long_jobs_take_is_learnt_by_kind_and_stage(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "stages": ["read", "write"]})
    user = await engine.user()
    for seconds in (10, 20):
        await user.submit("k.a")
        lease = await worker.claim_one()
        await worker.beat(lease, stage="read")
        await worker.beat(lease, stage="write")
        for stage, ago in (("read", seconds * 4), ("write", seconds)):
            await engine.admin.execute(
                "update headway.job_events set at = at - make_interval(secs => $3)"
                " where job_id = $1 and data ->> 'stage' = $2",
                lease["job_id"],
                stage,
                ago,
            )
        await engine.shift("leases", "started_at", lease["job_id"], -4 * seconds)
        await worker.finish(lease)
    await engine.service.call("sweep")

    learnt = {row["stage"]: row for row in await user.fetch("select * from headway.durations")}
    assert {stage: round(row["seconds"]) for stage, row in learnt.items()} == {
        "": 60,
        "read": 45,
        "write": 15,
    }
    assert {row["runs"] for row in learnt.values()} == {2}

    answer = await user.submit("k.a")
    assert round((await user.call("snapshot", job_id=answer["id"]))["eta"]["seconds"]) == 60
    lease = await worker.claim_one()
    await worker.beat(lease, stage="read", percent=10)
    eta = (await user.call("snapshot", job_id=answer["id"]))["eta"]
    assert (round(eta["seconds"]), eta["runs"]) == (60, 2)
    await engine.shift("jobs", "stage_started_at", answer["id"], -40)
    assert round((await user.call("snapshot", job_id=answer["id"]))["eta"]["seconds"]) == 20
    await worker.beat(lease, stage="write")
    assert round((await user.call("snapshot", job_id=answer["id"]))["eta"]["seconds"]) == 15
    await worker.finish(lease)
    assert (await user.call("snapshot", job_id=answer["id"]))["eta"] is None
    await engine.service.call("sweep")
    await engine.service.call("sweep")
    assert await engine.admin.fetchval("select runs from headway.durations where stage = ''") == 3


async def test_without_history_the_percent_tells_how_long_it_takes(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    assert (await user.call("snapshot", job_id=answer["id"]))["eta"] is None
    lease = await worker.claim_one()
    await worker.beat(lease, percent=25)
    await engine.shift("jobs", "started_at", answer["id"], -30)
    assert round((await user.call("snapshot", job_id=answer["id"]))["eta"]["seconds"]) == 90
