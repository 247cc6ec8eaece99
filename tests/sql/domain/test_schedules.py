"""Schedules: saved safely, fired once whoever ticks, and missed ticks by policy."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headway.local.database import Database
from support.people import NOBODY, SERVICE, Person, Project, Refused

PUT = "headway.put_schedule"


@pytest.fixture
def kind(project: Project) -> str:
    return project.kind()


def put(project: Project, person: Person, **fields: Any) -> dict[str, Any]:
    body = {"name": uuid.uuid4().hex, "cron": "*/5 * * * *", "job": {"kind": "test.echo"}} | fields
    answer: dict[str, Any] = project.call(person, PUT, body)
    return answer


def schedule(project: Project, identity: str) -> Any:
    (row,) = project.owner("select * from headway.schedules where id = %s", identity)
    return row


def runs(project: Project, identity: str) -> list[Any]:
    return project.owner(
        "select * from headway.schedule_runs where schedule_id = %s order by scheduled_for", identity
    )


def tick(project: Project, identity: str, at: datetime) -> dict[str, Any]:
    """Tick as a worker would at a moment, with only one schedule due."""
    project.owner("update headway.schedules set next_run_at = null where id <> %s", identity)
    ((answer,),) = project.owner("select headway_private.tick_schedules(100, %s)", at)
    return dict(answer)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_tick_says_how_long_nothing_is_due_whatever_the_workers_clock_says(own_project: Project) -> None:
    nothing = own_project.value(SERVICE, "select headway.tick_schedules()")
    assert (nothing["next_run_at"], nothing["next_in_seconds"]) == (None, None)
    kind = own_project.kind()
    made = put(own_project, own_project.person(), name="n", cron="@daily", job={"kind": kind})
    own_project.owner("update headway.schedules set next_run_at = '2030-01-01 00:00Z'")
    assert tick(own_project, made["id"], moment("2029-12-31T23:58:30Z"))["next_in_seconds"] == 90


# Saving -------------------------------------------------------------------------------------------------


def test_a_person_saves_a_schedule(project: Project, kind: str) -> None:
    person = project.person()
    answer = put(
        project, person, name="digest", cron="0 9 * * mon-fri", time_zone="Europe/Berlin",
        job={"kind": kind, "payload": {"a": 1}, "tags": ["x"]},
    )  # fmt: skip
    expected = project.owner("select headway.cron_next('0 9 * * mon-fri', 'Europe/Berlin', now())")[0][0]
    assert answer["created"] is True
    assert moment(answer["next_run_at"]) == expected
    (seen,) = project.ask(person, "select * from headway.schedules")
    assert (seen.name, seen.kind, str(seen.owner_id)) == ("digest", kind, person.id)
    assert seen.job == {"kind": kind, "payload": {"a": 1}, "tags": ["x"]}
    assert project.ask(project.person(), "select 1 from headway.schedules") == []


def test_saving_again_changes_it_and_keeps_what_is_due(project: Project, kind: str) -> None:
    person = project.person()
    first = put(project, person, name="n")
    project.owner(
        "update headway.schedules set next_run_at = now() - interval '1 hour' where id = %s", first["id"]
    )
    again = put(project, person, name="n", job={"kind": kind, "payload": {"b": 2}})
    assert (again["id"], again["created"]) == (first["id"], False)
    assert moment(again["next_run_at"]) < datetime.now(UTC)
    assert schedule(project, first["id"]).job["payload"] == {"b": 2}
    changed = put(project, person, name="n", cron="0 0 1 1 *")
    assert moment(changed["next_run_at"]) > datetime.now(UTC)


def test_names_are_a_tenants_own(project: Project, kind: str) -> None:
    one, other = project.person(), project.person()
    assert put(project, one, name="same")["id"] != put(project, other, name="same")["id"]


@pytest.mark.parametrize(
    ("fields", "code", "detail"),
    [
        ({"cron": None}, "HW102", "cron"),
        ({"name": None}, "HW102", "name"),
        ({"name": ""}, "HW103", "name"),
        ({"name": 7}, "HW100", "name"),
        ({"cron": "61 * * * *"}, "HW100", "cron"),
        ({"cron": "0 0 30 2 *"}, "HW100", "cron"),
        ({"time_zone": "Berlin"}, "HW100", "time_zone"),
        ({"missed": "some"}, "HW100", "missed"),
        ({"grace_seconds": -1}, "HW103", "grace_seconds"),
        ({"starts_at": "tomorrow"}, "HW100", "starts_at"),
        ({"ends_at": "2026-01-01T00:00:00Z"}, "HW103", "ends_at"),
        ({"interval": 5}, "HW101", "interval"),
        ({"job": None}, "HW102", "job"),
        ({"job": []}, "HW100", "job"),
        ({"job": {}}, "HW102", "job.kind"),
        ({"job": {"kind": "test.ecko"}}, "HW107", "job.kind"),
        ({"job": {"kind": "test.echo", "id": str(uuid.uuid4())}}, "HW101", "job.id"),
        ({"job": {"kind": "test.echo", "run_at": "2026-11-22T00:00:00Z"}}, "HW101", "job.run_at"),
        ({"job": {"kind": "test.echo", "idempotency_key": "k"}}, "HW101", "job.idempotency_key"),
        ({"job": {"kind": "test.echo", "priority": 10}}, "HW103", "job.priority"),
        ({"job": {"kind": "test.echo", "payload": {"a": "\u0000"}}}, "HW105", "body.job.payload.a"),
        ({"job": {"kind": "test.echo", "owner_id": str(uuid.uuid4())}}, "HW302", "job.owner_id"),
        ({"job": {"kind": "test.echo", "notify": {"webhook": "https://10.0.0.1/"}}}, "HW100",
         "job.notify.webhook"),
        ({"job": {"kind": "test.echo", "notify": {"email": "not-me@example.com"}}}, "HW302",
         "job.notify.email"),
    ],
)  # fmt: skip
def test_refuses_what_cannot_be_meant(
    project: Project, kind: str, fields: dict[str, Any], code: str, detail: str
) -> None:
    person = project.person()
    with pytest.raises(Refused) as refused:
        put(project, person, **fields)
    assert (refused.value.code, refused.value.detail) == (code, detail)
    assert refused.value.hint
    assert project.ask(person, "select 1 from headway.schedules") == []


@pytest.mark.parametrize("body", [None, [], "x", 1])
def test_refuses_what_is_no_object(project: Project, body: object) -> None:
    with pytest.raises(Refused) as refused:
        project.call(project.person(), PUT, body)
    assert refused.value.code == "HW100"


def test_who_may_save_for_an_organisation(project: Project, kind: str) -> None:
    owner, editor, viewer, stranger = (project.person() for _ in range(4))
    org = project.organization(owner, editor=editor, viewer=viewer)
    saved = put(project, editor, job={"kind": kind, "organization_id": org})
    for person, allowed in ((owner, True), (viewer, True), (stranger, False)):
        seen = project.ask(person, "select 1 from headway.schedules where id = %s", saved["id"])
        assert bool(seen) is allowed
    for person in (viewer, stranger):
        with pytest.raises(Refused) as refused:
            put(project, person, job={"kind": kind, "organization_id": org})
        assert refused.value.code == "HW302"
    for person, code in ((viewer, "HW302"), (stranger, "HW301")):
        for function in ("pause_schedule", "resume_schedule", "delete_schedule", "run_schedule"):
            with pytest.raises(Refused) as refused:
                project.ask(person, f"select headway.{function}(%s)", saved["id"])
            assert refused.value.code == code, function
    with pytest.raises(Refused) as refused:
        project.call(NOBODY, PUT, {})
    assert refused.value.code == "42501"


def test_kinds_of_the_service_are_not_for_users(project: Project) -> None:
    project.kind("test.internal", submitters="service")
    with pytest.raises(Refused) as refused:
        put(project, project.person(), job={"kind": "test.internal"})
    assert refused.value.code == "HW107"
    assert put(project, SERVICE, job={"kind": "test.internal"})["created"] is True


def test_a_tenant_has_at_most_fifty(project: Project, kind: str) -> None:
    person = project.person()
    put(project, person, name="0")
    project.owner(
        "insert into headway.schedules (name, cron, job, tenant_id, owner_id)"
        " select n, '@daily', '{\"kind\": \"test.echo\"}', %s, %s from generate_series(1, 49) n",
        person.id,
        person.id,
    )
    with pytest.raises(Refused) as refused:
        put(project, person, name="one too many")
    assert refused.value.code == "HW202"
    assert put(project, person, name="0")["created"] is False


# Ticking ------------------------------------------------------------------------------------------------


def test_a_tick_submits_once(project: Project, kind: str) -> None:
    person = project.person()
    saved = put(project, person, job={"kind": kind, "payload": {"n": 1}, "priority": 7})
    due = moment(saved["next_run_at"])
    assert tick(project, saved["id"], due - timedelta(seconds=1))["submitted"] == 0
    answer = tick(project, saved["id"], due)
    assert (answer["submitted"], answer["failed"]) == (1, 0)
    assert moment(answer["next_run_at"]) == due + timedelta(minutes=5)
    assert tick(project, saved["id"], due)["submitted"] == 0
    (run,) = runs(project, saved["id"])
    assert (run.scheduled_for, run.outcome) == (due, "submitted")
    (job,) = project.ask(
        person, "select j.*, i.payload from headway.jobs j join headway.job_inputs i on i.job_id = j.id"
    )
    assert (job.id, job.kind, job.priority, job.payload) == (run.job_id, kind, 7, {"n": 1})


def test_a_lost_tick_is_found_again(project: Project, kind: str) -> None:
    """Were the row not advanced, the record of the run keeps the tick from firing twice."""
    saved = put(project, project.person())
    due = moment(saved["next_run_at"])
    tick(project, saved["id"], due)
    project.owner("update headway.schedules set next_run_at = %s where id = %s", due, saved["id"])
    assert tick(project, saved["id"], due)["submitted"] == 1
    assert len(runs(project, saved["id"])) == 1
    assert (
        len(project.owner("select 1 from headway.jobs where id = %s", runs(project, saved["id"])[0].job_id))
        == 1
    )


@pytest.mark.parametrize(
    ("missed", "late", "submitted", "skipped"),
    [
        ("skip", timedelta(minutes=4), 1, 0),  # within the grace of five minutes
        ("skip", timedelta(minutes=24, seconds=30), 1, 0),  # the latest of five ticks is 4:30 old
        ("one", timedelta(minutes=4), 1, 0),
        ("one", timedelta(hours=3), 1, 0),
        ("one", timedelta(days=300), 1, 0),
        ("all", timedelta(minutes=4), 1, 0),
        ("all", timedelta(minutes=20), 5, 0),
        ("all", timedelta(hours=3), 37, 0),
    ],
)
def test_missed_ticks(
    project: Project, kind: str, missed: str, late: timedelta, submitted: int, skipped: int
) -> None:
    saved = put(project, project.person(), missed=missed)
    due = moment(saved["next_run_at"])
    answer = tick(project, saved["id"], due + late)
    assert (answer["submitted"], answer["skipped"]) == (submitted, skipped)
    happened = runs(project, saved["id"])
    assert [run.outcome for run in happened] == ["submitted"] * submitted
    latest = due + late - (late % timedelta(minutes=5))
    assert happened[-1].scheduled_for == latest
    assert schedule(project, saved["id"]).next_run_at == latest + timedelta(minutes=5)


def test_skipping_leaves_a_trace(project: Project, kind: str) -> None:
    saved = put(project, project.person(), missed="skip", cron="@hourly", grace_seconds=60)
    due = moment(saved["next_run_at"])
    answer = tick(project, saved["id"], due + timedelta(hours=2, minutes=2))
    assert (answer["submitted"], answer["skipped"]) == (0, 1)
    (run,) = runs(project, saved["id"])
    assert (run.outcome, run.scheduled_for) == ("skipped", due + timedelta(hours=2))
    assert schedule(project, saved["id"]).next_run_at == due + timedelta(hours=3)


def test_many_missed_ticks_are_worked_off_in_portions(project: Project, kind: str) -> None:
    saved = put(project, project.person(), missed="all", cron="* * * * *")
    at = moment(saved["next_run_at"]) + timedelta(minutes=249)
    assert [tick(project, saved["id"], at)["submitted"] for _ in range(4)] == [100, 100, 50, 0]
    assert len({run.job_id for run in runs(project, saved["id"])}) == 250


def test_one_call_has_an_end(own_project: Project) -> None:
    """Many schedules with much to make up for: each call stays far from the statement limit."""
    own_project.owner(
        "insert into headway.schedules (name, cron, job, missed, tenant_id, next_run_at)"
        " select n, '* * * * *', '{\"kind\": \"test.gone\"}', 'all', gen_random_uuid(),"
        " date_trunc('minute', now()) - interval '2 hours' from generate_series(1, 8) n"
    )
    counts = []
    while not counts or counts[-1]:
        counts.append(own_project.value(SERVICE, "select headway.tick_schedules()")["failed"])
    assert max(counts) == 500
    assert sum(counts) in {8 * 121, 8 * 122}  # a minute may have begun meanwhile


def test_a_span_bounds_the_ticks(project: Project, kind: str) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    start = (now + timedelta(days=2)).replace(hour=0, minute=0)
    saved = put(
        project, project.person(), cron="0 * * * *", missed="all",
        starts_at=start.isoformat(), ends_at=(start + timedelta(hours=2)).isoformat(),
    )  # fmt: skip
    assert moment(saved["next_run_at"]) == start
    assert tick(project, saved["id"], start + timedelta(days=1))["submitted"] == 3
    assert schedule(project, saved["id"]).next_run_at is None


def test_a_refused_submission_stops_nothing_else(project: Project, kind: str) -> None:
    person = project.person()
    gone = project.kind(f"test.k{uuid.uuid4().hex}")
    broken = put(project, person, job={"kind": gone})
    sound = put(project, person)
    project.owner("delete from headway.kinds where kind = %s", gone)
    due = max(moment(broken["next_run_at"]), moment(sound["next_run_at"]))
    project.owner(
        "update headway.schedules set next_run_at = null where id <> all (%s::uuid[])",
        [broken["id"], sound["id"]],
    )
    ((answer,),) = project.owner("select headway_private.tick_schedules(100, %s)", due)
    assert (answer["submitted"], answer["failed"]) == (1, 1)
    (run,) = runs(project, broken["id"])
    assert (run.outcome, run.error_code, run.job_id) == ("failed", "HW107", None)
    row = schedule(project, broken["id"])
    assert row.last_error_code == "HW107"
    assert row.next_run_at > due


def test_who_loses_the_right_loses_the_schedule(project: Project, kind: str) -> None:
    owner, editor = project.person(), project.person()
    org = project.organization(owner, editor=editor)
    saved = put(project, editor, job={"kind": kind, "organization_id": org})
    project.ask(owner, "delete from public.organization_members where user_id = %s", editor.id)
    assert tick(project, saved["id"], moment(saved["next_run_at"]))["failed"] == 1
    row = schedule(project, saved["id"])
    assert row.paused_at is not None
    assert "author" in row.pause_reason
    assert project.owner("select 1 from headway.jobs where organization_id = %s", org) == []


def test_unique_jobs_do_not_pile_up(project: Project, kind: str) -> None:
    saved = put(project, project.person(), missed="all", job={"kind": kind, "unique_key": "one at a time"})
    tick(project, saved["id"], moment(saved["next_run_at"]) + timedelta(minutes=10))
    assert [run.outcome for run in runs(project, saved["id"])] == ["submitted", "merged", "merged"]
    assert len({run.job_id for run in runs(project, saved["id"])}) == 1


def test_pausing_and_resuming(project: Project, kind: str) -> None:
    person = project.person()
    saved = put(project, person)
    paused = project.value(person, "select headway.pause_schedule(%s, 'holiday')", saved["id"])
    assert paused["changed"] is True
    assert project.value(person, "select headway.pause_schedule(%s)", saved["id"])["changed"] is False
    assert put(project, person, name=schedule(project, saved["id"]).name)["next_run_at"] is None
    assert tick(project, saved["id"], datetime.now(UTC) + timedelta(days=1))["submitted"] == 0
    resumed = project.value(person, "select headway.resume_schedule(%s)", saved["id"])
    assert moment(resumed["next_run_at"]) > datetime.now(UTC)
    assert project.value(person, "select headway.resume_schedule(%s)", saved["id"])["changed"] is False


def test_deleting_twice_is_harmless(project: Project, kind: str) -> None:
    person = project.person()
    saved = put(project, person)
    assert project.value(person, "select headway.delete_schedule(%s)", saved["id"]) is True
    assert project.value(person, "select headway.delete_schedule(%s)", saved["id"]) is False


def test_running_out_of_turn(project: Project, kind: str) -> None:
    person = project.person()
    saved = put(project, person)
    answer = project.value(person, "select headway.run_schedule(%s)", saved["id"])
    assert answer["outcome"] == "submitted"
    assert project.ask(person, "select id from headway.jobs")[0].id == uuid.UUID(answer["job_id"])
    assert schedule(project, saved["id"]).next_run_at == moment(saved["next_run_at"])


def test_an_account_takes_its_schedules_along(project: Project, kind: str) -> None:
    owner, editor = project.person(), project.person()
    org = project.organization(owner, editor=editor)
    personal = put(project, editor)
    shared = put(project, editor, job={"kind": kind, "organization_id": org})
    project.owner("delete from auth.users where id = %s", editor.id)
    left = project.owner(
        "select id from headway.schedules where id = any (%s::uuid[])", [personal["id"], shared["id"]]
    )
    assert [str(row.id) for row in left] == [shared["id"]]


def test_forgetting_somebody_forgets_schedules_and_endpoints(project: Project, kind: str) -> None:
    person, other = project.person(), project.person()
    for somebody in (person, other):
        put(project, somebody)
        project.call(
            somebody, "headway.create_endpoint", {"channel": "webhook", "target": "https://a.example.com/"}
        )
    project.ask(SERVICE, "select headway.forget_owner(%s)", person.id)
    for relation in ("schedules", "notification_endpoints"):
        counts = [len(project.ask(who, f"select 1 from headway.{relation}")) for who in (person, other)]
        assert counts == [0, 1], relation


def test_only_workers_tick(project: Project) -> None:
    with pytest.raises(Refused) as refused:
        project.ask(project.person(), "select headway.tick_schedules()")
    assert refused.value.code == "42501"
    assert project.value(SERVICE, "select headway.tick_schedules()")["failed"] == 0
    for count in (0, 1001, None):
        with pytest.raises(Refused) as refused:
            project.ask(SERVICE, "select headway.tick_schedules(%s)", count)
        assert refused.value.code == "HW103"


def test_many_workers_fire_each_tick_once(migrated_database: Database) -> None:
    project = Project(migrated_database)
    project.kind()
    project.owner(
        "insert into headway.schedules (name, cron, job, tenant_id, next_run_at)"
        " select n, '@hourly', '{\"kind\": \"test.echo\"}', gen_random_uuid(), date_trunc('hour', now())"
        " from generate_series(1, 300) n"
    )
    barrier = threading.Barrier(6)
    counts: list[int] = []

    def work() -> None:
        with project.another_connection() as connection:
            barrier.wait()
            done = 1
            while done:
                with project.acting(SERVICE, connection=connection) as cursor:
                    cursor.execute("select headway.tick_schedules(20)")
                    done = cursor.fetchone()[0]["submitted"]
                counts.append(done)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 300
    ((jobs, distinct_runs),) = project.owner(
        "select (select count(*) from headway.jobs) as jobs,"
        " (select count(distinct job_id) from headway.schedule_runs) as runs"
    )
    assert (jobs, distinct_runs) == (300, 300)
    project.close()
