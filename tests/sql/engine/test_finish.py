"""How attempts end."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from support.engine import Engine, Refused, Row, held


async def test_a_completed_job_has_a_result_a_full_bar_and_a_last_event(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    await user.submit("k.a", retention_seconds=3600)
    lease = await worker.claim_one()

    row = await worker.finish(lease, result={"ok": True}, message="done", metrics={"pages": 3})

    assert (row["state"], row["status"], row["code"]) == ("applied", "completed", None)
    job = await user.job(lease["job_id"])
    assert (job["status"], job["percent"], job["message"], job["metrics"]) == (
        "completed",
        100,
        "done",
        {"pages": 3},
    )
    assert job["delete_after"] - job["finished_at"] == timedelta(hours=1)
    (output,) = await user.fetch("select * from headway.job_outputs")
    assert (output["result"], output["attempt"], output["bytes"]) == ({"ok": True}, 1, 12)
    (attempt,) = await user.fetch("select * from headway.attempts")
    assert (attempt["outcome"], attempt["worker_id"], attempt["run"]) == ("completed", worker.id, 1)
    assert [event["type"] for event in await user.events(job["id"])] == ["submitted", "started", "completed"]
    assert await engine.admin.fetchval("select count(*) from headway.leases") == 0


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"ok": True}, {"result": {"ok": True}}),
        (None, {"result": None}),
        ("".join(chr(33 + n * 7 % 90) for n in range(60_000)), {"result_omitted": True}),
    ],
    ids=["small", "none", "large"],
)
async def test_the_end_tells_a_small_result(engine: Engine, result: object, told: Row) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    await user.submit("k.a")
    lease = await worker.claim_one()

    await worker.finish(lease, result=result)

    assert (await user.events(lease["job_id"]))[-1]["data"] == told
    (output,) = await user.fetch("select result from headway.job_outputs")
    assert output["result"] == result


async def test_finishing_again_says_so_and_changes_nothing(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    await worker.finish(lease, result=1)
    before = await engine.service.job(lease["job_id"])

    row = await worker.finish(lease, "failed", error={"code": "x", "message": "y"})

    assert (row["state"], row["status"], row["code"]) == ("repeated", "completed", None)
    assert await engine.service.job(lease["job_id"]) == before


async def test_a_failure_keeps_code_message_hint_and_step(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    await user.submit("k.a")
    lease = await worker.claim_one()
    error = {
        "code": "unreadable",
        "message": "The PDF is encrypted.",
        "hint": "Remove its password.",
        "step": "extract",
    }

    await worker.finish(lease, "failed", error=error)

    job = await user.job(lease["job_id"])
    assert job["status"] == "failed"
    assert {key: job[f"error_{key}"] for key in error} == error
    last = (await user.events(job["id"]))[-1]
    assert (last["type"], last["data"]) == ("failed", error | {"failures": 1, "max_attempts": 5})


async def test_a_retry_waits_longer_each_time_and_fails_for_good_after_the_last(engine: Engine) -> None:
    worker = await engine.worker(
        {"kind": "k.a", "max_attempts": 4, "backoff_base_seconds": 100, "backoff_max_seconds": 300}
    )
    await engine.service.submit("k.a")
    for expected in (100, 200, 300):
        lease = await worker.claim_one()
        row = await worker.finish(lease, "retry", error={"code": "flaky", "message": "try again"})
        assert row["status"] == "pending"
        job = await engine.service.job(lease["job_id"])
        delay = (job["run_at"] - job["updated_at"]).total_seconds()
        assert expected * 0.74 <= delay <= expected * 1.26
        assert (job["error_code"], job["ready_order"]) == ("flaky", None)
        await engine.make_due(lease["job_id"])
    row = await worker.finish(
        await worker.claim_one(), "retry", error={"code": "flaky", "message": "try again"}
    )
    assert row["status"] == "failed"
    outcomes = await engine.service.fetch("select outcome from headway.attempts order by attempt")
    assert [row["outcome"] for row in outcomes] == ["retried", "retried", "retried", "failed"]


async def test_a_retry_may_name_its_own_delay(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    await worker.finish(lease, "retry", delay_seconds=77, error={"code": "429", "message": "slow down"})
    job = await engine.service.job(lease["job_id"])
    assert (job["run_at"] - job["updated_at"]).total_seconds() == 77
    event = (await engine.service.events(job["id"]))[-1]
    assert (event["type"], event["data"]["code"], event["data"]["failures"]) == ("retry_scheduled", "429", 1)


async def test_snoozing_and_handing_back_burn_no_attempt(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "max_attempts": 1})
    await engine.service.submit("k.a")
    for outcome, fields in (
        ("snooze", {"delay_seconds": 0}),
        ("release", {}),
        ("snooze", {"delay_seconds": 60}),
    ):
        lease = await worker.claim_one()
        row = await worker.finish(lease, outcome, **fields)
        assert (row["state"], row["status"]) == ("applied", "pending")
    assert await worker.claim() == []
    await engine.make_due(lease["job_id"])
    last = await worker.claim_one()
    assert (last["attempt"], last["failures"]) == (4, 0)
    await worker.finish(last)
    types = [event["type"] for event in await engine.service.events(last["job_id"])]
    assert types == [
        "submitted",
        "started",
        "snoozed",
        "started",
        "released",
        "started",
        "snoozed",
        "started",
        "completed",
    ]


async def test_whatever_a_cancelled_job_asks_for_it_is_cancelled(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    for outcome, fields in (
        ("cancelled", {}),
        ("retry", {}),
        ("snooze", {"delay_seconds": 5}),
        ("release", {}),
        ("wait", {"for": "children"}),
    ):
        answer = await user.submit("k.a")
        lease = await worker.claim_one()
        await user.call("cancel", job_id=answer["id"], reason="enough")
        assert (await worker.finish(lease, outcome, **fields))["status"] == "cancelled"
        event = (await user.events(answer["id"]))[-1]
        assert (event["type"], event["data"]) == ("cancelled", {"reason": "enough"})
    answer = await user.submit("k.a")
    lease = await worker.claim_one()
    await user.call("cancel", job_id=answer["id"])
    assert (await worker.finish(lease, result="just in time"))["status"] == "completed"


async def test_a_worker_may_cancel_of_its_own_accord(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    assert (await worker.finish(await worker.claim_one(), "cancelled"))["status"] == "cancelled"


async def test_a_batch_of_outcomes_applies_what_it_can(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "result_limit": 100})
    await engine.service.submit_many([{"kind": "k.a"}] * 9)
    leases = await worker.claim(9)
    await worker.finish(leases[0], result="earlier")
    fields: list[Row] = [
        {"outcome": "completed", "result": "again"},
        {"outcome": "completed", "result": {"a": 1}},
        {"outcome": "completed", "result": "x" * 101},
        {"outcome": "completed", "result": "a\0b"},
        {"outcome": "vanished"},
        {"outcome": "snooze"},
        {"outcome": "wait", "for": "signal"},
        {"outcome": "retry", "delay_seconds": -1},
        {"outcome": "failed"},
    ]

    rows = await worker.finish_all([held(lease) | more for lease, more in zip(leases, fields, strict=True)])

    assert [(row["state"], row["status"], row["code"]) for row in rows] == [
        ("repeated", "completed", None),
        ("applied", "completed", None),
        ("invalid", "processing", "HW104"),
        ("invalid", "processing", "HW105"),
        ("invalid", "processing", "HW100"),
        ("invalid", "processing", "HW102"),
        ("invalid", "processing", "HW102"),
        ("invalid", "processing", "HW103"),
        ("applied", "failed", None),
    ]
    assert all(row["reason"] for row in rows if row["state"] == "invalid")
    assert (await worker.finish(leases[2], "failed", error={"code": "too_large"}))["state"] == "applied"


@pytest.mark.parametrize("outcomes", [{}, [[]], [{"job_id": 3}], [{"outcome": "completed"}]])
async def test_outcomes_without_a_lease_are_refused(engine: Engine, outcomes: object) -> None:
    worker = await engine.worker("k.a")
    with pytest.raises(Refused) as refusal:
        await worker.service.call("finish", worker_id=worker.id, outcomes=outcomes)
    assert refusal.value.field.startswith("outcomes")


async def test_a_job_twice_in_one_call_is_refused(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    with pytest.raises(Refused) as refusal:
        await worker.finish_all([held(lease) | {"outcome": "completed"}] * 2)
    assert (refusal.value.code, refusal.value.field) == ("HW100", "outcomes")


async def test_finish_for_a_job_that_never_was_is_lost(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    (row,) = await worker.finish_all(
        [{"job_id": uuid.uuid4(), "attempt": 1, "lease_token": uuid.uuid4(), "outcome": "completed"}]
    )
    assert (row["state"], row["code"], row["status"]) == ("lost", "HW001", None)
