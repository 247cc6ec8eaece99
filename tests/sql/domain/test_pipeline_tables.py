"""Tables of the talk track, document, video and discovery pipelines: refusals and ownership."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from support.people import SERVICE, Person, Project, Refused


@pytest.fixture
def owner(project: Project) -> Person:
    return project.person()


@pytest.fixture
def team(project: Project) -> dict[str, Any]:
    """An organisation with a project, and everybody around it."""
    people = {role: project.person(role) for role in ("owner", "editor", "viewer", "stranger")}
    org = project.organization(people["owner"], editor=people["editor"], viewer=people["viewer"])
    (row,) = project.ask(
        people["editor"],
        "insert into public.projects (name, organization_id) values ('p', %s) returning id",
        org,
    )
    return people | {"org": org, "project": str(row.id)}


def insert(project: Project, person: Person, table: str, **values: Any) -> Any:
    columns = ", ".join(values)
    marks = ", ".join(["%s"] * len(values))
    converted = [json.dumps(v) if isinstance(v, dict | list) else v for v in values.values()]
    (row,) = project.ask(
        person, f"insert into public.{table} ({columns}) values ({marks}) returning *", *converted
    )
    return row


def job(project: Project, person: Person, kind: str = "test.echo", **body: Any) -> str:
    project.kind(kind)
    return str(project.call(person, "headway.submit", {"kind": kind} | body)["id"])


SLIDES = [{"position": 1, "text": "Welcome.", "seconds": 12.5}]
ARTICLE = {"type": "doc", "content": [{"type": "paragraph"}]}


def rows_of_everything(project: Project, team: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """For each table one valid row, as a worker writes it."""
    user, where = team["editor"].id, team["project"]
    deck, video, chapter, campaign = (str(uuid.uuid4()) for _ in range(4))
    path = f"org/{team['org']}/{uuid.uuid4()}.mp4"
    return {
        "slide_decks": {"id": deck, "project_id": where, "user_id": user, "title": "Deck"},
        "slides": {"deck_id": deck, "position": 1, "title": "One"},
        "talk_tracks": {
            "project_id": where, "user_id": user, "deck_id": deck, "job_id": job(project, team["editor"]),
            "slides": SLIDES, "total_duration_seconds": 12,
        },
        "documents": {"job_id": job(project, team["editor"]), "project_id": where, "html": "<h1>Hello</h1>"},
        "videos": {"id": video, "project_id": where, "user_id": user, "storage_path": path},
        "video_segments": {"video_id": video, "position": 0, "start_seconds": 0, "end_seconds": 1.5},
        "chapters": {
            "id": chapter, "project_id": where, "video_id": video, "slug": "intro", "title": "Intro",
        },
        "articles": {
            "project_id": where, "chapter_id": chapter, "language": "en", "slug": "intro", "title": "Intro",
            "content_json": ARTICLE,
        },
        "campaigns": {
            "id": campaign, "organization_id": team["org"], "business_type": "bakery",
            "location": "Berlin",
        },
        "leads": {"campaign_id": campaign, "place_id": "p1", "business_name": "Brot", "score": 80},
    }  # fmt: skip


BAD: list[tuple[str, dict[str, Any]]] = [
    ("slide_decks", {"title": " "}),
    ("slides", {"position": 0}),
    ("talk_tracks", {"status": "unknown"}),
    ("talk_tracks", {"slides": []}),
    ("talk_tracks", {"slides": {}}),
    ("talk_tracks", {"slides": [1]}),
    ("talk_tracks", {"slides": [{"position": 1, "seconds": 5}]}),
    ("talk_tracks", {"slides": [{"position": 1, "text": "x", "seconds": -1}]}),
    ("talk_tracks", {"slides": [{"position": "1", "text": "x", "seconds": 1}]}),
    ("talk_tracks", {"total_duration_seconds": -1}),
    ("documents", {"html": ""}),
    ("documents", {"html": "<p>x</p><script>alert(1)</script>"}),
    ("documents", {"html": "<iframe src=x>"}),
    ("documents", {"html": "< / script >"}),
    ("documents", {"html": "<META http-equiv=refresh>"}),
    ("documents", {"project_id": None}),
    ("videos", {"status": "done"}),
    ("videos", {"status": "failed"}),
    ("videos", {"storage_path": "movie.mp4"}),
    ("videos", {"storage_path": f"{uuid.uuid4()}/../secret.mp4"}),
    ("videos", {"storage_path": f"org/{uuid.uuid4()}/"}),
    ("videos", {"language": "English"}),
    ("videos", {"vtt_content": "1\n00:00"}),
    ("videos", {"vtt_languages": {"de": 1}}),
    ("videos", {"vtt_languages": {"de": "no header"}}),
    ("video_segments", {"end_seconds": -1}),
    ("video_segments", {"start_seconds": 2}),
    ("chapters", {"slug": "Not A Slug"}),
    ("chapters", {"sections": [{}]}),
    ("chapters", {"sections": ["x"]}),
    ("chapters", {"sections": [[{"title": "x"}]]}),
    ("articles", {"content_json": {}}),
    ("articles", {"content_json": {"type": "paragraph"}}),
    ("articles", {"content_json": {"type": "doc", "content": {}}}),
    ("articles", {"content_json": [ARTICLE]}),
    ("articles", {"status": "live"}),
    ("campaigns", {"budget": -1}),
    ("campaigns", {"max_results": 0}),
    ("campaigns", {"qualified_leads": 1}),
    ("campaigns", {"average_confidence": 101}),
    ("campaigns", {"config": []}),
    ("campaigns", {"organization_id": None}),
    ("leads", {"score": 101}),
    ("leads", {"cost": -0.000001}),
    ("leads", {"verification": "fine"}),
    ("leads", {"website": "javascript:x"}),
    ("leads", {"contact_email": "nobody"}),
]


@pytest.mark.parametrize("table", list(dict.fromkeys(table for table, _ in BAD)))
def test_what_cannot_be_stored(project: Project, team: dict[str, Any], table: str) -> None:
    valid = rows_of_everything(project, team)
    for name, values in valid.items():
        if name == table:
            break
        insert(project, SERVICE, name, **values)
    for bad in (values for name, values in BAD if name == table):
        with pytest.raises(Refused) as refused:
            insert(project, SERVICE, table, **(valid[table] | bad))
        assert refused.value.code == "23514", (bad, refused.value)
    insert(project, SERVICE, table, **valid[table])


def test_updated_at_follows_every_change(project: Project, team: dict[str, Any]) -> None:
    valid = rows_of_everything(project, team)
    for table, values in valid.items():
        row = insert(project, SERVICE, table, **values)
        (changed,) = project.ask(
            SERVICE, f"update public.{table} set id = id where id = %s returning updated_at", row.id
        )
        assert changed.updated_at > row.updated_at, table


def test_upserts_find_their_row(project: Project, team: dict[str, Any]) -> None:
    valid = rows_of_everything(project, team)
    for table, values in valid.items():
        insert(project, SERVICE, table, **values)
    for table, key in (
        ("talk_tracks", "job_id"), ("documents", "job_id"), ("video_segments", "video_id, position"),
        ("chapters", "project_id, slug"), ("articles", "chapter_id, language"),
        ("leads", "campaign_id, place_id"),
    ):  # fmt: skip
        values = {
            name: json.dumps(v) if isinstance(v, dict | list) else v for name, v in valid[table].items()
        }
        project.ask(
            SERVICE,
            f"insert into public.{table} ({', '.join(values)}) values ({', '.join(['%s'] * len(values))})"
            f" on conflict ({key}) do update set updated_at = now()",
            *values.values(),
        )
        first = key.split(",")[0]
        assert len(project.owner(f"select 1 from public.{table} where {first} = %s", values[first])) == 1, (
            table
        )


def test_a_document_goes_with_its_job(project: Project, owner: Person) -> None:
    identity = job(project, owner)
    insert(project, SERVICE, "documents", job_id=identity, user_id=owner.id, html="<p>x</p>")
    assert project.ask(owner, "select html from public.documents")[0].html == "<p>x</p>"
    assert project.ask(project.person(), "select html from public.documents") == []
    project.owner("delete from headway.jobs where id = %s", identity)
    assert project.owner("select 1 from public.documents where job_id = %s", identity) == []


def test_a_deck_is_renumbered_at_once(project: Project, team: dict[str, Any]) -> None:
    editor = team["editor"]
    deck = insert(project, editor, "slide_decks", project_id=team["project"], title="Deck").id
    for position in (1, 2, 3):
        insert(project, editor, "slides", deck_id=deck, position=position)
    project.ask(editor, "update public.slides set position = 4 - position where deck_id = %s", deck)
    with pytest.raises(Refused) as refused:
        project.ask(editor, "update public.slides set position = 1 where deck_id = %s", deck)
    assert refused.value.code == "23505"
    assert project.ask(team["viewer"], "update public.slides set title = 'x' where true returning 1") == []
    assert len(project.ask(team["viewer"], "select 1 from public.slides where deck_id = %s", deck)) == 3
    assert project.ask(team["stranger"], "select 1 from public.slides where deck_id = %s", deck) == []


def test_a_video_lies_in_a_folder_of_its_uploader(project: Project, team: dict[str, Any]) -> None:
    editor = team["editor"]
    for path, allowed in (
        (f"org/{team['org']}/a.mp4", True),
        (f"{editor.id}/a.mp4", True),
        (f"{team['owner'].id}/a.mp4", False),
        (f"org/{uuid.uuid4()}/a.mp4", False),
    ):
        if allowed:
            insert(project, editor, "videos", project_id=team["project"], storage_path=path)
        else:
            with pytest.raises(Refused) as refused:
                insert(project, editor, "videos", project_id=team["project"], storage_path=path)
            assert refused.value.code == "42501"
    with pytest.raises(Refused):
        insert(
            project,
            team["viewer"],
            "videos",
            project_id=team["project"],
            storage_path=f"{team['viewer'].id}/a",
        )


def test_nothing_hangs_between_two_projects(project: Project, team: dict[str, Any]) -> None:
    valid = rows_of_everything(project, team)
    insert(project, SERVICE, "videos", **valid["videos"])
    insert(project, SERVICE, "chapters", **valid["chapters"])
    (other,) = project.ask(team["editor"], "insert into public.projects (name) values ('mine') returning id")
    for table, values, field in (
        ("chapters", valid["chapters"] | {"id": str(uuid.uuid4()), "slug": "other"}, "video_id"),
        ("articles", valid["articles"], "chapter_id"),
    ):
        for who in (SERVICE, team["editor"]):
            chosen = values | {"project_id": str(other.id)}
            with pytest.raises(Refused) as refused:
                insert(project, who, table, **chosen)
            assert (refused.value.code, refused.value.detail) == ("HW202", field)


def test_publishing_is_dated(project: Project, team: dict[str, Any]) -> None:
    valid = rows_of_everything(project, team)
    for table in ("videos", "chapters"):
        insert(project, SERVICE, table, **valid[table])
    row = insert(project, SERVICE, "articles", **valid["articles"])
    assert row.published_at is None
    set_status = "update public.articles set status = %s where id = %s returning published_at"
    assert project.ask(team["editor"], set_status, "published", row.id)[0].published_at is not None
    assert project.ask(team["editor"], set_status, "draft", row.id)[0].published_at is None
    assert project.ask(team["viewer"], set_status, "published", row.id) == []


def test_a_campaign_is_planned_by_a_person_and_run_by_a_worker(project: Project, owner: Person) -> None:
    row = insert(project, owner, "campaigns", business_type="bakery", location="Berlin", budget="1.250001")
    assert (str(row.user_id), row.status, str(row.budget)) == (owner.id, "draft", "1.250001")
    for column, value in (
        ("status", "completed"),
        ("total_cost", 0),
        ("budget", 1000),
        ("user_id", owner.id),
    ):
        with pytest.raises(Refused) as refused:
            project.ask(owner, f"update public.campaigns set {column} = %s where id = %s", value, row.id)
        assert refused.value.code == "42501", column
    for n in range(3):
        insert(
            project, SERVICE, "leads", campaign_id=str(row.id), place_id=str(n), business_name="x", score=50,
            cost="0.100001",
        )  # fmt: skip
    project.ask(
        SERVICE,
        "update public.campaigns c set businesses_found = 3, qualified_leads = 3, leads_enriched = 3,"
        " total_cost = (select sum(l.cost) from public.leads l where l.campaign_id = c.id) where id = %s",
        row.id,
    )
    (seen,) = project.ask(owner, "select * from public.campaign_overview")
    assert (str(seen.total_cost), str(seen.cost_per_lead)) == ("0.300003", "0.100001")
    assert len(project.ask(owner, "select 1 from public.leads")) == 3
    for relation in ("campaigns", "leads", "campaign_overview"):
        assert project.ask(project.person(anonymous=True), f"select 1 from public.{relation}") == []
    assert len(project.ask(SERVICE, "select 1 from public.campaign_overview where id = %s", row.id)) == 1


def test_an_account_that_goes_leaves_its_organisations_rows(project: Project, team: dict[str, Any]) -> None:
    valid = rows_of_everything(project, team)
    for table, values in valid.items():
        insert(project, SERVICE, table, **values)
    mine = insert(project, team["editor"], "campaigns", business_type="b", location="l")
    project.owner("delete from auth.users where id = %s", team["editor"].id)
    for table, values in valid.items():
        key = "id" if "id" in values else next(k for k in values if k.endswith("_id"))
        assert project.owner(f"select 1 from public.{table} where {key} = %s", values[key]), table
    assert project.owner("select 1 from public.campaigns where id = %s", mine.id) == []


def test_a_talk_track_is_of_a_deck_of_its_project(project: Project, team: dict[str, Any]) -> None:
    kind = project.kind("talk_track.generate")
    editor = team["editor"]
    deck = str(insert(project, editor, "slide_decks", project_id=team["project"], title="Deck").id)
    insert(project, editor, "slides", deck_id=deck, position=1, title="One")
    (other,) = project.ask(
        editor,
        "insert into public.projects (name, organization_id) values ('o', %s) returning id",
        team["org"],
    )
    inline = {"slides": [{"title": "x"}]}

    def submit(**body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = project.call(editor, "headway.submit", {"kind": kind} | body)
        return answer

    for payload, where, code, field in (
        ({"deck_id": deck}, None, "HW102", "project_id"),
        (inline, None, "HW102", "project_id"),
        ({"deck_id": deck}, str(other.id), "HW301", "payload.deck_id"),
        ({"deck_id": str(uuid.uuid4())}, team["project"], "HW301", "payload.deck_id"),
        ({"deck_id": "x"}, team["project"], "HW301", "payload.deck_id"),
    ):
        with pytest.raises(Refused) as refused:
            submit(payload=payload, **({"project_id": where} if where else {}))
        assert (refused.value.code, refused.value.detail) == (code, field)
        assert refused.value.hint
    assert submit(payload={"deck_id": deck.upper()}, project_id=team["project"])["created"] is True
    assert submit(payload=inline, project_id=str(other.id))["created"] is True
    # A debounced job takes a new payload, which is looked at as well.
    late = {"project_id": team["project"], "debounce_key": "d", "debounce_seconds": 60}
    submit(payload={"deck_id": deck}, **late)
    with pytest.raises(Refused) as refused:
        submit(payload={"deck_id": str(uuid.uuid4())}, **late)
    assert refused.value.code == "HW301"
    # Other kinds may name their fields as they like.
    assert job(project, editor, payload={"deck_id": "x", "slides": 1})


def test_a_talk_that_cannot_be_written_is_refused_before_a_job_exists(
    project: Project, team: dict[str, Any]
) -> None:
    kind = project.kind("talk_track.generate")
    editor = team["editor"]
    empty, long, whole = (
        str(insert(project, editor, "slide_decks", project_id=team["project"], title="Deck").id)
        for _ in range(3)
    )
    insert(project, editor, "slides", deck_id=empty, position=1, title=" ", body="\n")
    insert(project, editor, "slides", deck_id=long, position=1, title="x")
    insert(project, editor, "slides", deck_id=long, position=7, body="x" * 11_999, speaker_hints="xx")
    insert(project, editor, "slides", deck_id=whole, position=1, body=" " + "x" * 12_000 + "\n")

    def submit(payload: dict[str, Any]) -> dict[str, Any]:
        body = {"kind": kind, "payload": payload, "project_id": team["project"]}
        answer: dict[str, Any] = project.call(editor, "headway.submit", body)
        return answer

    def told(**options: Any) -> dict[str, Any]:
        return {"slides": [{"title": "x"}], "options": options}

    for payload, field, words in (
        ({"deck_id": empty}, "payload.deck_id", "no text on any slide"),
        ({"deck_id": long}, "payload.deck_id", "slide 7 has more than 12000 characters"),
        ({"slides": [{}, {"title": " ", "body": None}]}, "payload.slides", "no text on any slide"),
        ({"slides": [{"title": "x"}, {"body": "x" * 12_001}]}, "payload.slides", "slide 2 has more than"),
        ({"slides": [{"body": "x" * 11_000}] * 91}, "payload.slides", "more than 1000000 characters"),
        (told(language="klingonish"), "payload.options.language", "language tag"),
        (told(language=""), "payload.options.language", "language tag"),
        (told(audience=" \n"), "payload.options.audience", "is blank"),
    ):
        with pytest.raises(Refused, match=words) as refused:
            submit(payload)
        assert (refused.value.code, refused.value.detail) == ("HW100", field)
        assert refused.value.hint
    for payload in (
        {"deck_id": whole},
        {"slides": [{}, {"speaker_hints": "x"}]},
        {"slides": [{"body": "x" * 12_000}] * 83},
        *(told(language=tag) for tag in ("de", "zh-Hant-TW", "de-u-co-phonebk", None)),
    ):
        assert submit(payload)["created"] is True


def test_a_document_about_nothing_or_of_nobody_is_refused(project: Project, team: dict[str, Any]) -> None:
    kind = project.kind("document.generate")
    with pytest.raises(Refused, match="is blank") as refused:
        project.call(team["editor"], "headway.submit", {"kind": kind, "payload": {"prompt": " \r\n\t"}})
    assert (refused.value.code, refused.value.detail) == ("HW100", "payload.prompt")
    with pytest.raises(Refused, match="person") as refused:
        project.call(SERVICE, "headway.submit", {"kind": kind, "payload": {"prompt": "x"}})
    assert (refused.value.code, refused.value.detail) == ("HW102", "owner_id")
    body = {"kind": kind, "payload": {"prompt": "x"}, "owner_id": team["editor"].id}
    assert project.call(SERVICE, "headway.submit", body)["created"] is True
