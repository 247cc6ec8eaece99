"""People change their minds."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal

import pytest

from support.engine import Engine, Refused, Worker, held


async def fail(worker: Worker) -> uuid.UUID:
    """Let the next job fail for good."""
    lease = await worker.claim_one()
    await worker.finish(lease, "failed", error={"code": "x", "message": "y"})
    job_id: uuid.UUID = lease["job_id"]
    return job_id


async def test_a_pending_job_is_cancelled_at_once_and_a_running_one_is_asked_to_stop(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    running, waiting = await user.submit("k.a", 1), await user.submit("k.a", 2, delay_seconds=60)
    await worker.claim_one()

    first = await user.call("cancel", job_id=waiting["id"], reason="changed my mind")
    second = await user.call("cancel", job_id=running["id"])

    assert (first["status"], first["changed"], first["jobs"]) == ("cancelled", True, 1)
    assert (second["status"], second["changed"]) == ("processing", True)
    assert (await user.events(waiting["id"]))[-1]["data"] == {
        "reason": "changed my mind",
        "by": str(user.sub),
    }
    assert (await user.events(running["id"]))[-1]["type"] == "cancel_requested"
    for job in (running, waiting):
        assert (await user.call("cancel", job_id=job["id"]))["changed"] is False
    assert await worker.claim() == []
    told = [m["payload"]["jobs"] for m in await engine.messages("queue:default") if m["event"] == "cancel"]
    assert told == [[running["id"]]]


async def test_cancelling_what_has_ended_changes_nothing(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    await worker.finish(await worker.claim_one())
    before = await user.job(answer["id"])
    assert (await user.call("cancel", job_id=answer["id"])) == {
        "id": answer["id"],
        "status": "completed",
        "changed": False,
        "jobs": 0,
        "cancel_requested_at": None,
    }
    assert await user.job(answer["id"]) == before


async def test_children_are_cancelled_with_their_parent(engine: Engine) -> None:
    worker = await engine.worker("k.a", "k.b")
    user = await engine.user()
    parent = await user.submit("k.a")
    lease = await worker.claim_one()
    children = [{"kind": "k.b"}, {"kind": "k.b"}]
    await engine.service.call("submit_children", **held(lease), children=children)
    child = await worker.claim_one()
    await worker.finish(lease, "wait", **{"for": "children"})

    answer = await user.call("cancel", job_id=parent["id"])

    assert (answer["status"], answer["jobs"]) == ("cancelled", 3)
    assert (await worker.beat(child))["state"] == "cancel"
    assert (await worker.finish(child, "cancelled"))["status"] == "cancelled"


async def test_a_failed_job_runs_again_from_the_step_that_failed(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a", {"n": 1})
    lease = await worker.claim_one()
    call = engine.service.call
    await call("checkpoint", **held(lease), step="extract", result="text")
    await call("checkpoint", **held(lease), step="parse", status="failed", error={"code": "model"})
    await worker.finish(lease, "failed", error={"code": "model", "message": "no", "step": "parse"})

    retried = await user.call("retry", job_id=answer["id"])

    assert retried == {"id": answer["id"], "status": "pending", "changed": True, "run": 2}
    assert (await user.call("retry", job_id=answer["id"]))["changed"] is False
    again = await worker.claim_one()
    assert (again["attempt"], again["run"], again["failures"], again["payload"]) == (2, 2, 0, {"n": 1})
    assert again["steps"] == {"extract": "text"}
    await worker.finish(again, result=1)
    job = await user.job(answer["id"])
    assert (job["status"], job["error_code"]) == ("completed", None)
    types = [event["type"] for event in await user.events(answer["id"])]
    assert [types.count(end) for end in ("failed", "retried", "completed")] == [1, 1, 1]


async def test_a_retry_from_an_earlier_step_does_that_step_and_later_ones_again(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    lease = await worker.claim_one()
    for step in ("one", "two", "three"):
        await engine.service.call("checkpoint", **held(lease), step=step, result=step)
    await worker.finish(lease, "failed")
    with pytest.raises(Refused) as refusal:
        await user.call("retry", job_id=answer["id"], from_step="four")
    assert (refusal.value.code, refusal.value.field) == ("HW301", "from_step")
    assert "one, two, three" in refusal.value.hint
    await user.call("retry", job_id=answer["id"], from_step="two")
    assert (await worker.claim_one())["steps"] == {"one": "one"}


async def test_a_job_that_a_budget_has_stopped_goes_on_with_a_larger_one(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "cost_budget": 2})
    user = await engine.user()
    answer = await user.submit("k.a", cost_budget="0.5")

    async def budget() -> Decimal:
        return Decimal((await user.call("snapshot", job_id=answer["id"]))["cost"]["budget"])

    async def stopped() -> None:
        lease = await worker.claim_one()
        await worker.finish(lease, "failed", error={"code": "HW501", "message": "y"})

    await stopped()
    for amount, words in ((3, "at most 2 for this kind"), (-1, "from 0 to"), ("NaN", "from 0 to")):
        with pytest.raises(Refused, match=words) as refusal:
            await user.call("retry", job_id=answer["id"], cost_budget=amount)
        assert (refusal.value.code, refusal.value.field) == ("HW103", "cost_budget")
    assert (await budget(), (await user.job(answer["id"]))["status"]) == (Decimal("0.5"), "failed")
    assert (await user.call("retry", job_id=answer["id"], cost_budget="1.25"))["changed"] is True
    assert await budget() == Decimal("1.25")
    # Repeated, it opens no other run and changes nothing.
    assert (await user.call("retry", job_id=answer["id"], cost_budget="2"))["changed"] is False
    assert await budget() == Decimal("1.25")
    await stopped()
    await user.call("retry", job_id=answer["id"])
    assert await budget() == Decimal("1.25")
    await stopped()
    await engine.service.call("retry", job_id=answer["id"], cost_budget=3)
    assert await budget() == Decimal(3)


async def test_a_completed_job_is_retried_only_for_its_failed_steps(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    whole, partial = await user.submit("k.a"), await user.submit("k.a")
    await worker.finish(await worker.claim_one())
    with pytest.raises(Refused) as refusal:
        await user.call("retry", job_id=whole["id"])
    assert refusal.value.code == "HW202"
    lease = await worker.claim_one()
    await engine.service.call("checkpoint", **held(lease), step="de", result="ok")
    await engine.service.call(
        "checkpoint", **held(lease), step="fr", status="failed", error={"code": "quota"}
    )
    await worker.finish(lease, result={"languages": ["de"]})

    assert (await user.call("retry", job_id=partial["id"]))["changed"]

    again = await worker.claim_one()
    assert again["steps"] == {"de": "ok"}
    await engine.service.call("checkpoint", **held(again), step="fr", result="ok")
    await worker.finish(again, result={"languages": ["de", "fr"]})
    assert (
        await user.fetch("select result from headway.job_outputs where job_id = $1", lease["job_id"])
    ) == [{"result": {"languages": ["de", "fr"]}}]


async def test_a_job_that_is_going_on_is_not_retried(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    for _ in range(2):
        with pytest.raises(Refused) as refusal:
            await user.call("retry", job_id=answer["id"])
        assert refusal.value.code == "HW202"
        await worker.claim()


async def test_a_retry_waits_for_the_job_that_has_taken_its_unique_key(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    first = await user.submit("k.a", unique_key="u")
    await fail(worker)
    await user.submit("k.a", unique_key="u")
    with pytest.raises(Refused) as refusal:
        await user.call("retry", job_id=first["id"])
    assert refusal.value.code == "HW202"
    assert (await user.job(first["id"]))["status"] == "failed"


async def test_a_batch_has_one_progress_through_ends_and_retries(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit_many([{"kind": "k.a"}] * 4, batch={"name": "four"})
    batch = answer["batch_id"]
    leases = await worker.claim(4)
    await worker.finish(leases[0])
    await worker.finish(leases[1], "failed")
    await worker.beat(leases[2], percent=50)

    snapshot = await user.call("batch_snapshot", batch_id=batch)
    assert (snapshot["total"], snapshot["completed"], snapshot["failed"], snapshot["open"]) == (4, 1, 1, 2)
    assert snapshot["percent"] == 62.5
    assert await user.call("cancel_batch", batch_id=batch, reason="stop") == 2
    for lease in leases[2:]:
        await worker.finish(lease, "cancelled")
    ended = await user.call("batch_snapshot", batch_id=batch)
    assert (ended["cancelled"], ended["open"], ended["percent"]) == (2, 0, 100)
    assert ended["finished_at"] is not None

    await user.call("retry", job_id=leases[1]["job_id"])
    reopened = await user.call("batch_snapshot", batch_id=batch)
    assert (reopened["failed"], reopened["open"], reopened["finished_at"]) == (0, 1, None)
    more = await user.submit("k.a", batch_id=batch)
    assert more["created"]
    assert (await user.call("batch_snapshot", batch_id=batch))["total"] == 5


async def test_a_batch_id_repeated_adds_nothing_and_is_not_shared_with_strangers(engine: Engine) -> None:
    await engine.worker("k.a")
    user, stranger = await engine.user(), await engine.user()
    batch, jobs = str(uuid.uuid4()), [{"kind": "k.a", "id": str(uuid.uuid4())} for _ in range(3)]
    for _ in range(2):
        assert (await user.submit_many(jobs, batch={"id": batch}))["batch_id"] == batch
    assert (await user.call("batch_snapshot", batch_id=batch))["total"] == 3
    for attempt in (
        lambda caller: caller.submit_many([{"kind": "k.a"}], batch={"id": batch}),
        lambda caller: caller.submit("k.a", batch_id=batch),
        lambda caller: caller.call("batch_snapshot", batch_id=batch),
        lambda caller: caller.call("cancel_batch", batch_id=batch),
    ):
        with pytest.raises(Refused) as refusal:
            await attempt(stranger)
        assert refusal.value.code in ("HW201", "HW301")


async def test_cancel_and_finish_at_the_same_moment_end_the_job_once(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    await user.submit_many([{"kind": "k.a"}] * 20)
    leases = await worker.claim(20)

    async def cancel_all() -> None:
        for lease in leases:
            await user.call("cancel", job_id=lease["job_id"])

    async def finish_all() -> None:
        for lease in leases:
            await worker.finish(lease)

    await asyncio.gather(cancel_all(), finish_all())

    for lease in leases:
        types = [event["type"] for event in await user.events(lease["job_id"])]
        assert types[-1] == "completed"
        assert sum(kind in ("completed", "failed", "cancelled") for kind in types) == 1


async def test_a_handler_that_cancels_its_job_says_why(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    answer = await engine.service.submit("k.a")
    await worker.finish(await worker.claim_one(), "cancelled", message="nothing to do")
    job = await engine.service.job(answer["id"])
    assert (job["status"], job["cancel_reason"]) == ("cancelled", "nothing to do")
    assert (await engine.service.events(answer["id"]))[-1]["data"] == {"reason": "nothing to do"}
