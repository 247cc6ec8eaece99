"""What an audit of schedules and notifications found: taken ids, mail to strangers, strangers' locks."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import datetime
from typing import Any

import pytest

from support.people import SERVICE, Person, Project, Refused

PUT = "headway.put_schedule"
CREATE = "headway.create_endpoint"


@pytest.fixture
def kind(project: Project) -> str:
    return project.kind()


def put(project: Project, person: Person, **job: Any) -> dict[str, Any]:
    body = {"name": uuid.uuid4().hex, "cron": "*/5 * * * *", "job": {"kind": "test.echo"} | job}
    answer: dict[str, Any] = project.call(person, PUT, body)
    return answer


def tick(project: Project, identity: str, at: datetime) -> dict[str, Any]:
    project.owner("update headway.schedules set next_run_at = null where id <> %s", identity)
    ((answer,),) = project.owner("select headway_private.tick_schedules(100, %s)", at)
    return dict(answer)


# Schedules ----------------------------------------------------------------------------------------------


def test_nobody_takes_the_id_of_a_tick(project: Project, kind: str) -> None:
    owner, viewer = project.person(), project.person()
    org = project.organization(owner, viewer=viewer)
    saved = put(project, owner, organization_id=org)
    due = datetime.fromisoformat(saved["next_run_at"])
    seed = f"headway.schedule:{saved['id']}:{int(due.timestamp())}"
    guess = str(uuid.UUID(hashlib.md5(seed.encode(), usedforsecurity=False).hexdigest()))
    project.call(viewer, "headway.submit", {"kind": kind, "id": guess})
    answer = tick(project, saved["id"], due)
    assert (answer["submitted"], answer["failed"]) == (1, 0)
    (job,) = project.owner("select id, owner_id from headway.jobs where organization_id = %s", org)
    assert str(job.id) != guess
    assert str(job.owner_id) == owner.id


def test_a_tick_that_fired_answers_the_same_run(project: Project, kind: str) -> None:
    """Firing the same tick again, as after a lost answer, submits nothing."""
    saved = put(project, project.person())
    due = datetime.fromisoformat(saved["next_run_at"])
    fire = "select (headway_private.fire_schedule(s, %s)).job_id from headway.schedules s where s.id = %s"
    first, second = (project.owner(fire, due, saved["id"])[0].job_id for _ in range(2))
    assert first == second
    assert len(project.owner("select 1 from headway.schedule_runs where schedule_id = %s", saved["id"])) == 1


@pytest.mark.parametrize("outcome", ["skipped", "failed"])
def test_a_tick_without_a_job_can_be_run_after_all(project: Project, kind: str, outcome: str) -> None:
    saved = put(project, project.person())
    due = datetime.fromisoformat(saved["next_run_at"])
    project.owner(
        "insert into headway.schedule_runs (schedule_id, scheduled_for, outcome, error_code, at)"
        " values (%s, %s, %s, case when %s = 'failed' then 'HW202' end, now())",
        saved["id"],
        due,
        outcome,
        outcome,
    )
    assert tick(project, saved["id"], due)["submitted"] == 1
    (run,) = project.owner("select * from headway.schedule_runs where schedule_id = %s", saved["id"])
    assert (run.outcome, run.error_code) == ("submitted", None)
    assert project.owner("select 1 from headway.jobs where id = %s", run.job_id)


def test_a_fellow_editor_runs_an_organisations_schedule(project: Project, kind: str) -> None:
    author, fellow, viewer = (project.person() for _ in range(3))
    org = project.organization(project.person(), editor=author, admin=fellow, viewer=viewer)
    saved = put(project, author, organization_id=org, notify={"email": author.email})
    answer = project.value(fellow, "select headway.run_schedule(%s)", saved["id"])
    assert answer["outcome"] == "submitted"
    (job,) = project.owner(
        "select owner_id, organization_id from headway.jobs where id = %s", answer["job_id"]
    )
    assert (str(job.owner_id), str(job.organization_id)) == (fellow.id, org)
    with pytest.raises(Refused) as refused:
        project.value(viewer, "select headway.run_schedule(%s)", saved["id"])
    assert refused.value.code == "HW302"
    due = datetime.fromisoformat(saved["next_run_at"])
    assert tick(project, saved["id"], due)["submitted"] == 1
    owners = project.owner("select owner_id from headway.jobs where organization_id = %s", org)
    assert {str(row.owner_id) for row in owners} == {author.id, fellow.id}


def test_service_staff_run_a_schedule_for_its_owner(project: Project, kind: str) -> None:
    person = project.person()
    saved = put(project, person)
    answer = project.value(SERVICE, "select headway.run_schedule(%s)", saved["id"])
    (job,) = project.owner("select owner_id from headway.jobs where id = %s", answer["job_id"])
    assert str(job.owner_id) == person.id


# Notifications ------------------------------------------------------------------------------------------


def refusal(project: Project, person: Person, function: str, body: object) -> tuple[Any, ...]:
    with pytest.raises(Refused) as refused:
        project.call(person, function, body)
    return refused.value.code, refused.value.message, refused.value.detail, refused.value.hint


def test_a_membership_is_no_consent_to_mail(project: Project, kind: str) -> None:
    """Whoever owns an organisation makes anybody a member: that neither mails them nor tells an address."""
    attacker, victim, unconfirmed = (
        project.person(),
        project.person("v"),
        project.person("u", confirmed=False),
    )
    org = project.organization(attacker, editor=victim, viewer=unconfirmed)
    for address in (victim.email, unconfirmed.email, f"{uuid.uuid4()}@example.com"):
        asked = (
            (CREATE, {"channel": "email", "target": address, "organization_id": org}, "target"),
            ("headway.submit", {"kind": kind, "organization_id": org, "notify": {"email": address}},
             "notify.email"),
            (PUT, {"name": "n", "cron": "@daily",
                   "job": {"kind": kind, "organization_id": org, "notify": {"email": address}}},
             "job.notify.email"),
        )  # fmt: skip
        for function, body, field in asked:
            assert refusal(project, attacker, function, body) == (
                "HW302", f"{field}: is not your confirmed e-mail address", field,
                "Use your own; another address is added by whom it belongs to.",
            )  # fmt: skip
    assert project.owner("select 1 from headway.notification_endpoints where tenant_id = %s", org) == []


def test_an_address_that_its_owner_added_serves_its_organisation_only(project: Project, kind: str) -> None:
    owner, member = project.person(), project.person()
    org, other = project.organization(owner, editor=member), project.organization(owner, editor=member)
    made = project.call(member, CREATE, {"channel": "email", "target": member.email, "organization_id": org})
    job = {"kind": kind, "notify": {"email": (member.email or "").upper()}}
    assert project.call(owner, "headway.submit", job | {"organization_id": org})["created"] is True
    for scope in ({"organization_id": other}, {}):
        assert refusal(project, owner, "headway.submit", job | scope)[0] == "HW302"
    project.ask(member, "select headway.delete_endpoint(%s)", made["id"])
    assert refusal(project, owner, "headway.submit", job | {"organization_id": org})[0] == "HW302"


@pytest.mark.parametrize("on", [{}, {"on": None}, {"on": []}], ids=["left out", "null", "empty"])
def test_no_choice_of_ends_is_completed_and_failed(project: Project, kind: str, on: dict[str, Any]) -> None:
    person, worker = project.person(), str(uuid.uuid4())
    project.ask(
        SERVICE,
        "select headway.register_worker(%s, 'test', %s::json)",
        worker,
        json.dumps([{"kind": kind, "queue": "default"}]),
    )
    project.owner("update headway.jobs set run_at = now() + interval '1 day', ready_order = null"
                  " where status = 'pending'")  # fmt: skip
    told = {}
    for outcome in ("completed", "failed", "cancelled"):
        body = {"kind": kind, "notify": {"webhook": "https://hooks.example.com/"} | on}
        job = project.call(person, "headway.submit", body)["id"]
        if outcome == "cancelled":
            project.ask(person, "select headway.cancel(%s)", job)
        else:
            (lease,) = project.ask(SERVICE, "select * from headway.claim(%s, %s)", worker, str(uuid.uuid4()))
            ending: dict[str, Any] = {
                "job_id": str(lease.job_id), "attempt": lease.attempt, "lease_token": str(lease.lease_token),
                "outcome": outcome,
            }  # fmt: skip
            if outcome == "failed":
                ending["error"] = {"code": "broken", "message": "It broke."}
            project.ask(SERVICE, "select * from headway.finish(%s, %s::json)", worker, json.dumps([ending]))
        told[outcome] = len(project.owner("select 1 from headway.outbox where job_id = %s", job))
    assert told == {"completed": 1, "failed": 1, "cancelled": 0}


# Locks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["schedules", "notification_endpoints"])
def test_who_may_not_change_a_row_does_not_lock_it(project: Project, kind: str, table: str) -> None:
    """Refused at once while somebody holds the row, so the refusal never waited for its lock, nor took it."""
    owner, viewer, stranger = (project.person() for _ in range(3))
    org = project.organization(owner, viewer=viewer)
    if table == "schedules":
        identity, call = put(project, owner, organization_id=org)["id"], "select headway.pause_schedule(%s)"
    else:
        body = {"channel": "webhook", "target": "https://a.example.com/", "organization_id": org}
        identity, call = project.call(owner, CREATE, body)["id"], "select headway.ping_endpoint(%s)"
    with (
        project.another_connection() as connection,
        project.acting(owner, connection=connection) as holder,
    ):
        holder.execute(call, (identity,))  # the row stays locked until the block ends
        for person, code in ((stranger, "HW301"), (viewer, "HW302"), (owner, "55P03")):
            with pytest.raises(Refused) as refused:
                project.ask(person, f"set local lock_timeout = '200ms'; {call}", identity)
            assert refused.value.code == code
