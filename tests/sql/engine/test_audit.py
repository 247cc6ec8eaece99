"""What an audit found: ways across tenants, a family that grows while it is cancelled, nulls in batches."""

from __future__ import annotations

import asyncio
import json
import uuid

import asyncpg
import pytest

from support.engine import Caller, Engine, Refused, as_uuid, held


async def test_an_organisation_cannot_take_the_id_of_a_person(engine: Engine) -> None:
    """Keys, budgets and notifications are found by tenant: the id of an organisation, else of a person."""
    victim, thief = await engine.user(), await engine.user()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await thief.fetch("insert into public.organizations (id, name) values ($1, 'mine')", victim.sub)
    await thief.fetch("insert into public.organizations (name) values ('mine')")


async def test_the_id_of_a_merged_submission_leads_nobody_else_to_the_job(engine: Engine) -> None:
    await engine.worker("k.a", "k.b")
    owner, stranger = await engine.user(), await engine.user()
    first, second = uuid.uuid4(), uuid.uuid4()
    await owner.submit("k.a", id=first, unique_key="u")
    await owner.submit("k.a", id=second, unique_key="u")
    assert (await owner.submit("k.a", id=second, unique_key="u"))["id"] == str(first)
    for caller, kind in ((stranger, "k.a"), (owner, "k.b")):
        with pytest.raises(Refused) as refusal:
            await caller.submit(kind, id=second)
        assert (refusal.value.code, refusal.value.field) == ("HW201", "id")


async def test_only_files_that_the_submitter_uploaded_go_with_the_job(engine: Engine) -> None:
    """Who may only read an organisation's file must not be able to have it removed."""
    await engine.worker("k.a")
    owner, viewer = await engine.user(), await engine.user()
    org = await engine.organization(owner=owner, viewer=viewer)
    shared, own = f"org/{org}/contract.pdf", f"{viewer.sub}/own.pdf"
    await _upload(engine, owner, shared)
    await _upload(engine, viewer, own)
    files = [{"name": path[-8:], "bucket": "job-files", "path": path} for path in (shared, own)]
    ended = await viewer.submit("k.a", files=files, retention_seconds=60)
    await viewer.call("cancel", job_id=ended["id"])
    replaced = await viewer.submit("k.a", files=files, debounce_key="d")
    await viewer.submit("k.a", debounce_key="d")
    await viewer.call("cancel", job_id=replaced["id"])
    await engine.admin.execute(
        "update headway.jobs set delete_after = now() - interval '1 s'",
    )
    await engine.admin.execute("update headway.file_removals set due_at = now() - interval '1 s'")
    assert (await engine.service.call("prune"))["files"] == [{"bucket": "job-files", "path": own}]


async def test_a_null_stands_for_a_missing_number_wherever_it_is(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await engine.service.submit_many([{"kind": "k.a"}, {"kind": "k.a"}])
    one, two = await worker.claim(2)
    nameless = {"name": "said", "data": 1, "n": None}
    beats = await worker.heartbeat(held(one) | {"events": [nameless]}, held(two))
    assert [beat["state"] for beat in beats] == ["ok", "ok"]
    assert await engine.service.call("emit", **held(two), events=[nameless, {"name": "said", "n": 1.0}]) == 4
    file = {"name": "f", "bucket": "job-files", "path": "p", "bytes": None}
    assert await engine.service.call("add_files", **held(one), files=[file]) == 1
    children = [{"kind": "k.a", "files": [file]}]
    await engine.service.call("submit_children", **held(one), children=children)


async def test_a_child_that_is_submitted_during_the_cancellation_is_cancelled_too(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    parent = await user.submit("k.a")
    lease = await worker.claim_one()
    async with worker.service.request() as submitting:
        answer = await submitting.fetchval(
            "select headway.submit_children($1, $2, $3, $4)",
            *held(lease).values(),
            json.dumps([{"kind": "k.a"}]),
        )
        cancelling = asyncio.create_task(user.call("cancel", job_id=parent["id"]))
        while not await engine.admin.fetchval("select exists (select from pg_locks where not granted)"):
            await asyncio.sleep(0.01)
    assert (await cancelling)["jobs"] == 2
    assert (await user.job(answer["jobs"][0]["id"]))["status"] == "cancelled"


async def test_a_deleted_organisation_leaves_its_jobs_to_nobody(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    owner, former = await engine.user(), await engine.user()
    org = await engine.organization(owner=owner, editor=former)
    running = await former.submit("k.a", {"secret": 1}, organization_id=org)
    lease = await worker.claim_one()
    answer = await former.submit_many([{"kind": "k.a", "organization_id": str(org)}], batch={"name": "b"})
    mine = await former.submit("k.a")
    await owner.fetch("delete from public.organization_members where user_id = $1", former.sub)

    await owner.fetch("delete from public.organizations where id = $1", org)

    assert await former.fetch("select id from headway.jobs") == [{"id": as_uuid(mine["id"])}]
    assert await former.fetch("select id from headway.batches") == []
    assert (await engine.service.job(answer["jobs"][0]["id"]))["status"] == "cancelled"
    assert (await worker.beat(lease))["state"] == "cancel"
    assert (await worker.finish(lease, "cancelled"))["status"] == "cancelled"
    assert (await engine.service.job(running["id"]))["owner_id"] is None


async def _upload(engine: Engine, owner: Caller, path: str) -> None:
    await engine.admin.execute(
        "insert into storage.objects (bucket_id, name, owner_id) values ('job-files', $1, $2)",
        path,
        str(owner.sub),
    )


async def test_a_lease_does_not_outlive_the_timeout_of_its_attempt(engine: Engine) -> None:
    """Else a dead worker that asked for an hour would keep a job of a second for the hour."""
    worker = await engine.worker({"kind": "k.short", "timeout_seconds": 1})
    await engine.service.submit("k.short")
    (job,) = await worker.claim(1, lease_seconds=3600)
    assert (job["lease_expires_at"] - job["deadline_at"]).total_seconds() == 30


async def test_a_batch_whose_jobs_were_all_merged_is_no_batch(engine: Engine) -> None:
    await engine.worker("k.a")
    owner = await engine.user()
    await owner.submit("k.a", unique_key="u")
    answer = await owner.submit_many([{"kind": "k.a", "unique_key": "u"}], batch={"id": str(uuid.uuid4())})
    assert answer["batch_id"] is None
    assert answer["jobs"][0]["merged"] == "unique_key"
    assert await engine.admin.fetchval("select count(*) from headway.batches") == 0
