"""What operators do in the SQL editor, where no token is and the role is ``postgres``."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from support.engine import Engine, Refused, Row, held


async def editor(engine: Engine, sql: str, *parameters: object) -> object:
    """One statement of the SQL editor."""
    return await engine.admin.fetchval(sql, *parameters)


async def test_the_sql_editor_submits_looks_cancels_and_retries(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    answer = await editor(engine, 'select headway.submit(\'{"kind": "k.a", "payload": {"n": 1}}\')')
    assert isinstance(answer, dict)
    lease = await worker.claim_one()
    looked = await editor(engine, "select headway.look($1)", lease["job_id"])
    assert isinstance(looked, dict)
    assert (looked["payload"], looked["lease"]["worker"], looked["lease"]["attempt"]) == ({"n": 1}, "test", 1)
    assert [event["type"] for event in looked["events"]] == ["submitted", "started"]
    assert "token" not in json.dumps(looked)
    await editor(engine, "select headway.cancel($1, 'by hand')", lease["job_id"])
    await worker.finish(lease, "cancelled")
    await editor(engine, "select headway.retry($1)", lease["job_id"])
    assert (await worker.claim_one())["run"] == 2


async def test_jobs_are_cancelled_and_retried_by_filter(engine: Engine) -> None:
    worker = await engine.worker("k.a", "k.b")
    one, two = await engine.user(), await engine.user()
    for user in (one, two):
        await user.submit_many([{"kind": kind, "tags": ["t"]} for kind in ("k.a", "k.b") for _ in range(3)])
    call = engine.service.call
    assert await call("cancel_jobs", filter={"kind": "k.a", "owner_id": str(one.sub)}, reason="bulk") == 3
    assert await call("cancel_jobs", filter={"kind": "k.a", "status": "pending", "limit": 2}) == 2
    for lease in await worker.claim(20):
        await worker.finish(lease, "failed", error={"code": f"e-{lease['kind']}", "message": "no"})
    assert await call("retry_jobs", filter={"error_code": "e-k.b", "tenant_id": str(two.sub)}) == 3
    assert await call("retry_jobs", filter={"status": "cancelled", "tag": "t"}) == 5
    assert await call("retry_jobs", filter={"tag": "none"}) == 0
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert await call("cancel_jobs", filter={"created_after": soon}) == 0
    assert await call("cancel_jobs", filter={"created_before": soon, "queue": "default"}) == 8
    ids = [str(row["id"]) for row in await engine.service.fetch("select id from headway.jobs limit 2")]
    assert await call("retry_jobs", filter={"ids": ids}) == 2


@pytest.mark.parametrize(
    ("wish", "code", "field"),
    [
        ({}, "HW102", "filter"),
        ({"limit": 5}, "HW102", "filter"),
        ([], "HW100", "filter"),
        ({"kindd": "x"}, "HW101", "filter.kindd"),
        ({"kind": 3}, "HW100", "filter.kind"),
        ({"status": "completed"}, "HW100", "filter.status"),
        ({"owner_id": "x"}, "HW100", "filter.owner_id"),
        ({"kind": "k.a", "limit": 10001}, "HW103", "filter.limit"),
        ({"created_before": "yesterday"}, "HW100", "filter.created_before"),
    ],
)
async def test_filters_that_would_hit_everybody_or_nothing_known_are_refused(
    engine: Engine, wish: object, code: str, field: str
) -> None:
    for function in ("cancel_jobs", "retry_jobs"):
        with pytest.raises(Refused) as refusal:
            await engine.service.call(function, filter=wish)
        assert (refusal.value.code, refusal.value.field) == (code, field)


async def test_a_job_is_requeued_from_whatever_it_is_stuck_in(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "max_attempts": 1})
    call = engine.service.call
    answer = await engine.service.submit("k.a", delay_seconds=500)
    job_id = answer["id"]

    assert await call("requeue", job_id=job_id) == "pending"
    lease = await worker.claim_one()
    assert await call("requeue", job_id=job_id) == "pending"
    assert (await worker.beat(lease))["state"] == "lost"
    lease = await worker.claim_one()
    assert lease["failures"] == 0
    await worker.finish(lease, "wait", **{"for": "signal", "signal": "go"})
    assert await call("requeue", job_id=job_id) == "pending"
    await worker.finish(await worker.claim_one(), "failed")
    assert await call("requeue", job_id=job_id) == "pending"
    await worker.finish(await worker.claim_one())
    with pytest.raises(Refused) as refusal:
        await call("requeue", job_id=job_id)
    assert refusal.value.code == "HW202"


async def test_limits_set_by_an_operator_stay_when_workers_register_again(engine: Engine) -> None:
    worker = await engine.worker({"kind": "k.a", "concurrency": 9})
    await engine.service.call("limit_kind", kind="k.a", concurrency=2, tenant_concurrency=1)
    await worker.register()
    (kind,) = await engine.service.fetch("select concurrency, tenant_concurrency from headway.kinds")
    assert kind == {"concurrency": 2, "tenant_concurrency": 1}
    await engine.service.call("limit_queue", queue="default", concurrency=0)
    await engine.service.submit("k.a")
    assert await worker.claim() == []
    await engine.service.call("limit_queue", queue="default")
    assert len(await worker.claim()) == 1


async def test_unknown_names_and_senseless_limits_are_refused(engine: Engine) -> None:
    await engine.worker("k.a")
    calls: list[tuple[str, Row, str, str]] = [
        ("pause_queue", {"queue": "nowhere"}, "HW108", "queue"),
        ("drain_queue", {"queue": "default", "reason": "x" * 501}, "HW103", "reason"),
        ("limit_queue", {"queue": "nowhere"}, "HW108", "queue"),
        ("limit_queue", {"queue": "default", "concurrency": -1}, "HW103", "concurrency"),
        ("limit_kind", {"kind": "k.b"}, "HW107", "kind"),
        ("limit_kind", {"kind": "k.a", "tenant_concurrency": 0}, "HW103", "concurrency"),
        ("requeue", {"job_id": uuid.uuid4()}, "HW301", "job_id"),
    ]
    for function, arguments, code, field in calls:
        with pytest.raises(Refused) as refusal:
            await engine.service.call(function, **arguments)
        assert (refusal.value.code, refusal.value.field) == (code, field), function


async def test_a_person_is_forgotten_with_jobs_and_files(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    person, other = await engine.user(), await engine.user()
    org = await engine.organization(editor=person)
    await person.submit("k.a", 1)
    lease = await worker.claim_one()
    await engine.service.call("add_files", **held(lease), files=[{"name": "f", "bucket": "b", "path": "p"}])
    await worker.finish(lease)
    await person.submit("k.a", 2)
    await person.submit("k.a", 3, organization_id=org)
    await other.submit("k.a", 4)

    assert await engine.service.call("forget_owner", owner_id=person.sub) == 2

    pruned = await engine.service.call("prune")
    assert pruned == {"jobs": 2, "files": [{"bucket": "b", "path": "p"}]}
    assert await engine.admin.fetchval("select count(*) from headway.jobs") == 2


async def test_the_views_tell_people_what_goes_on(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    user = await engine.user()
    await user.submit_many([{"kind": "k.a"}] * 4)
    await user.submit("k.a", delay_seconds=60)
    failed, running, waiting = await worker.claim(3)
    await worker.finish(failed, "failed", error={"code": "x", "message": "no"})
    await worker.finish(waiting, "wait", **{"for": "signal", "signal": "answer"})
    await user.call("cancel", job_id=running["job_id"])

    states = {row["state"] for row in await user.fetch("select state from headway.job_overview")}
    assert states == {"failed", "being cancelled", "waiting for answer", "pending", "delayed"}
    (queue,) = await engine.service.fetch("select * from headway.queue_stats")
    assert (
        queue["ready"],
        queue["delayed"],
        queue["waiting"],
        queue["running"],
        queue["failed_last_hour"],
    ) == (1, 1, 1, 1, 1)
    assert queue["oldest_ready"] is not None
    (process,) = await engine.service.fetch("select * from headway.worker_stats")
    assert (process["state"], process["running"], process["kinds"]) == ("alive", 1, ["k.a"])
    (failure,) = await user.fetch("select * from headway.failures")
    assert (failure["error_code"], failure["job_status"], failure["kind"]) == ("x", "failed", "k.a")
    await engine.service.call("stop_worker", worker_id=worker.id)
    (process,) = await engine.service.fetch("select * from headway.worker_stats")
    assert process["state"] == "stopped"


async def test_operator_functions_are_closed_to_users(engine: Engine) -> None:
    await engine.worker("k.a")
    user = await engine.user()
    answer = await user.submit("k.a")
    for sql in (
        "select headway.pause_queue('default')",
        'select headway.cancel_jobs(\'{"kind": "k.a"}\')',
        f"select headway.look('{answer['id']}')",
        f"select headway.requeue('{answer['id']}')",
        "select * from headway.spend_today()",
        "select headway.sweep()",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await user.value(sql)
