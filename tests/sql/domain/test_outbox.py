"""Notifications: written with the end of a job, delivered at least once, to nobody who should not be told."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from headway.local.database import Database
from support.people import NOBODY, SERVICE, Person, Project, Refused

CREATE = "headway.create_endpoint"
HOOK = "https://hooks.example.com/jobs"


@pytest.fixture
def worker(project: Project) -> str:
    return start_worker(project)


def start_worker(project: Project) -> str:
    identity = str(uuid.uuid4())
    project.ask(
        SERVICE,
        "select headway.register_worker(%s, 'test', %s::json)",
        identity,
        json.dumps([{"kind": kind, "queue": "default"} for kind in ("test.echo", "test.other")]),
    )
    return identity


def run(project: Project, worker: str, person: Person, outcome: str = "completed", **job: Any) -> str:
    """Submit a job and bring it to its end; its id."""
    answer = project.call(person, "headway.submit", {"kind": "test.echo"} | job)
    assert end_claimed(project, worker, outcome) == answer["id"]
    return str(answer["id"])


def end_claimed(project: Project, worker: str, outcome: str) -> str:
    """Claim the one job that waits and bring it to its end; its id."""
    (lease,) = project.ask(SERVICE, "select * from headway.claim(%s, %s)", worker, str(uuid.uuid4()))
    ending: dict[str, Any] = {
        "job_id": str(lease.job_id), "attempt": lease.attempt, "lease_token": str(lease.lease_token),
        "outcome": outcome,
    }  # fmt: skip
    if outcome == "failed":
        ending["error"] = {"code": "broken", "message": "It broke.", "hint": "Mend it."}
    (finished,) = project.ask(
        SERVICE, "select * from headway.finish(%s, %s::json)", worker, json.dumps([ending])
    )
    assert finished.state == "applied", finished
    return str(lease.job_id)


def messages(project: Project, job_id: str) -> list[Any]:
    return project.owner("select * from headway.outbox where job_id = %s order by created_at", job_id)


def claim(project: Project, worker: str, request: str | None = None, **options: int) -> list[Any]:
    return project.ask(
        SERVICE,
        "select * from headway.claim_outbox(%s, %s, max_messages => %s, lease_seconds => %s)",
        worker,
        request or str(uuid.uuid4()),
        options.get("max_messages", 500),
        options.get("lease_seconds", 60),
    )


def finish(project: Project, *outcomes: dict[str, Any]) -> list[Any]:
    return project.ask(SERVICE, "select * from headway.finish_outbox(%s::json)", json.dumps(outcomes))


def report(message: Any, outcome: str, **more: Any) -> dict[str, Any]:
    return {"id": str(message.id), "lease_token": str(message.lease_token), "outcome": outcome} | more


def claim_only(project: Project, worker: str, job_id: str) -> Any:
    """The claimed message of one job; what else is due is put aside."""
    project.owner(
        "update headway.outbox set due_at = now() + interval '1 day' where job_id is distinct from %s", job_id
    )
    (message,) = claim(project, worker)
    return message


# Endpoints ----------------------------------------------------------------------------------------------


def test_an_endpoint_shows_its_secret_once(project: Project) -> None:
    person = project.person()
    made = project.call(person, CREATE, {"channel": "webhook", "target": HOOK, "label": "mine"})
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 32
    (row,) = project.ask(person, "select * from headway.notification_endpoints")
    assert made["secret"] not in str(row)
    for someone in (person, project.person(), SERVICE, NOBODY):
        with pytest.raises(Refused) as refused:
            project.ask(someone, "select * from headway_private.endpoint_secrets")
        assert refused.value.code == "42501"
    rotated = project.value(person, "select headway.rotate_endpoint_secret(%s)", made["id"])
    assert rotated != made["secret"]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/", "ftp://hooks.example.com/", "https://", "https:///path",
        "hooks.example.com",
        "https://user:pass@hooks.example.com/", "https://user@hooks.example.com", "https://hooks.example.com/#x",
        "https://hooks.example.com:0/", "https://hooks.example.com:70000/", "https://hooks.example.com\\@evil.com/",
        "https://hooks.example.com/ a", "https://hooks.example.com/\n", "https://hook_s.example.com/",
        "https://localhost/", "https://LOCALHOST./", "https://a.localhost/", "https://127.0.0.1/", "https://[::1]/",
        "https://intranet/", "https://db.internal/", "https://printer.local/", "https://x.home.arpa/",
        "https://10.1.2.3/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data", "https://100.64.0.1/", "https://0.0.0.0/", "https://224.0.0.1/",
        "https://255.255.255.255/", "https://2130706433/", "https://0x7f000001/", "https://127.1/", "https://0177.0.0.1/",
        "https://1.2.3.4.5/", "https://999.1.1.1/", "https://1.0x7f/", "https://hooks.example.0x7f/",
        "https://[::ffff:10.0.0.1]/", "https://[fd00::1]/", "https://[fe80::1]/", "https://[2002:7f00:1::]/",
        "https://[64:ff9b::a00:1]/", "https://[zz]/", "https://[::1", "https://bücher.example/", "https://-a.example.com/",
        "https://a..example.com/", "javascript:alert(1)", "https://metadata.google.internal/", "x" * 2001,
    ],
)  # fmt: skip
def test_refuses_addresses(project: Project, url: str) -> None:
    person = project.person()
    with pytest.raises(Refused) as refused:
        project.call(person, CREATE, {"channel": "webhook", "target": url})
    assert refused.value.code in {"HW100", "HW103"}
    assert refused.value.detail == "target"
    assert project.ask(person, "select 1 from headway.notification_endpoints") == []


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com", "https://hooks.example.com/a/b?c=d&e=%20", "https://hooks.example.com:8443/",
        "HTTPS://Hooks.Example.COM/Path", "https://8.8.8.8/hook", "https://[2606:4700::1111]/", "https://xn--bcher-kva.example/",
        "https://hooks.example.com?x=1", "https://hooks.slack.com/services/T0/B0/x_y-z",
    ],
)  # fmt: skip
def test_takes_addresses(project: Project, url: str) -> None:
    assert project.call(project.person(), CREATE, {"channel": "webhook", "target": url})["target"] == url


def test_loopback_is_for_development(own_project: Project) -> None:
    person = own_project.person()
    for url in ("http://127.0.0.1:9000/hook", "http://localhost:9000/", "https://[::1]/"):
        with pytest.raises(Refused):
            own_project.call(person, CREATE, {"channel": "webhook", "target": url})
    with pytest.raises(Refused) as refused:
        own_project.ask(person, "update headway.notification_settings set allow_loopback = true where id")
    assert refused.value.code == "42501"
    own_project.ask(SERVICE, "update headway.notification_settings set allow_loopback = true where id")
    for url in ("http://127.0.0.1:9000/hook", "http://localhost:9000/", "https://[::1]/"):
        own_project.call(person, CREATE, {"channel": "webhook", "target": url})
    for url in ("http://hooks.example.com/", "https://10.0.0.1/"):
        with pytest.raises(Refused):
            own_project.call(person, CREATE, {"channel": "webhook", "target": url})


def test_receivers_inside_are_for_the_service(own_project: Project) -> None:
    url = "http://hooks:8080/headway"
    endpoint = {"channel": "webhook", "target": url}
    person = own_project.person()
    own_project.ask(
        SERVICE,
        "update headway.notification_settings set internal_origins = '{http://hooks:8080}'"
        " where id returning 1",
    )
    with pytest.raises(Refused) as refused:
        own_project.call(person, CREATE, endpoint)
    assert refused.value.code == "HW100"
    assert own_project.call(SERVICE, CREATE, endpoint | {"all_tenants": True})["target"] == url
    for other in (
        "http://hooks/headway",
        "http://hooks:8081/",
        "https://hooks:8080/",
        "http://hooks:8080@evil/",
    ):
        with pytest.raises(Refused):
            own_project.call(SERVICE, CREATE, endpoint | {"target": other, "all_tenants": True})


def test_email_goes_to_people_who_agreed(project: Project) -> None:
    person, member, stranger, unconfirmed = (
        project.person("p"), project.person("m"), project.person("s"), project.person("u", confirmed=False)
    )  # fmt: skip
    org = project.organization(person, viewer=member)
    for who, address, scope, allowed in (
        (person, person.email, {}, True),
        (person, (person.email or "").upper(), {"organization_id": org}, True),
        (person, member.email, {"organization_id": org}, False),
        (person, member.email, {}, False),
        (person, stranger.email, {"organization_id": org}, False),
        (unconfirmed, unconfirmed.email, {}, False),
        (project.person(anonymous=True), person.email, {}, False),
        (SERVICE, stranger.email, {}, True),
    ):
        body = {"channel": "email", "target": address} | scope
        if allowed:
            assert project.call(who, CREATE, body)["secret"] is None
        else:
            with pytest.raises(Refused) as refused:
                project.call(who, CREATE, body)
            assert refused.value.code == "HW302"
    for address in (
        "a",
        "a@b",
        "a@b@c.de",
        "a b@c.de",
        "a@c.de\nBcc: x@y.zz",
        "<a@c.de>",
        "a,b@c.de",
        '"a"@c.de',
    ):
        with pytest.raises(Refused) as refused:
            project.call(SERVICE, CREATE, {"channel": "email", "target": address})
        assert refused.value.code == "HW100", address


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        ({}, "HW102", "target"),
        ({"channel": "sms", "target": "x"}, "HW100", "channel"),
        ({"channel": "webhook", "target": HOOK, "secret": "mine"}, "HW101", "secret"),
        ({"channel": "webhook", "target": HOOK, "events": ["started"]}, "HW100", "events"),
        ({"channel": "webhook", "target": HOOK, "kinds": [1]}, "HW100", "kinds"),
        ({"channel": "webhook", "target": HOOK, "all_tenants": "yes"}, "HW100", "all_tenants"),
        ({"channel": "webhook", "target": HOOK, "all_tenants": True}, "HW302", "all_tenants"),
        ({"channel": "webhook", "target": HOOK, "organization_id": str(uuid.uuid4())}, "HW302",
         "organization_id"),
        ([], "HW100", "body"),
    ],
)  # fmt: skip
def test_refuses_endpoints(project: Project, body: object, code: str, detail: str) -> None:
    with pytest.raises(Refused) as refused:
        project.call(project.person(), CREATE, body)
    assert (refused.value.code, refused.value.detail) == (code, detail)


def test_an_endpoint_exists_once_and_a_tenant_has_twenty(project: Project) -> None:
    person = project.person()
    project.call(person, CREATE, {"channel": "webhook", "target": HOOK})
    with pytest.raises(Refused) as refused:
        project.call(person, CREATE, {"channel": "webhook", "target": HOOK})
    assert refused.value.code == "HW202"
    for n in range(19):
        project.call(person, CREATE, {"channel": "webhook", "target": f"{HOOK}/{n}"})
    with pytest.raises(Refused) as refused:
        project.call(person, CREATE, {"channel": "webhook", "target": f"{HOOK}/20"})
    assert refused.value.code == "HW202"


def test_who_manages_an_organisations_endpoint(project: Project) -> None:
    owner, editor, viewer, stranger = (project.person() for _ in range(4))
    org = project.organization(owner, editor=editor, viewer=viewer)
    made = project.call(editor, CREATE, {"channel": "webhook", "target": HOOK, "organization_id": org})
    calls = [
        'select headway.update_endpoint(%s, \'{"label": "x"}\')',
        "select headway.rotate_endpoint_secret(%s)",
        "select headway.ping_endpoint(%s)",
        "select headway.delete_endpoint(%s)",
    ]
    for call in calls:
        for person, code in ((viewer, "HW302"), (stranger, "HW301"), (NOBODY, "42501")):
            with pytest.raises(Refused) as refused:
                project.ask(person, call, made["id"])
            assert refused.value.code == code, call
    for call in calls:
        assert project.ask(owner, call, made["id"])
    assert project.value(owner, calls[-1], made["id"]) is False


# Messages -----------------------------------------------------------------------------------------------


def test_the_end_of_a_job_is_told(project: Project, worker: str) -> None:
    person = project.person()
    project.call(person, CREATE, {"channel": "webhook", "target": HOOK})
    job = run(project, worker, person, "failed", tags=["a"])
    (message,) = messages(project, job)
    assert (message.event, message.status, message.attempts) == ("job.failed", "pending", 0)
    data = message.payload["data"]
    assert message.payload["type"] == "job.failed"
    assert (data["job_id"], data["kind"], data["status"], data["tags"]) == (job, "test.echo", "failed", ["a"])
    assert data["error"] == {"code": "broken", "message": "It broke.", "hint": "Mend it.", "step": None}
    assert data["finished_at"]
    (seen,) = project.ask(person, "select id, status, payload from headway.outbox")
    assert seen.id == message.id
    assert project.ask(project.person(), "select id from headway.outbox") == []


@pytest.mark.parametrize(
    ("endpoint", "outcome", "job", "told"),
    [
        ({}, "completed", {}, True),
        ({}, "cancelled", {}, False),
        ({"events": ["cancelled"]}, "cancelled", {}, True),
        ({"events": ["failed"]}, "completed", {}, False),
        ({"kinds": ["test.echo"]}, "completed", {}, True),
        ({"kinds": ["test.other"]}, "completed", {}, False),
    ],
)
def test_endpoints_choose(
    project: Project, worker: str, endpoint: dict[str, Any], outcome: str, job: dict[str, Any], told: bool
) -> None:
    person = project.person()
    project.call(person, CREATE, {"channel": "webhook", "target": HOOK} | endpoint)
    if outcome == "cancelled":
        identity = project.call(person, "headway.submit", {"kind": "test.echo"})["id"]
        project.ask(person, "select headway.cancel(%s)", identity)
    else:
        identity = run(project, worker, person, outcome, **job)
    assert len(messages(project, identity)) == int(told)


def test_tenants_are_told_of_their_own_jobs(project: Project, worker: str) -> None:
    mine, theirs, member = project.person(), project.person(), project.person()
    org = project.organization(theirs, editor=member)
    (shared,) = project.ask(
        member, "insert into public.projects (name, organization_id) values ('p', %s) returning id", org
    )

    def endpoint(person: Person, **scope: Any) -> str:
        return str(project.call(person, CREATE, {"channel": "webhook", "target": HOOK} | scope)["id"])

    of_me = endpoint(mine)
    of_member = endpoint(member)
    of_org = endpoint(member, organization_id=org)
    of_project = endpoint(member, project_id=str(shared.id))
    told = {
        name: {str(m.endpoint_id) for m in messages(project, run(project, worker, person, **scope))}
        for name, person, scope in (
            ("mine", mine, {}),
            ("member's own", member, {}),
            ("organisation's", member, {"organization_id": org}),
            ("project's", member, {"project_id": str(shared.id)}),
        )
    }
    assert told == {
        "mine": {of_me},
        "member's own": {of_member},
        "organisation's": {of_org},
        "project's": {of_org, of_project},
    }


def test_operators_hear_of_everybody(own_project: Project) -> None:
    worker = start_worker(own_project)
    made = own_project.call(SERVICE, CREATE, {"channel": "webhook", "target": HOOK, "all_tenants": True})
    person = own_project.person()
    (message,) = messages(own_project, run(own_project, worker, person))
    assert str(message.endpoint_id) == made["id"]
    assert own_project.ask(person, "select 1 from headway.outbox") == []
    assert own_project.ask(person, "select 1 from headway.notification_endpoints") == []


def test_a_job_names_whom_to_tell(project: Project, worker: str) -> None:
    person = project.person()
    wish = {"webhook": HOOK, "email": person.email, "on": ["completed"]}
    first = run(project, worker, person, notify=wish)
    assert sorted(m.event for m in messages(project, first)) == ["job.completed", "job.completed"]
    assert messages(project, run(project, worker, person, "failed", notify=wish)) == []
    assert messages(project, run(project, worker, person)) == []
    assert len(project.ask(person, "select 1 from headway.notification_endpoints")) == 2
    # Subscribing the same address later is that endpoint, now for all jobs; one message per job, not two.
    made = project.call(person, CREATE, {"channel": "webhook", "target": HOOK})
    assert made["secret"]
    assert len(messages(project, run(project, worker, person, notify={"webhook": HOOK}))) == 1
    assert len(messages(project, run(project, worker, person))) == 1


@pytest.mark.parametrize(
    ("notify", "code", "detail"),
    [
        ({"webhook": "https://169.254.169.254/"}, "HW100", "notify.webhook"),
        ({"webhook": "http://hooks.example.com/"}, "HW100", "notify.webhook"),
        ({"email": "victim@example.com"}, "HW302", "notify.email"),
    ],
)
def test_a_job_that_names_the_wrong_ones_is_not_stored(
    project: Project, worker: str, notify: dict[str, str], code: str, detail: str
) -> None:
    person = project.person()
    with pytest.raises(Refused) as refused:
        project.call(person, "headway.submit", {"kind": "test.echo", "notify": notify})
    assert (refused.value.code, refused.value.detail) == (code, detail)
    assert project.owner("select 1 from headway.jobs where owner_id = %s", person.id) == []


def test_a_retried_job_is_told_again(project: Project, worker: str) -> None:
    person = project.person()
    project.call(person, CREATE, {"channel": "webhook", "target": HOOK})
    job = run(project, worker, person, "failed")
    project.ask(person, "select headway.retry(%s)", job)
    end_claimed(project, worker, "completed")
    assert [(m.event, m.run) for m in messages(project, job)] == [("job.failed", 1), ("job.completed", 2)]


def test_paused_endpoints_hear_nothing(project: Project, worker: str) -> None:
    person = project.person()
    made = project.call(person, CREATE, {"channel": "webhook", "target": HOOK})
    project.ask(person, "select headway.update_endpoint(%s, '{\"paused\": true}')", made["id"])
    assert messages(project, run(project, worker, person)) == []
    project.ask(
        person,
        'select headway.update_endpoint(%s, \'{"paused": false, "events": ["completed"]}\')',
        made["id"],
    )
    assert len(messages(project, run(project, worker, person))) == 1


def test_no_message_without_the_end_it_tells(project: Project, worker: str) -> None:
    """The message is part of the job's transaction: rolled back with it."""
    person = project.person()
    project.call(person, CREATE, {"channel": "webhook", "target": HOOK, "events": ["cancelled"]})
    job = project.call(person, "headway.submit", {"kind": "test.echo"})["id"]

    def cancel_and_stumble() -> None:
        with project.acting(person) as cursor:
            cursor.execute("select headway.cancel(%s)", (job,))
            cursor.execute("select count(*) from headway.outbox where job_id = %s", (job,))
            written.append(cursor.fetchone()[0])
            cursor.execute("select 1 / 0")

    written: list[int] = []
    with pytest.raises(Refused):
        cancel_and_stumble()
    assert written == [1]
    assert messages(project, job) == []
    project.ask(person, "select headway.cancel(%s)", job)
    assert len(messages(project, job)) == 1


# Delivery -----------------------------------------------------------------------------------------------


@pytest.fixture
def told(project: Project, worker: str) -> tuple[Person, str]:
    person = project.person()
    project.call(person, CREATE, {"channel": "webhook", "target": HOOK})
    return person, run(project, worker, person)


def test_claiming_again_answers_the_same(project: Project, worker: str, told: tuple[Person, str]) -> None:
    project.owner("update headway.outbox set due_at = now() + interval '1 day' where job_id <> %s", told[1])
    request = str(uuid.uuid4())
    (message,) = claim(project, worker, request)
    assert (message.attempt, message.channel, message.target, len(message.secrets)) == (1, "webhook", HOOK, 1)
    assert message.secrets[0].startswith("whsec_")
    (again,) = claim(project, worker, request)
    assert again == message
    assert claim(project, worker) == []
    assert finish(project, report(message, "delivered", status_code=200))[0].state == "applied"
    assert finish(project, report(message, "delivered"))[0].state == "repeated"
    assert claim(project, worker, request) == []
    (stored,) = messages(project, told[1])
    assert (stored.status, stored.last_status_code) == ("delivered", 200)


def test_a_worker_claims_what_it_can_deliver(own_project: Project) -> None:
    worker, person = start_worker(own_project), own_project.person()
    own_project.call(person, CREATE, {"channel": "webhook", "target": HOOK})
    own_project.call(person, CREATE, {"channel": "email", "target": person.email})
    run(own_project, worker, person)

    def claimed(channels: list[str]) -> list[str]:
        rows = own_project.ask(
            SERVICE, "select channel from headway.claim_outbox(%s, %s, channels => %s)",
            worker, str(uuid.uuid4()), channels,
        )  # fmt: skip
        return [row.channel for row in rows]

    assert claimed([]) == []
    assert claimed(["email"]) == ["email"]
    assert claimed(["email"]) == []
    assert claimed(["webhook", "email"]) == ["webhook"]
    with pytest.raises(Refused) as refused:
        claimed(["fax"])
    assert (refused.value.code, refused.value.detail) == ("HW103", "channels")


def test_an_expired_lease_goes_to_another_worker(
    project: Project, worker: str, told: tuple[Person, str]
) -> None:
    first = claim_only(project, worker, told[1])
    project.owner("update headway.outbox set due_at = now() - interval '1 second' where id = %s", first.id)
    second = claim_only(project, worker, told[1])
    assert (second.id, second.attempt) == (first.id, 2)
    assert second.lease_token != first.lease_token
    assert finish(project, report(first, "delivered"))[0].state == "lost"
    assert finish(project, report(second, "delivered"))[0].state == "applied"


def test_failures_come_again_later_and_end_as_dead(
    project: Project, worker: str, told: tuple[Person, str]
) -> None:
    waits = []
    for attempt in range(1, 13):
        project.owner("update headway.outbox set due_at = now() where job_id = %s", told[1])
        message = claim_only(project, worker, told[1])
        assert message.attempt == attempt
        finish(project, report(message, "retry", status_code=503, error="down"))
        (stored,) = messages(project, told[1])
        waits.append((stored.due_at - datetime.now(UTC)).total_seconds())
    assert (stored.status, stored.last_status_code, stored.last_error) == ("dead", 503, "down")
    assert stored.finished_at
    for attempt, wait in enumerate(waits[:3], start=1):
        longest = 10 * 3 ** (attempt - 1)
        assert longest / 2 - 5 < wait <= longest
    assert all(wait <= 6 * 3600 for wait in waits)
    assert project.value(told[0], "select headway.redeliver(%s)", stored.id)["changed"] is True
    again = claim_only(project, worker, told[1])
    assert (again.id, again.attempt) == (stored.id, 1)


def test_the_receivers_wish_to_wait_counts(project: Project, worker: str, told: tuple[Person, str]) -> None:
    message = claim_only(project, worker, told[1])
    finish(project, report(message, "retry", status_code=429, retry_after_seconds=3600))
    (stored,) = messages(project, told[1])
    assert timedelta(minutes=59) < stored.due_at - datetime.now(UTC) <= timedelta(hours=1)


def test_a_worker_that_dies_every_time_ends_it_too(
    project: Project, worker: str, told: tuple[Person, str]
) -> None:
    project.owner(
        "update headway.outbox set attempts = 12, due_at = now() - interval '1 second' where job_id = %s",
        told[1],
    )
    assert [m for m in claim(project, worker) if str(m.payload["data"]["job_id"]) == told[1]] == []
    assert messages(project, told[1])[0].status == "dead"


def test_what_is_too_old_is_given_up(project: Project, worker: str, told: tuple[Person, str]) -> None:
    project.owner("update headway.outbox set give_up_at = now() where job_id = %s", told[1])
    claim(project, worker)
    assert messages(project, told[1])[0].status == "dead"


def test_an_endpoint_that_is_down_keeps_its_messages_waiting(
    project: Project, worker: str, told: tuple[Person, str]
) -> None:
    person, first = told
    more = [run(project, worker, person) for _ in range(3)]
    for _ in range(3):
        project.owner("update headway.outbox set due_at = now() where job_id = %s", first)
        finish(project, report(claim_only(project, worker, first), "retry", error="down"))
    project.owner("update headway.outbox set due_at = now() where job_id = any (%s::uuid[])", more)
    project.owner("update headway.outbox set due_at = now() where job_id = %s", first)
    finish(project, report(claim(project, worker, max_messages=1)[0], "retry", error="down"))
    waiting = [messages(project, job)[0] for job in (first, *more)]
    assert all(message.due_at > datetime.now(UTC) for message in waiting)
    assert {message.attempts for message in waiting[1:]} <= {0, 1}
    (endpoint,) = project.ask(person, "select * from headway.notification_endpoints")
    assert (endpoint.failures, endpoint.last_error) == (4, "down")
    late = run(project, worker, person)
    assert messages(project, late)[0].due_at >= endpoint.blocked_until


def test_both_secrets_sign_for_a_day(project: Project, worker: str, told: tuple[Person, str]) -> None:
    (endpoint,) = project.ask(told[0], "select id from headway.notification_endpoints")
    fresh = project.value(told[0], "select headway.rotate_endpoint_secret(%s)", endpoint.id)
    message = claim_only(project, worker, told[1])
    assert len(message.secrets) == 2
    assert message.secrets[0] == fresh
    project.owner("update headway_private.endpoint_secrets set previous_valid_until = now() - interval '1 s'")
    project.owner("update headway.outbox set due_at = now() where id = %s", message.id)
    assert claim_only(project, worker, told[1]).secrets == [fresh]


def test_pinging(project: Project, worker: str) -> None:
    person = project.person()
    made = project.call(person, CREATE, {"channel": "email", "target": person.email})
    ping = project.value(person, "select headway.ping_endpoint(%s)", made["id"])
    with pytest.raises(Refused) as refused:
        project.ask(person, "select headway.ping_endpoint(%s)", made["id"])
    assert refused.value.code == "HW202"
    message = next(m for m in claim(project, worker) if str(m.id) == str(ping))
    assert (message.event, message.channel, message.secrets) == ("ping", "email", [])


REPORT = {"id": str(uuid.uuid4()), "lease_token": str(uuid.uuid4()), "outcome": "retry"}


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (None, "HW102"), ({}, "HW100"), ([1], "HW100"), ([{}], "HW102"), ([{"id": "x"}], "HW100"),
        ([REPORT | {"outcome": "maybe"}], "HW100"), ([REPORT | {"extra": 1}], "HW101"),
        ([{}] * 501, "HW103"),
    ],
)  # fmt: skip
def test_refuses_reports(project: Project, outcome: object, code: str) -> None:
    with pytest.raises(Refused) as refused:
        project.ask(SERVICE, "select * from headway.finish_outbox(%s::json)", json.dumps(outcome))
    assert refused.value.code == code


@pytest.mark.parametrize(
    "arguments",
    [
        "null, gen_random_uuid()",
        "gen_random_uuid(), null",
        "gen_random_uuid(), gen_random_uuid(), 0",
        "gen_random_uuid(), gen_random_uuid(), 501",
        "gen_random_uuid(), gen_random_uuid(), 1, 1",
    ],
)
def test_refuses_claims(project: Project, arguments: str) -> None:
    with pytest.raises(Refused) as refused:
        project.ask(SERVICE, f"select * from headway.claim_outbox({arguments})")
    assert refused.value.code in {"HW102", "HW103"}


def test_pruning_keeps_what_is_recent(project: Project, worker: str, told: tuple[Person, str]) -> None:
    finish(project, report(claim_only(project, worker, told[1]), "delivered"))
    project.ask(SERVICE, "select headway.prune_outbox()")
    assert len(messages(project, told[1])) == 1
    project.owner(
        "update headway.outbox set finished_at = now() - interval '8 days' where job_id = %s", told[1]
    )
    assert project.value(SERVICE, "select headway.prune_outbox()") >= 1
    assert messages(project, told[1]) == []


def test_workers_that_deliver_are_woken(own_project: Project) -> None:
    worker, person = start_worker(own_project), own_project.person()

    def wakes() -> int:
        ((count,),) = own_project.owner(
            "select count(*) from realtime.messages where topic = 'outbox' and event = 'wake' and private"
        )
        return int(count)

    run(own_project, worker, person)
    assert wakes() == 0
    made = own_project.call(person, CREATE, {"channel": "webhook", "target": HOOK})
    run(own_project, worker, person)
    assert wakes() == 1
    own_project.owner("update headway.notification_endpoints set blocked_until = now() + interval '1 hour'")
    run(own_project, worker, person)
    assert wakes() == 1, "what has to wait wakes nobody"
    own_project.value(person, "select headway.ping_endpoint(%s)", made["id"])
    assert wakes() == 2


def test_many_workers_claim_each_message_once(migrated_database: Database) -> None:
    project = Project(migrated_database)
    person = project.person()
    made = project.call(person, CREATE, {"channel": "webhook", "target": HOOK})
    project.owner(
        "insert into headway.outbox (endpoint_id, job_id, run, event, payload)"
        " select %s, gen_random_uuid(), 1, 'job.completed', '{}' from generate_series(1, 2000)",
        made["id"],
    )
    barrier = threading.Barrier(6)
    claimed: list[Any] = []

    def work() -> None:
        worker = str(uuid.uuid4())
        with project.another_connection() as connection:
            barrier.wait()
            while True:
                with project.acting(SERVICE, connection=connection) as cursor:
                    cursor.execute(
                        "select * from headway.claim_outbox(%s, %s, 50)", (worker, str(uuid.uuid4()))
                    )
                    rows = cursor.fetchall()
                if not rows:
                    return
                claimed.extend(row.id for row in rows)
                with project.acting(SERVICE, connection=connection) as cursor:
                    cursor.execute(
                        "select * from headway.finish_outbox(%s::json)",
                        (json.dumps([report(row, "delivered") for row in rows]),),
                    )
                    assert {row.state for row in cursor.fetchall()} == {"applied"}

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 2000
    project.close()


def test_a_claim_takes_no_more_than_it_asks_for(own_project: Project) -> None:
    """Whatever plan an idle session has kept: it was made when there was nothing to claim."""
    person = own_project.person()
    made = own_project.call(person, CREATE, {"channel": "webhook", "target": HOOK})
    worker = str(uuid.uuid4())
    with closing(psycopg2.connect(own_project.database.conninfo("postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:

            def claim(most: int) -> int:
                cursor.execute(
                    "select count(*) from headway.claim_outbox(%s, %s, %s, channels => '{webhook}')",
                    (worker, str(uuid.uuid4()), most),
                )
                return int(cursor.fetchone()[0])

            cursor.execute("analyze headway.notification_endpoints")
            cursor.execute("vacuum analyze headway.outbox")
            # From the sixth on a session keeps its plan.
            assert [claim(40) for _ in range(10)] == [0] * 10
            cursor.execute(
                "insert into headway.outbox (endpoint_id, event, payload)"
                " select %s, 'ping', '{}' from generate_series(1, 120)",
                (made["id"],),
            )
            assert [claim(40) for _ in range(4)] == [40, 40, 40, 0]
