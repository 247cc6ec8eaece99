"""The old job tables as views: the same columns, and each under its reader's own rights."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from support.people import SERVICE, Person, Project, Refused

VIEWS = {
    "cv_processing_jobs": "cv.parse", "talk_track_jobs": "talk_track.generate",
    "document_jobs": "document.generate", "processing_jobs": "video.process",
    "discovery_jobs": "discovery.run",
}  # fmt: skip


def finished(project: Project, person: Person, kind: str, result: Any = None, **job: Any) -> str:
    """A job brought to its end by a worker, with progress, a step, a cost and metrics on the way."""
    worker = str(uuid.uuid4())
    project.ask(
        SERVICE,
        "select headway.register_worker(%s, 'w', %s::json)",
        worker,
        json.dumps([{"kind": kind, "queue": kind.split(".")[0]}]),
    )
    identity = str(project.call(person, "headway.submit", {"kind": kind} | job)["id"])
    (lease,) = project.ask(SERVICE, "select * from headway.claim(%s, %s)", worker, str(uuid.uuid4()))
    assert str(lease.job_id) == identity
    fence = (identity, lease.attempt, str(lease.lease_token))
    project.ask(SERVICE, "select headway.checkpoint(%s, %s, %s, 'translate:de')", *fence)
    project.ask(
        SERVICE, "select headway.record_usage(%s, %s, %s, %s, 'hunter', 0.020001)", *fence, str(uuid.uuid4())
    )
    ending: dict[str, Any] = {
        "job_id": identity, "attempt": lease.attempt, "lease_token": str(lease.lease_token),
        "metrics": {"slides_done": 3, "slides_total": 3, "businesses_found": 7, "qualified_leads": "many",
                    "average_confidence": 88.5},
    }  # fmt: skip
    if result is None:
        ending |= {"outcome": "failed", "error": {"code": "broken", "message": "It broke."}}
    else:
        ending |= {"outcome": "completed", "result": result}
    (row,) = project.ask(SERVICE, "select * from headway.finish(%s, %s::json)", worker, json.dumps([ending]))
    assert row.state == "applied", row
    return identity


def place_of(project: Project, person: Person) -> str:
    """A project of the person's own."""
    (place,) = project.ask(person, "insert into public.projects (name) values ('p') returning id::text")
    return str(place.id)


def only(project: Project, person: Person, view: str) -> Any:
    (row,) = project.ask(person, f"select * from public.{view}")
    return row


def test_a_cv(project: Project) -> None:
    person = project.person()
    files = [{"name": "cv.pdf", "bucket": "cvs", "path": f"{person.id}/cv.pdf"}]
    project.owner("insert into storage.objects (bucket_id, name) values ('cvs', %s)", files[0]["path"])
    identity = finished(project, person, "cv.parse", {"profile": {}}, files=files)
    row = only(project, person, "cv_processing_jobs")
    assert (str(row.id), row.status, row.progress, row.file_name) == (identity, "completed", 100, "cv.pdf")
    assert (row.file_path, row.parsed_data, row.attempts) == (files[0]["path"], {"profile": {}}, 1)
    assert row.completed_at is not None


def test_a_talk_track(project: Project) -> None:
    person = project.person()
    (where,) = project.ask(person, "insert into public.projects (name) values ('p') returning id")
    identity = finished(
        project,
        person,
        "talk_track.generate",
        {},
        project_id=str(where.id),
        payload={"options": {"tone": "dry"}},
    )
    project.owner(
        "insert into public.talk_tracks (project_id, job_id, slides, total_duration_seconds)"
        ' values (%s, %s, \'[{"position": 1, "text": "x", "seconds": 1}]\', 1)',
        where.id,
        identity,
    )
    row = only(project, person, "talk_track_jobs")
    assert (row.slides_done, row.slides_total, row.options) == (3, 3, {"tone": "dry"})
    assert (row.project_id, row.talk_track_id is not None) == (where.id, True)


def test_a_document_has_the_columns_its_clients_know(project: Project) -> None:
    person = project.person()
    identity = finished(
        project, person, "document.generate", {"html": "<p>1</p>"}, payload={"prompt": "Write."}
    )
    row = only(project, person, "document_jobs")
    assert row._fields[:9] == (
        "job_id", "status", "prompt", "html", "project_id", "error", "result", "created_at", "updated_at",
    )  # fmt: skip
    assert (str(row.job_id), row.prompt, row.html, row.error) == (identity, "Write.", "<p>1</p>", None)
    project.owner(
        "insert into public.documents (job_id, user_id, html) values (%s, %s, '<p>2</p>')",
        identity,
        person.id,
    )
    assert only(project, person, "document_jobs").html == "<p>2</p>"
    other = project.person()
    finished(project, other, "document.generate", payload={"prompt": "Fail."})
    failed = only(project, other, "document_jobs")
    assert (failed.status, failed.error, failed.html) == ("failed", "It broke.", None)


def test_a_video(project: Project) -> None:
    owner, viewer = project.person(), project.person()
    org = project.organization(owner, viewer=viewer)
    (place,) = project.ask(
        owner, "insert into public.projects (name, organization_id) values ('p', %s) returning id", org
    )
    (video,) = project.ask(
        owner,
        "insert into public.videos (project_id, storage_path) values (%s, %s) returning id::text",
        place.id,
        f"org/{org}/a.mp4",
    )
    finished(
        project,
        owner,
        "video.process",
        {},
        project_id=str(place.id),
        payload={"video_id": video.id, "languages": ["de"]},
    )
    for person in (owner, viewer):
        row = only(project, person, "processing_jobs")
        assert (str(row.organization_id), row.video_id, row.languages) == (
            org,
            video.id,
            ["de"],
        )
        assert [(step["name"], step["status"]) for step in row.steps] == [("translate:de", "completed")]


def test_a_campaign(project: Project) -> None:
    person = project.person(anonymous=True)
    (campaign,) = project.ask(
        person,
        "insert into public.campaigns (business_type, location) values ('bakery', 'Berlin')"
        " returning id::text",
    )
    finished(
        project, person, "discovery.run", {}, cost_budget=1,
        payload={"business_type": "bakery", "location": "Berlin", "campaign_id": campaign.id},
    )  # fmt: skip
    row = only(project, person, "discovery_jobs")
    assert (row.business_type, row.location, row.campaign_id) == (
        "bakery",
        "Berlin",
        campaign.id,
    )
    assert (float(row.total_cost), float(row.budget)) == (0.020001, 1.0)
    # What is no number in free-form metrics is zero here, and does not fail the view.
    assert (row.businesses_found, row.qualified_leads, float(row.average_confidence)) == (7, 0, 88.5)


@pytest.mark.parametrize(
    ("kind", "view", "column"),
    [
        ("video.process", "processing_jobs", "video_id"),
        ("discovery.run", "discovery_jobs", "campaign_id"),
    ],
)
def test_an_earlier_job_still_says_what_it_was_about(
    project: Project, kind: str, view: str, column: str
) -> None:
    person = project.person()
    row = str(uuid.uuid4())
    finished(project, person, kind, {column: row}, project_id=place_of(project, person))
    assert getattr(only(project, person, view), column) == row


@pytest.mark.parametrize("budget", ["0.25", 0.25])
def test_a_campaigns_budget_is_its_own(project: Project, budget: object) -> None:
    person = project.person()
    payload = {"business_type": "bakery", "location": "Berlin", "budget": budget}
    finished(project, person, "discovery.run", {}, cost_budget=1, payload=payload)
    assert float(only(project, person, "discovery_jobs").budget) == 0.25


@pytest.mark.parametrize("view", VIEWS)
def test_each_shows_its_own_kind_to_its_own_reader(project: Project, view: str) -> None:
    person = project.person()
    place = place_of(project, person)
    for kind in VIEWS.values():
        project.kind(kind)
        project.call(person, "headway.submit", {"kind": kind, "delay_seconds": 3600, "project_id": place})
    assert only(project, person, view).status == "pending"
    assert project.ask(project.person(), f"select 1 from public.{view}") == []
    for statement in (
        f"delete from public.{view} where true",
        f"update public.{view} set status = 'x' where true",
    ):
        for who in (person, SERVICE):
            with pytest.raises(Refused) as refused:
                project.ask(who, statement)
            assert refused.value.code in {"42501", "55000"}
