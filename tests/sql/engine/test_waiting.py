"""Waiting without holding a worker: signals and children."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from support.engine import Engine, Refused, held

WAIT = {"for": "signal", "signal": "approval"}


async def test_a_job_waits_for_an_answer_without_a_worker_and_goes_on_with_it(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    await worker.finish(await worker.claim_one(), "wait", timeout_seconds=3600, **WAIT)
    job = await user.job(answer["id"])
    assert (job["status"], job["waiting_for"], job["waiting_on"]) == ("pending", "signal", "approval")
    assert 3599 <= (job["run_at"] - job["updated_at"]).total_seconds() <= 3600
    assert await worker.claim() == []

    assert await user.call("signal", job_id=answer["id"], name="approval", payload={"yes": True}) == {
        "state": "delivered"
    }

    lease = await worker.claim_one()
    assert (lease["signals"], lease["failures"], lease["attempt"]) == ({"approval": {"yes": True}}, 0, 2)
    types = [event["type"] for event in await user.events(answer["id"])]
    assert types == ["submitted", "started", "waiting", "signalled", "resumed", "started"]


async def test_an_answer_that_comes_too_early_is_kept(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    assert (await user.call("signal", job_id=answer["id"], name="approval"))["state"] == "stored"
    row = await worker.finish(await worker.claim_one(), "wait", **WAIT)
    assert row["status"] == "pending"
    assert (await worker.claim_one())["signals"] == {"approval": None}


async def test_late_and_repeated_answers_are_harmless(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    await user.call("signal", job_id=answer["id"], name="approval", payload=1)
    assert (await user.call("signal", job_id=answer["id"], name="approval", payload=2))["state"] == "repeated"
    await worker.finish(await worker.claim_one())
    assert (await user.call("signal", job_id=answer["id"], name="other"))["state"] == "late"
    assert await user.fetch("select name, payload from headway.signals") == [
        {"name": "approval", "payload": 1}
    ]


async def test_a_job_that_waits_in_vain_goes_on_after_its_deadline(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    answer = await engine.service.submit("k.a")
    await worker.finish(await worker.claim_one(), "wait", **WAIT)
    await engine.make_due(answer["id"])
    assert (await worker.claim_one())["signals"] == {}
    events = await engine.service.events(answer["id"])
    assert (events[3]["type"], events[3]["data"]) == ("resumed", {"by": "deadline"})


async def test_a_signal_is_sent_by_those_who_may_change_the_job(engine: Engine) -> None:
    await engine.worker("k.a")
    editor, viewer, stranger = await engine.user(), await engine.user(), await engine.user()
    org = await engine.organization(editor=editor, viewer=viewer)
    answer = await editor.submit("k.a", organization_id=org)
    for caller, code in ((viewer, "HW302"), (stranger, "HW301")):
        with pytest.raises(Refused) as refusal:
            await caller.call("signal", job_id=answer["id"], name="x")
        assert refusal.value.code == code
    with pytest.raises(Refused) as refusal:
        await editor.call("signal", job_id=answer["id"], name="system.callback")
    assert (refusal.value.code, refusal.value.field) == ("HW302", "name")
    assert (await engine.service.call("signal", job_id=answer["id"], name="system.callback"))[
        "state"
    ] == "stored"


@pytest.mark.parametrize("name", ["", "Up", "a b", "x" * 101, None])
async def test_names_of_signals_are_checked(engine: Engine, name: str | None) -> None:
    await engine.worker("k.a")
    answer = await engine.service.submit("k.a")
    with pytest.raises(Refused) as refusal:
        await engine.service.call("signal", job_id=answer["id"], name=name)
    assert (refusal.value.code, refusal.value.field) == ("HW100", "name")


async def test_signal_payloads_are_checked(engine: Engine) -> None:
    await engine.worker("k.a")
    answer = await engine.service.submit("k.a")
    for payload, code in (("a\0", "HW105"), ("x" * 1048577, "HW104")):
        with pytest.raises(Refused) as refusal:
            await engine.service.call("signal", job_id=answer["id"], name="x", payload=payload)
        assert (refusal.value.code, refusal.value.field) == (code, "payload")
    for number in range(100):
        await engine.service.call("signal", job_id=answer["id"], name=f"s{number}")
    with pytest.raises(Refused) as refusal:
        await engine.service.call("signal", job_id=answer["id"], name="more")
    assert refusal.value.code == "HW103"


async def test_a_parent_waits_for_its_children_and_reads_their_results(engine: Engine) -> None:
    worker = await engine.worker("k.parent", "k.child")
    user = await engine.user()
    answer = await user.submit("k.parent")
    lease = await worker.claim_one()
    ids = [str(uuid.uuid4()) for _ in range(2)]
    children = [{"kind": "k.child", "payload": n, "id": ids[n]} for n in range(2)]
    for created in (True, False):
        made = await engine.service.call("submit_children", **held(lease), children=children)
        assert [child["created"] for child in made["jobs"]] == [created, created]
    await worker.finish(lease, "wait", **{"for": "children"})
    assert (await user.job(answer["id"]))["waiting_for"] == "children"

    one, two = await worker.claim(5)
    assert (one["parent_id"], one["owner_id"], one["tenant_id"]) == (lease["job_id"], user.sub, user.sub)
    await worker.finish(one, result="one")
    assert await worker.claim() == []
    await worker.finish(two, "failed", error={"code": "x", "message": "no"})

    again = await worker.claim_one()
    assert (again["job_id"], again["failures"]) == (lease["job_id"], 0)
    results = await user.call("children", job_id=answer["id"])
    assert {(row["status"], row["result"], row["error_code"]) for row in results} == {
        ("completed", "one", None),
        ("failed", None, "x"),
    }


async def test_a_parent_whose_children_have_ended_does_not_wait(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit("k.a")
    lease = await worker.claim_one()
    await engine.service.call("submit_children", **held(lease), children=[{"kind": "k.a"}])
    await worker.finish(await worker.claim_one())
    row = await worker.finish(lease, "wait", **{"for": "children"})
    assert row["status"] == "pending"
    assert (await worker.claim_one())["job_id"] == lease["job_id"]


async def test_the_last_two_children_that_end_together_wake_their_parent_once(engine: Engine) -> None:
    workers = [await engine.worker({"kind": "k.a", "push": "watched"}) for _ in range(4)]
    for _ in range(5):
        answer = await engine.service.submit("k.a")
        lease = await workers[0].claim_one()
        await engine.service.call("submit_children", **held(lease), children=[{"kind": "k.a"}] * 4)
        children = [await worker.claim_one() for worker in workers]
        await workers[0].finish(lease, "wait", **{"for": "children"})
        await asyncio.gather(*(worker.finish(child) for worker, child in zip(workers, children, strict=True)))
        types = [event["type"] for event in await engine.service.events(answer["id"])]
        assert types.count("resumed") == 1
        await workers[0].finish(await workers[0].claim_one())


async def test_users_add_children_only_to_jobs_of_theirs_that_go_on(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user, stranger = await engine.user(), await engine.user()
    parent = await user.submit("k.a", tags=["p"])
    child = await user.submit("k.a", parent_id=parent["id"])
    assert (await user.job(child["id"]))["depth"] == 1
    with pytest.raises(Refused) as refusal:
        await stranger.submit("k.a", parent_id=parent["id"])
    assert (refusal.value.code, refusal.value.field) == ("HW301", "parent_id")
    for lease in await worker.claim(2):
        await worker.finish(lease)
    with pytest.raises(Refused) as refusal:
        await user.submit("k.a", parent_id=parent["id"])
    assert (refusal.value.code, refusal.value.field) == ("HW202", "parent_id")


async def test_a_tree_of_jobs_ends_at_ten_levels(engine: Engine) -> None:
    await engine.worker("k.a")
    parent = await engine.service.submit("k.a")
    for _ in range(10):
        parent = await engine.service.submit("k.a", parent_id=parent["id"])
    with pytest.raises(Refused) as refusal:
        await engine.service.submit("k.a", parent_id=parent["id"])
    assert (refusal.value.code, refusal.value.field) == ("HW103", "parent_id")
