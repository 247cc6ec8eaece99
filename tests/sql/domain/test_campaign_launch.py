"""Campaigns launched together, and rows that stand where their jobs stand."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from support.people import SERVICE, Person, Project, Refused

ONE = {"business_type": "dentists", "location": "Hamburg"}


@pytest.fixture(autouse=True)
def kinds(project: Project) -> None:
    project.kind("discovery.run", queue="discovery")
    project.kind("video.process", queue="video")


def launch(project: Project, person: Person, body: object) -> Any:
    return project.call(person, "public.launch_campaigns", body)


def campaigns(project: Project, person: Person) -> list[Any]:
    return project.ask(person, "select * from public.campaigns order by created_at, business_type")


def job_of(project: Project, job_id: str) -> Any:
    (row,) = project.owner(
        "select j.*, i.payload, k.budget from headway.jobs j join headway.job_inputs i on i.job_id = j.id"
        " left join headway.job_costs k on k.job_id = j.id where j.id = %s",
        job_id,
    )
    return row


@pytest.mark.parametrize("anonymous", [False, True])
def test_each_campaign_has_its_job(project: Project, anonymous: bool) -> None:
    person = project.person(anonymous=anonymous)
    answer = launch(
        project,
        person,
        {
            "campaigns": [
                ONE,
                {**ONE, "name": "N", "business_type": "vets", "budget": "0.5", "min_score": 70},
            ],
            "batch": {"name": "autumn"},
        },
    )
    assert [each["created"] for each in answer["campaigns"]] == [True, True]
    assert answer["batch_id"]
    first, second = campaigns(project, person)
    assert (first.status, first.user_id, str(first.job_id)) == (
        "pending", uuid.UUID(person.id), answer["campaigns"][0]["job_id"],
    )  # fmt: skip
    job = job_of(project, answer["campaigns"][1]["job_id"])
    assert job.payload == {
        "campaign_id": str(second.id), "business_type": "vets", "location": "Hamburg", "max_results": 20,
        "budget": "0.5", "min_score": 70,
    }  # fmt: skip
    assert (str(job.owner_id), float(job.budget), job.kind) == (person.id, 0.5, "discovery.run")


def test_a_repeated_launch_finds_the_campaigns_again(project: Project) -> None:
    person = project.person()
    body = [{**ONE, "id": str(uuid.uuid4())}, {**ONE, "id": str(uuid.uuid4())}]
    first = launch(project, person, body)
    again = launch(project, person, body)
    assert [c["job_id"] for c in again["campaigns"]] == [c["job_id"] for c in first["campaigns"]]
    assert [c["created"] for c in again["campaigns"]] == [False, False]
    assert len(campaigns(project, person)) == 2


def test_a_draft_can_be_launched(project: Project) -> None:
    person = project.person()
    (draft,) = project.ask(
        person, "insert into public.campaigns (business_type, location) values ('vets', 'Rome') returning *"
    )
    launch(project, person, [{**ONE, "id": str(draft.id)}])
    (row,) = campaigns(project, person)
    assert (row.status, row.id) == ("pending", draft.id)
    assert row.job_id is not None


def test_organisations_launch_through_their_writers(project: Project) -> None:
    owner, editor, viewer, stranger = (project.person() for _ in range(4))
    org = project.organization(owner, editor=editor, viewer=viewer)
    launch(project, editor, {"campaigns": [ONE], "organization_id": org})
    assert [len(campaigns(project, p)) for p in (owner, viewer, stranger)] == [1, 1, 0]
    for person in (viewer, stranger):
        with pytest.raises(Refused) as refused:
            launch(project, person, {"campaigns": [ONE], "organization_id": org})
        assert (refused.value.code, refused.value.detail) == ("HW302", "campaigns[0].organization_id")


def test_nobody_launches_for_another(project: Project) -> None:
    person, other = project.person(), project.person()
    with pytest.raises(Refused) as refused:
        launch(project, person, [{**ONE, "owner_id": other.id}])
    assert refused.value.code == "HW302"
    launch(project, SERVICE, [{**ONE, "owner_id": other.id}])
    (row,) = campaigns(project, other)
    assert str(job_of(project, str(row.job_id)).owner_id) == other.id
    with pytest.raises(Refused) as refused:
        launch(project, person, [{**ONE, "id": str(row.id)}])
    assert refused.value.code == "HW201"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"campaigns": []}, "HW102", "campaigns"),
        ([], "HW102", "campaigns"),
        ({"campaigns": [ONE], "x": 1}, "HW101", "x"),
        ([{**ONE, "x": 1}], "HW101", "campaigns[0].x"),
        ([{"business_type": "a"}], "HW102", "campaigns[0].location"),
        ([ONE, {**ONE, "location": "  "}], "HW100", "campaigns[1].location"),
        ([{**ONE, "max_results": 501}], "HW103", "campaigns[0].max_results"),
        ([{**ONE, "budget": -1}], "HW103", "campaigns[0].budget"),
        ([{**ONE, "region": "Germany"}], "HW103", "campaigns[0].region"),
        ([7], "HW100", "campaigns[0]"),
        ("text", "HW100", "body"),
    ],
)
def test_wrong_campaigns_are_refused_and_none_is_kept(
    project: Project, body: Any, code: str, field: str
) -> None:
    person = project.person()
    with pytest.raises(Refused) as refused:
        launch(project, person, body)
    assert (refused.value.code, refused.value.detail) == (code, field)
    assert refused.value.hint
    assert campaigns(project, person) == []


def test_one_id_is_one_campaign(project: Project) -> None:
    same = {**ONE, "id": str(uuid.uuid4())}
    with pytest.raises(Refused) as refused:
        launch(project, project.person(), [same, same])
    assert refused.value.code == "HW201"


def test_a_campaign_stands_where_its_job_stands(project: Project) -> None:
    person = project.person()
    (answer,) = launch(project, person, [ONE])["campaigns"]

    def standing() -> tuple[Any, ...]:
        (row,) = project.owner("select * from public.campaigns where id = %s", answer["id"])
        return row.status, row.error_message, row.started_at is not None, row.finished_at is not None

    project.ask(person, "select headway.cancel(%s, 'No time.')", answer["job_id"])
    assert standing() == ("cancelled", "The job was cancelled. No time.", False, True)
    project.ask(person, "select headway.retry(%s)", answer["job_id"])
    assert standing() == ("pending", None, False, False)


def test_a_campaign_that_ends_early_counts_what_it_has_found(project: Project) -> None:
    person = project.person()
    (answer,) = launch(project, person, [ONE])["campaigns"]

    def lead(
        place: str, *, qualified: bool = True, email: str | None = None, confidence: float | None = None,
        verification: str = "valid", age: str = "1 s",
    ) -> None:  # fmt: skip
        project.owner(
            "insert into public.leads (campaign_id, place_id, business_name, score, qualified, contact_email,"
            " confidence, verification, updated_at)"
            " values (%s, %s, 'B', 50, %s, %s, %s, %s, now() + %s::interval)",
            answer["id"], place, qualified, email, confidence, verification, age,
        )  # fmt: skip

    project.owner("update public.campaigns set started_at = now() where id = %s", answer["id"])
    lead("an earlier job's", email="e@example.com", confidence=1, age="-1 day")
    lead("a", email="a@example.com", confidence=80)
    lead("b", email="b@example.com", confidence=90, verification="unverified")
    lead("c")
    lead("d", qualified=False)
    lead("e", email="gone@example.com", confidence=0, verification="invalid")
    project.ask(person, "select headway.cancel(%s)", answer["job_id"])
    (row,) = project.owner("select * from public.campaigns where id = %s", answer["id"])
    assert (row.status, row.businesses_found, row.qualified_leads, row.leads_enriched) == (
        "cancelled", 5, 4, 2,
    )  # fmt: skip
    assert row.average_confidence == 85


def test_a_row_that_cannot_follow_keeps_no_job_from_ending(own_project: Project) -> None:
    own_project.kind("discovery.run", queue="discovery")
    person = own_project.person()
    (answer,) = launch(own_project, person, [ONE])["campaigns"]
    own_project.owner("alter table public.campaigns add constraint never check (status <> 'cancelled')")
    own_project.ask(person, "select headway.cancel(%s)", answer["job_id"])
    assert job_of(own_project, answer["job_id"]).status == "cancelled"


def test_a_video_stands_where_its_job_stands(project: Project) -> None:
    person = project.person()
    (place,) = project.ask(person, "insert into public.projects (name) values ('p') returning id")
    job = project.call(person, "headway.submit", {"kind": "video.process", "project_id": str(place.id)})["id"]
    project.owner(
        "insert into public.videos (project_id, user_id, job_id, status, storage_path)"
        " values (%s, %s, %s, 'processing', %s)",
        place.id, person.id, job, f"{person.id}/a.mp4",
    )  # fmt: skip

    def standing() -> tuple[Any, ...]:
        (row,) = project.owner("select * from public.videos where job_id = %s", job)
        return row.status, row.error_code, row.error_message

    project.ask(person, "select headway.cancel(%s)", job)
    assert standing() == ("failed", "cancelled", "The job was cancelled.")
    project.ask(person, "select headway.retry(%s)", job)
    assert standing() == ("processing", None, None)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"payload": {"languages": ["de"]}, "project_id": None}, "HW102", "project_id"),
        ({"project_id": None}, "HW102", "project_id"),
        ({"payload": {"language": "klingonish"}}, "HW100", "payload.language"),
        ({"payload": {"languages": ["de", "7"]}}, "HW100", "payload.languages[1]"),
        ({"payload": {"video_id": str(uuid.uuid4())}}, "HW301", "payload.video_id"),
    ],
)
def test_videos_that_cannot_be_worked_on_never_become_jobs(
    project: Project, body: dict[str, Any], code: str, field: str
) -> None:
    person = project.person()
    (place,) = project.ask(person, "insert into public.projects (name) values ('p') returning id")
    with pytest.raises(Refused) as refused:
        project.call(person, "headway.submit", {"kind": "video.process", "project_id": str(place.id)} | body)
    assert (refused.value.code, refused.value.detail) == (code, field)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"budget": "abc"}, "budget"),
        ({"budget": "NaN"}, "budget"),
        ({"budget": "100000.01"}, "budget"),
        ({"region": "7!"}, "region"),
        ({"language": "klingonish"}, "language"),
    ],
)
def test_campaigns_that_cannot_be_run_never_become_jobs(
    project: Project, more: dict[str, Any], field: str
) -> None:
    person = project.person()
    with pytest.raises(Refused) as refused:
        project.call(person, "headway.submit", {"kind": "discovery.run", "payload": ONE | more})
    assert (refused.value.code, refused.value.detail) == ("HW100", f"payload.{field}")
    assert refused.value.hint
    fits = {"budget": "2.50", "region": "de", "language": "pt_BR"}
    project.call(person, "headway.submit", {"kind": "discovery.run", "payload": ONE | fits})


def test_a_video_of_another_project_is_none(project: Project) -> None:
    person, other = project.person(), project.person()
    places = [
        project.ask(who, "insert into public.projects (name) values ('p') returning id")[0].id
        for who in (person, other)
    ]
    (video,) = project.ask(
        person,
        "insert into public.videos (project_id, storage_path) values (%s, %s) returning id",
        places[0], f"{person.id}/a.mp4",
    )  # fmt: skip
    body = {"kind": "video.process", "payload": {"video_id": str(video.id)}}
    project.call(person, "headway.submit", body | {"project_id": str(places[0])})
    with pytest.raises(Refused) as refused:
        project.call(other, "headway.submit", body | {"project_id": str(places[1])})
    assert refused.value.code == "HW301"


def test_a_video_is_worked_on_by_one_job_and_only_while_there_is_a_file(project: Project) -> None:
    person = project.person()
    (place,) = project.ask(person, "insert into public.projects (name) values ('p') returning id")
    (video,) = project.ask(
        person,
        "insert into public.videos (project_id, storage_path) values (%s, %s) returning id",
        place.id, f"{person.id}/a.mp4",
    )  # fmt: skip
    body = {
        "kind": "video.process", "payload": {"video_id": str(video.id)}, "project_id": str(place.id),
    }  # fmt: skip
    job = project.call(person, "headway.submit", body)["id"]
    project.owner("update public.videos set job_id = %s, status = 'processing' where id = %s", job, video.id)

    def refusal() -> tuple[str, str]:
        with pytest.raises(Refused) as refused:
            project.call(person, "headway.submit", body)
        assert refused.value.hint
        return refused.value.code, refused.value.detail

    assert refusal() == ("HW202", "payload.video_id")
    project.ask(person, "select headway.cancel(%s)", job)
    project.call(person, "headway.submit", body)
    project.owner("update public.videos set storage_path = null where id = %s", video.id)
    assert refusal() == ("HW301", "payload.video_id")


def test_a_campaign_is_run_by_its_owner_and_by_one_job(project: Project) -> None:
    person, other = project.person(), project.person()
    (campaign,) = launch(project, person, [ONE])["campaigns"]
    body = {"kind": "discovery.run", "payload": ONE | {"campaign_id": campaign["id"]}}
    for who, code in ((other, "HW301"), (person, "HW202")):
        with pytest.raises(Refused) as refused:
            project.call(who, "headway.submit", body)
        assert (refused.value.code, refused.value.detail) == (code, "payload.campaign_id")
    project.ask(person, "select headway.cancel(%s)", campaign["job_id"])
    project.call(person, "headway.submit", body)
    with pytest.raises(Refused) as refused:
        project.call(person, "headway.submit", {"kind": "discovery.run", "payload": ONE | {"location": " "}})
    assert (refused.value.code, refused.value.detail) == ("HW100", "payload.location")
    with pytest.raises(Refused) as refused:
        project.call(SERVICE, "headway.submit", {"kind": "discovery.run", "payload": ONE})
    assert (refused.value.code, refused.value.detail) == ("HW102", "owner_id")
