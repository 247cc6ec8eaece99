"""Who sees, hears and changes which job. The whole matrix of roles and relations is the domain's test."""

from __future__ import annotations

import json

import asyncpg
import pytest

from support.engine import Caller, Engine, Refused

TABLES = [
    *("jobs", "job_inputs", "job_outputs", "job_steps", "job_events", "attempts"),
    *("job_files", "signals", "job_costs", "usage", "batches"),
]


async def hears(engine: Engine, caller: Caller, topic: str) -> bool:
    """Whether Realtime would let a caller join a private topic: its probe, as it does it."""
    await engine.admin.execute(
        "insert into realtime.messages (topic, extension, private) values ($1, 'broadcast', true)", topic
    )
    async with caller.request() as connection:
        await connection.execute("select set_config('realtime.topic', $1, true)".replace("$1", f"'{topic}'"))
        return bool(await connection.fetch("select id from realtime.messages where topic = $1", topic))


async def test_everything_of_a_job_is_seen_by_its_owner_and_nobody_else(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    owner, stranger, ghost = await engine.user(), await engine.user(), await engine.user(anonymous=True)
    answer = await owner.submit_many([{"kind": "k.a"}], batch={"name": "b"})
    job_id = answer["jobs"][0]["id"]
    lease = await worker.claim_one()
    held = {key: lease[key] for key in ("job_id", "attempt", "lease_token")}
    await engine.service.call("checkpoint", **held, step="s", result=1)
    await engine.service.call("add_files", **held, files=[{"name": "f", "bucket": "b", "path": "p"}])
    await engine.service.call("record_usage", **held, call_id=job_id, provider="p", cost=1)
    await owner.call("signal", job_id=job_id, name="s")
    await worker.finish(lease, result=1)
    nobody = await engine.caller("anon")

    for table in TABLES:
        columns = "job_id, payload" if table == "job_inputs" else "*"
        assert len(await owner.fetch(f"select {columns} from headway.{table}")) >= 1, table
        for other in (stranger, ghost):
            assert await other.fetch(f"select {columns} from headway.{table}") == [], table
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await nobody.fetch(f"select {columns} from headway.{table}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.fetch(f"delete from headway.{table} where true")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await engine.service.fetch(f"delete from headway.{table} where true")
    for view in ("job_overview", "failures", "spend"):
        assert await stranger.fetch(f"select * from headway.{view}") == []
    for hidden in (
        "leases",
        "workers",
        "queues",
        "budgets",
        "usage_daily",
        "file_removals",
        "queue_stats",
        "worker_stats",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.fetch(f"select * from headway.{hidden}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.fetch("select notify from headway.job_inputs")


async def test_an_organisations_jobs_are_seen_by_members_and_changed_by_writers(engine: Engine) -> None:
    await engine.worker("k.a")
    people = {role: await engine.user() for role in ("owner", "admin", "editor", "viewer")}
    outsider = await engine.user()
    org = await engine.organization(**people)
    project = await engine.project(organization=org)
    for fields in (
        {"organization_id": org},
        {"project_id": project},
        {"organization_id": org, "project_id": project},
    ):
        for role, person in people.items():
            if role == "viewer":
                with pytest.raises(Refused) as refusal:
                    await person.submit("k.a", **fields)
                assert refusal.value.code == "HW302"
                continue
            answer = await person.submit("k.a", **fields)
            job = await engine.service.job(answer["id"])
            assert (job["organization_id"], job["tenant_id"], job["owner_id"]) == (org, org, person.sub)
            assert job["project_id"] == fields.get("project_id")
        with pytest.raises(Refused) as refusal:
            await outsider.submit("k.a", **fields)
        assert refusal.value.code == "HW302"
    for person in people.values():
        assert await person.value("select count(*) from headway.jobs") == 9
    assert await outsider.value("select count(*) from headway.jobs") == 0

    job_id = answer["id"]
    with pytest.raises(Refused) as refusal:
        await people["viewer"].call("cancel", job_id=job_id)
    assert (refusal.value.code, refusal.value.field) == ("HW302", "job_id")
    with pytest.raises(Refused) as refusal:
        await outsider.call("cancel", job_id=job_id)
    assert refusal.value.code == "HW301"
    assert (await people["admin"].call("cancel", job_id=job_id))["changed"]
    assert (await people["editor"].call("retry", job_id=job_id))["changed"]


async def test_who_leaves_an_organisation_no_longer_sees_even_what_they_submitted(engine: Engine) -> None:
    await engine.worker("k.a")
    owner, member = await engine.user(), await engine.user()
    org = await engine.organization(owner=owner, editor=member)
    answer = await member.submit("k.a", organization_id=org)
    await engine.admin.execute("delete from public.organization_members where user_id = $1", member.sub)
    assert await member.fetch("select id from headway.jobs") == []
    assert not await hears(engine, member, f"job:{answer['id']}")
    with pytest.raises(Refused):
        await member.call("cancel", job_id=answer["id"])


async def test_a_personal_projects_jobs_are_its_owners(engine: Engine) -> None:
    await engine.worker("k.a")
    owner, stranger = await engine.user(), await engine.user()
    project = await engine.project(user=owner)
    answer = await owner.submit("k.a", project_id=project)
    by_service = await engine.service.submit("k.a", project_id=project)
    for job_id in (answer["id"], by_service["id"]):
        job = await owner.job(job_id)
        assert (job["project_id"], job["tenant_id"], job["owner_id"]) == (project, owner.sub, owner.sub)
    with pytest.raises(Refused) as refusal:
        await stranger.submit("k.a", project_id=project)
    assert (refusal.value.code, refusal.value.field) == ("HW302", "project_id")
    other_org = await engine.organization(owner=owner)
    with pytest.raises(Refused) as refusal:
        await owner.submit("k.a", project_id=project, organization_id=other_org)
    assert (refusal.value.code, refusal.value.field) == ("HW100", "organization_id")


async def test_anonymous_people_are_isolated_from_each_other(engine: Engine) -> None:
    await engine.worker("k.a")
    one, two = await engine.user(anonymous=True), await engine.user(anonymous=True)
    answer = await one.submit("k.a")
    assert len(await one.fetch("select id from headway.jobs")) == 1
    assert await two.fetch("select id from headway.jobs") == []
    assert await hears(engine, one, f"job:{answer['id']}")
    assert not await hears(engine, two, f"job:{answer['id']}")
    assert not await hears(engine, two, f"user:{one.sub}:jobs")


async def test_topics_admit_exactly_those_who_may_read(engine: Engine) -> None:
    await engine.worker("k.a")
    owner, member, stranger = await engine.user(), await engine.user(), await engine.user()
    nobody = await engine.caller("anon")
    org = await engine.organization(owner=owner, viewer=member)
    team, own = await engine.project(organization=org), await engine.project(user=owner)
    shared = await owner.submit("k.a", organization_id=org)
    private = await owner.submit("k.a")
    rights = {
        f"job:{private['id']}": (True, False, False),
        f"job:{shared['id']}": (True, True, False),
        f"user:{owner.sub}:jobs": (True, False, False),
        f"org:{org}:jobs": (True, True, False),
        f"project:{team}:jobs": (True, True, False),
        f"project:{own}:jobs": (True, False, False),
        "queue:default": (False, False, False),
        f"job:{private['id']}:jobs": (False, False, False),
        f"user:{owner.sub}": (False, False, False),
        f"JOB:{private['id']}": (False, False, False),
        "job:00000000-0000-4000-8000-000000000000": (False, False, False),
        "job:x": (False, False, False),
        "": (False, False, False),
    }
    for topic, expected in rights.items():
        if topic:
            assert (
                tuple([await hears(engine, person, topic) for person in (owner, member, stranger)])
                == expected
            ), topic
        assert not await hears(engine, nobody, topic or "x"), topic
        assert await hears(engine, engine.service, topic or "x"), topic


async def test_nobody_but_the_database_sends_on_the_topics(engine: Engine) -> None:
    await engine.worker("k.a")
    owner = await engine.user()
    answer = await owner.submit("k.a")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.fetch(
            "insert into realtime.messages (topic, extension, private) values ($1, 'broadcast', true)",
            f"job:{answer['id']}",
        )


async def test_a_file_that_the_caller_cannot_see_does_not_become_its_input(engine: Engine) -> None:
    await engine.worker("k.a")
    owner, thief = await engine.user(), await engine.user()
    path = f"{owner.sub}/cv.pdf"
    await engine.admin.execute(
        "insert into storage.objects (bucket_id, name, owner_id) values ('cvs', $1, $2)", path, str(owner.sub)
    )
    file = {"name": "cv", "bucket": "cvs", "path": path}
    assert (await owner.submit("k.a", files=[file]))["created"]
    for attempt in (
        lambda: thief.submit("k.a", files=[file]),
        lambda: thief.submit_many([{"kind": "k.a"}, {"kind": "k.a", "files": [file]}]),
        lambda: thief.submit("k.a", debounce_key="d", files=[file]),
    ):
        with pytest.raises(Refused) as refusal:
            await attempt()
        assert (refusal.value.code, refusal.value.field) == ("HW301", "files")
    await thief.submit("k.a", debounce_key="d")
    with pytest.raises(Refused):
        await thief.submit("k.a", debounce_key="d", files=[file])
    assert await thief.value("select count(*) from headway.jobs") == 1
    assert await thief.fetch("select id from headway.job_files") == []


async def test_claims_that_lie_about_the_role_do_not_make_a_service(engine: Engine) -> None:
    await engine.worker("k.a")
    user = await engine.user()
    liar = Caller(user.connection, "authenticated", user.sub)
    liar._claims = json.dumps({"role": "service_role", "sub": str(user.sub)})
    other = await engine.user()
    with pytest.raises(Refused) as refusal:
        await liar.submit("k.a", owner_id=str(other.sub))
    assert refusal.value.code == "HW302"
    for function in ("claim", "sweep", "pause_queue", "cancel_jobs", "register_worker", "finish"):
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedFunctionError)):
            await liar.value(f"select headway.{function}()")
        granted = await engine.admin.fetchval(
            "select bool_or(has_function_privilege('authenticated', oid, 'execute')) from pg_proc"
            " where pronamespace = 'headway'::regnamespace and proname = $1",
            function,
        )
        assert granted is False, function
