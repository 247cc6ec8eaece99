"""Rows of every relation, told apart by whose they are, for the access matrix.

Tags: ``p`` a person's own (the actor *owner*), ``o`` an organisation's, ``a`` an anonymous session's,
``s`` the service's or everybody's.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from support.people import NOBODY, SERVICE, Person, Project

ACTORS = (
    "anon", "owner", "stranger", "viewer", "writer", "manager", "outsider", "anonymous", "service",
)  # fmt: skip
KIND = "test.echo"
HOOK = "https://hooks.example.com/"


@dataclass
class Seed:
    """Who there is, and which row of a relation is whose."""

    actors: dict[str, Person] = field(default_factory=dict)
    ids: dict[str, dict[str, str]] = field(default_factory=dict)
    """Names that function calls use, by tag: ``job_id``, ``project``, ..."""
    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """Relation -> tag -> the columns that identify the row."""
    inserts: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """Relation -> tag -> a row that could be added; its tag says whose it would be."""

    def add(self, relation: str, tag: str, **key: Any) -> None:
        self.rows.setdefault(relation, {})[tag] = key

    def may_add(self, relation: str, tag: str, **values: Any) -> None:
        self.inserts.setdefault(relation, {})[tag] = values


def sow(project: Project) -> Seed:
    """Fill a fresh project with one of everything for everybody."""
    seed = Seed()
    owner, anonymous = project.person("owner"), project.person(anonymous=True)
    admin, writer, viewer = (project.person(name) for name in ("admin", "writer", "viewer"))
    stranger, outsider = project.person("stranger"), project.person("outsider")
    seed.actors = {
        "anon": NOBODY, "owner": owner, "stranger": stranger, "viewer": viewer, "writer": writer,
        "manager": admin,
        "outsider": outsider, "anonymous": anonymous, "service": SERVICE,
    }  # fmt: skip
    org = project.organization(admin, editor=writer, viewer=viewer)
    project.organization(outsider)
    project.kind(KIND)
    project.kind("test.internal", submitters="service", queue="internal")
    scopes = {
        "p": (owner, {"owner_id": owner.id}),
        "o": (writer, {"owner_id": writer.id, "organization_id": org}),
        "a": (anonymous, {"owner_id": anonymous.id}),
    }
    seed.ids["org"] = {"o": org}
    seed.ids["user_id"] = {"p": str(owner.id), "o": str(writer.id), "a": str(anonymous.id)}
    _tenancy(project, seed, scopes, org, stranger)
    _jobs(project, seed, scopes)
    _schedules_and_outbox(project, seed, scopes)
    _profiles(project, seed, scopes)
    _pipelines(project, seed, scopes)
    return seed


def _insert(project: Project, relation: str, **values: Any) -> Any:
    converted = [json.dumps(v) if isinstance(v, dict) else v for v in values.values()]
    marks = ", ".join(["%s"] * len(values))
    (row,) = project.owner(
        f"insert into {relation} ({', '.join(values)}) values ({marks}) returning *", *converted
    )
    return row


def _tenancy(project: Project, seed: Seed, scopes: dict[str, Any], org: str, stranger: Person) -> None:
    seed.add("public.organizations", "o", id=org)
    seed.may_add("public.organizations", "p", name="New")
    seed.add("public.organization_members", "o", organization_id=org, user_id=scopes["o"][0].id)
    seed.may_add("public.organization_members", "o", organization_id=org, user_id=stranger.id, role="viewer")
    for tag, (person, _) in scopes.items():
        owner = {"organization_id": org} if tag == "o" else {"user_id": person.id}
        row = _insert(project, "public.projects", name=tag, **owner)
        seed.add("public.projects", tag, id=row.id)
        seed.may_add("public.projects", tag, name="New", **owner)
        seed.ids.setdefault("project", {})[tag] = str(row.id)
    _insert(project, "headway.budgets", tenant_id=org, period="day", amount=5)
    seed.add("headway.budgets", "o", tenant_id=org)


def _jobs(project: Project, seed: Seed, scopes: dict[str, Any]) -> None:
    worker = str(uuid.uuid4())
    project.ask(
        SERVICE,
        "select headway.register_worker(%s, 'w', %s::json)",
        worker,
        json.dumps([{"kind": KIND, "queue": "default"}]),
    )
    seed.ids["worker_id"] = {"s": worker}
    seed.add("headway.workers", "s", id=worker)
    seed.add("headway.worker_stats", "s", id=worker)
    seed.add("headway.queues", "s", queue="default")
    seed.add("headway.queue_stats", "s", queue="default")
    seed.add("headway.kinds", "s", kind="test.internal")
    seed.add("headway.kinds", "p", kind=KIND)
    _insert(
        project, "headway.durations", kind=KIND, runs=3, seconds=1.5, deviation=0.5, updated_at="2026-01-01Z"
    )
    seed.add("headway.durations", "p", kind=KIND)
    for tag, (_person, scope) in scopes.items():
        batch = str(uuid.uuid4())
        done, running, failed, waiting = (str(uuid.uuid4()) for _ in range(4))
        bodies = [{"id": i, "kind": KIND, "payload": {"n": tag}, "cost_budget": 10} | scope
                  for i in (done, running, failed)]  # fmt: skip
        project.call(SERVICE, "headway.submit_many", {"jobs": bodies, "batch": {"id": batch}})
        leases = {
            str(lease.job_id): lease
            for lease in project.ask(
                SERVICE, "select * from headway.claim(%s, %s, max_jobs => 3)", worker, str(uuid.uuid4())
            )
        }
        for identity, lease in leases.items():
            fence = (identity, lease.attempt, str(lease.lease_token))
            project.ask(SERVICE, "select headway.checkpoint(%s, %s, %s, 'extract')", *fence)
            project.ask(
                SERVICE,
                "select headway.record_usage(%s, %s, %s, %s, 'openai', 0.01, 1, 'm', 'tokens')",
                *fence,
                str(uuid.uuid4()),
            )
            files = json.dumps([{"name": "out", "bucket": "job-files", "path": f"{identity}/out"}])
            project.ask(SERVICE, "select headway.add_files(%s, %s, %s, %s::json)", *fence, files)
            project.ask(SERVICE, "select headway.signal(%s, 'answer', '1')", identity)
        fence = (running, leases[running].attempt, str(leases[running].lease_token))
        project.ask(
            SERVICE,
            "select headway.submit_children(%s, %s, %s, %s::json)",
            *fence,
            json.dumps([{"kind": KIND, "delay_seconds": 3600}]),
        )
        outcomes = [
            {"job_id": done, "outcome": "completed", "result": {"ok": True}},
            {"job_id": failed, "outcome": "failed", "error": {"code": "broken", "message": "It broke."}},
        ]
        fenced = [
            o | {"attempt": leases[o["job_id"]].attempt, "lease_token": str(leases[o["job_id"]].lease_token)}
            for o in outcomes
        ]
        project.ask(SERVICE, "select headway.finish(%s, %s::json)", worker, json.dumps(fenced))
        project.call(SERVICE, "headway.submit", {"id": waiting, "kind": KIND, "delay_seconds": 3600} | scope)
        seed.add("headway.jobs", tag, id=done)
        seed.add("headway.job_overview", tag, id=done)
        seed.add("headway.failures", tag, job_id=failed)
        seed.add("headway.batches", tag, id=batch)
        for relation in (
            "job_inputs",
            "job_outputs",
            "job_steps",
            "job_files",
            "signals",
            "job_costs",
            "attempts",
        ):
            seed.add(f"headway.{relation}", tag, job_id=done)
        seed.add("headway.job_events", tag, job_id=done, seq=1)
        seed.add("headway.leases", tag, job_id=running)
        seed.add("headway.usage", tag, job_id=done)
        tenant = scope.get("organization_id", scope["owner_id"])
        seed.add("headway.usage_daily", tag, tenant_id=tenant)
        seed.add("headway.spend", tag, tenant_id=tenant)
        for name, value in (
            ("job_id", running), ("done_job", done), ("failed_job", failed), ("waiting_job", waiting),
            ("batch_id", batch), ("token", str(leases[running].lease_token)), ("tenant_id", tenant),
        ):  # fmt: skip
            seed.ids.setdefault(name, {})[tag] = value
    _insert(project, "headway.file_removals", bucket="cvs", path="x")
    seed.add("headway.file_removals", "s", bucket="cvs", path="x")
    job = seed.ids["done_job"]["p"]
    _insert(project, "headway_private.job_aliases", id=str(uuid.uuid4()), job_id=job, reason="id")
    seed.add("headway_private.job_aliases", "p", job_id=job)
    seed.add("headway_private.claim_requests", "s", worker_id=worker)
    _insert(project, "headway_private.watches", topic="job:x", expires_at="infinity")
    seed.add("headway_private.watches", "s", topic="job:x")


def _schedules_and_outbox(project: Project, seed: Seed, scopes: dict[str, Any]) -> None:
    for tag, (_, scope) in scopes.items():
        saved = project.call(
            SERVICE, "headway.put_schedule", {"name": tag, "cron": "@daily", "job": {"kind": KIND} | scope}
        )
        seed.ids.setdefault("schedule_id", {})[tag] = saved["id"]
        seed.add("headway.schedules", tag, id=saved["id"])
        _insert(
            project, "headway.schedule_runs", schedule_id=saved["id"], scheduled_for="2026-01-01Z",
            outcome="skipped", at="2026-01-01Z",
        )  # fmt: skip
        seed.add("headway.schedule_runs", tag, schedule_id=saved["id"])
        made = project.call(
            SERVICE, "headway.create_endpoint", {"channel": "webhook", "target": f"{HOOK}{tag}"} | scope
        )
        seed.ids.setdefault("endpoint_id", {})[tag] = made["id"]
        seed.add("headway.notification_endpoints", tag, id=made["id"])
        seed.add("headway_private.endpoint_secrets", tag, endpoint_id=made["id"])
        message = _insert(
            project, "headway.outbox", endpoint_id=made["id"], event="ping", payload={}, status="dead",
            finished_at="2026-01-01Z", created_at="2026-01-01Z",
        )  # fmt: skip
        seed.ids.setdefault("message_id", {})[tag] = str(message.id)
        seed.add("headway.outbox", tag, id=message.id)
    seed.add("headway.notification_settings", "s", id=True)


def _profiles(project: Project, seed: Seed, scopes: dict[str, Any]) -> None:
    for tag in ("p", "a"):
        person = scopes[tag][0]
        document = {
            "profile": {"first_name": tag},
            "work_experience": [{"title": "Seed"}],
            "board_experience": [{"role": "Seed"}],
            "education": [{"degree": "Seed"}],
        }
        project.owner("select public.apply_profile(%s, %s::jsonb)", person.id, json.dumps(document))
        seed.ids.setdefault("profile", {})[tag] = str(person.id)
        seed.add("public.profiles", tag, id=person.id)
        seed.may_add("public.profiles", tag, id=person.id)
        for table, column in (
            ("work_experience", "title"),
            ("board_experience", "role"),
            ("education", "degree"),
        ):
            seed.add(f"public.{table}", tag, profile_id=person.id)
            seed.may_add(f"public.{table}", tag, **{"profile_id": person.id, column: "New"})
        (link,) = project.ask(person, "select * from public.create_profile_share_link()")
        seed.ids.setdefault("link", {})[tag] = str(link.id)
        seed.ids.setdefault("share_token", {})[tag] = link.token
        seed.add("public.profile_share_links", tag, id=link.id)
        _insert(
            project, "public.profile_views", share_link_id=link.id, day="2026-01-01", profile_id=person.id
        )
        seed.add("public.profile_views", tag, share_link_id=link.id)
        session = _insert(project, "public.interview_sessions", profile_id=person.id)
        seed.add("public.interview_sessions", tag, id=session.id)
        seed.may_add("public.interview_sessions", tag, profile_id=person.id)
        _insert(project, "public.interview_questions", session_id=session.id, field="phone", question="?")
        seed.add("public.interview_questions", tag, session_id=session.id)
        _insert(project, "public.interview_turns", session_id=session.id, seq=0, speaker="user", content="x")
        seed.add("public.interview_turns", tag, session_id=session.id)
        seed.may_add("public.interview_turns", tag, session_id=session.id, seq=1, speaker="user", content="y")
        conflict = _insert(
            project, "public.profile_conflicts", profile_id=person.id, field="phone", known_value="1",
            known_source="cv", heard_value="2",
        )  # fmt: skip
        seed.ids.setdefault("conflict", {})[tag] = str(conflict.id)
        seed.add("public.profile_conflicts", tag, profile_id=person.id)
        _insert(
            project, "public.interview_client_secrets", session_id=session.id, secret="x", model="m",
            expires_at="infinity",
        )  # fmt: skip
        seed.add("public.interview_client_secrets", tag, session_id=session.id)


def _pipelines(project: Project, seed: Seed, scopes: dict[str, Any]) -> None:
    for tag, (person, scope) in scopes.items():
        where = seed.ids["project"][tag]
        folder = f"org/{scope['organization_id']}" if tag == "o" else person.id
        deck = _insert(project, "public.slide_decks", project_id=where, user_id=person.id, title="Deck")
        seed.ids.setdefault("deck", {})[tag] = str(deck.id)
        seed.add("public.slide_decks", tag, id=deck.id)
        seed.may_add("public.slide_decks", tag, project_id=where, title="New")
        _insert(project, "public.slides", deck_id=deck.id, position=1)
        seed.add("public.slides", tag, deck_id=deck.id)
        seed.may_add("public.slides", tag, deck_id=deck.id, position=2)
        slides = '[{"position": 1, "text": "x", "seconds": 1}]'
        track = _insert(
            project, "public.talk_tracks", project_id=where, slides=slides, total_duration_seconds=1
        )
        seed.add("public.talk_tracks", tag, id=track.id)
        document = _insert(
            project, "public.documents", job_id=seed.ids["done_job"][tag], html="<p>x</p>",
            **({"project_id": where} if tag == "o" else {"user_id": person.id}),
        )  # fmt: skip
        seed.add("public.documents", tag, id=document.id)
        video = _insert(project, "public.videos", project_id=where, storage_path=f"{folder}/a.mp4")
        seed.ids.setdefault("video", {})[tag] = str(video.id)
        seed.ids.setdefault("path", {})[tag] = f"{folder}/b.mp4"
        seed.add("public.videos", tag, id=video.id)
        seed.may_add("public.videos", tag, project_id=where, storage_path=f"{folder}/b.mp4")
        _insert(
            project, "public.video_segments", video_id=video.id, position=0, start_seconds=0, end_seconds=1
        )
        seed.add("public.video_segments", tag, video_id=video.id)
        chapter = _insert(
            project, "public.chapters", project_id=where, video_id=video.id, slug="s", title="T"
        )
        seed.add("public.chapters", tag, id=chapter.id)
        seed.may_add("public.chapters", tag, project_id=where, slug="new", title="New")
        content = {"type": "doc", "content": []}
        article = {"project_id": where, "chapter_id": chapter.id, "title": "T", "content_json": content}
        row = _insert(project, "public.articles", language="en", slug="s", **article)
        seed.add("public.articles", tag, id=row.id)
        seed.may_add("public.articles", tag, language="de", slug="s", **article)
        owner = {"organization_id": scope["organization_id"]} if tag == "o" else {"user_id": person.id}
        campaign = _insert(project, "public.campaigns", business_type="b", location="l", **owner)
        seed.add("public.campaigns", tag, id=campaign.id)
        seed.add("public.campaign_overview", tag, id=campaign.id)
        seed.may_add("public.campaigns", tag, business_type="b", location="l", **owner)
        _insert(project, "public.leads", campaign_id=campaign.id, place_id="1", business_name="b", score=1)
        seed.add("public.leads", tag, campaign_id=campaign.id)
        for view, kind in (
            ("cv_processing_jobs", "cv.parse"), ("talk_track_jobs", "talk_track.generate"),
            ("document_jobs", "document.generate"), ("processing_jobs", "video.process"),
            ("discovery_jobs", "discovery.run"),
        ):  # fmt: skip
            project.kind(kind)
            place = where if kind == "video.process" else None
            job = project.call(SERVICE, "headway.submit", {"kind": kind} | scope | {"project_id": place})[
                "id"
            ]
            seed.add(f"public.{view}", tag, **{"job_id" if view == "document_jobs" else "id": job})
