"""Submitting: whatever is given, once, as whoever asks."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from headway.client import Upload
from headway.core.job import JobRecord
from headway.errors import Conflict, Denied, InvalidRequest, NotFound

from .harness import Shop

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - that is the point


class Payload(BaseModel):
    language: str
    pages: list[int] = []


@dataclass
class Plain:
    n: int


@pytest.mark.parametrize(
    ("payload", "stored"),
    [
        (Payload(language="en", pages=[1, 2]), {"language": "en", "pages": [1, 2]}),
        (Plain(3), {"n": 3}),
        (
            {"when": datetime(2026, 1, 2, tzinfo=UTC), "what": "ü"},
            {"when": "2026-01-02T00:00:00Z", "what": "ü"},
        ),
        ([1, None], [1, None]),
        (None, {}),
    ],
    ids=["model", "dataclass", "rich", "list", "nothing"],
)
async def test_payloads_are_models_or_whatever_becomes_json(shop: Shop, payload: Any, stored: Any) -> None:
    queue = await shop.kind()
    hw = await shop.headway()

    job = await hw.submit(queue.kind, payload)

    assert (job.kind, job.created, job.merged) == (queue.kind, True, None)
    assert (await queue.take()).lease["payload"] == stored


async def test_every_field_arrives(shop: Shop) -> None:
    queue = await shop.kind()
    client = await shop.person()
    hw = await shop.headway(client)
    me = (await client.auth.get_user()).user.id  # type: ignore[union-attr]
    parent = await hw.submit(queue.kind)
    later = datetime.now(UTC) + timedelta(hours=1)

    job = await hw.submit(
        queue.kind,
        id=(chosen := uuid.uuid4()),
        priority=2,
        run_at=later,
        idempotency_key="once",
        idempotency_seconds=60,
        parent_id=parent.id,
        tags=["a", "b c"],
        retention=timedelta(hours=2),
        max_attempts=1,
        cost_budget=Decimal("0.5"),
        notify={"webhook": "https://example.com/hook"},
    )

    snapshot = await job.snapshot()
    assert job.id == snapshot.id == chosen
    assert (snapshot.priority, snapshot.run_at, snapshot.tags) == (2, later, ("a", "b c"))
    assert (snapshot.max_attempts, str(snapshot.owner_id), snapshot.parent_id) == (1, me, parent.id)
    assert snapshot.cost is not None
    assert snapshot.cost.budget == Decimal("0.5")
    delayed = await hw.submit(queue.kind, delay=timedelta(minutes=1), tags="single")
    row = await delayed.snapshot()
    assert (row.status, row.tags) == ("pending", ("single",))
    assert timedelta(seconds=50) < row.run_at - row.created_at <= timedelta(seconds=61)


async def test_keys_find_the_earlier_job(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    first = await hw.submit(queue.kind, idempotency_key="k")
    again = await hw.submit(queue.kind, idempotency_key="k")
    unique = await hw.submit(queue.kind, unique_key="u")
    same = await hw.submit(queue.kind, unique_key="u")
    by_id = await hw.submit(queue.kind, id=first.id, idempotency_key="k")

    assert (again.id, again.created, again.merged) == (first.id, False, "idempotency_key")
    assert (same.id, same.merged) == (unique.id, "unique_key")
    assert (by_id.id, by_id.merged) == (first.id, "id")


async def test_an_organization_and_its_project_own_what_their_members_submit(shop: Shop) -> None:
    queue = await shop.kind()
    member, stranger = await shop.person(), await shop.headway()
    user = (await member.auth.get_user()).user  # type: ignore[union-attr]
    org = await shop.engine.organization()
    await shop.engine.admin.execute(
        "insert into public.organization_members (organization_id, user_id, role) values ($1, $2, 'editor')",
        org,
        uuid.UUID(user.id),
    )
    project = await shop.engine.project(organization=org)
    hw = await shop.headway(member)

    job = await hw.submit(queue.kind, organization_id=org, project_id=project)

    snapshot = await job.snapshot()
    assert (snapshot.organization_id, snapshot.project_id) == (org, project)
    with pytest.raises(NotFound):
        await stranger.get(job.id)
    with pytest.raises((Denied, NotFound)):
        await stranger.submit(queue.kind, organization_id=org)


async def test_many_at_once_are_all_or_none_and_one_batch(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    batch = await hw.submit_many(
        [{"kind": queue.kind, "payload": Payload(language="en"), "tags": ["x"]} for _ in range(30)],
        batch_name="thirty",
    )
    assert len(batch) == 30
    assert (await batch.snapshot()).total == 30
    with pytest.raises(InvalidRequest) as refusal:
        await hw.submit_many([{"kind": queue.kind}, {"kind": queue.kind, "priority": 70}])
    assert refusal.value.details == "jobs[1].priority"
    with pytest.raises(InvalidRequest) as refusal:
        await hw.submit_many([{"kind": queue.kind}, {"kind": "no.such"}])
    assert (refusal.value.code, refusal.value.details) == ("HW107", "jobs[1].kind")
    assert len(await hw.list(kind=queue.kind, limit=100)) == 30
    unnamed = await hw.submit_many([{"kind": queue.kind}])
    with pytest.raises(InvalidRequest):
        await unnamed.snapshot()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"priority": 10}, "priority"),
        ({"payload": "a\0b"}, "payload"),
        ({"payload": {"x": float("nan")}}, "payload.x"),
        ({"payload": len}, "payload"),
        ({"delay": -1}, "delay_seconds"),
        ({"run_at": NAIVE}, "run_at"),
        ({"tags": ["x" * 65]}, "tags[0]"),
        ({"tags": 5}, "tags"),
        ({"files": ["cv.pdf"]}, "files"),
        ({"files": {"": b"x"}}, "files[0].name"),
        ({"files": {5: b"x"}}, "files[0].name"),
        ({"notify": {"webhook": "ftp://x"}}, "notify.webhook"),
        ({"retention": 1}, "retention_seconds"),
        ({"debounce_seconds": 5}, "debounce_key"),
    ],
    ids=str,
)
async def test_what_the_engine_would_refuse_is_refused_before_it_is_sent(
    shop: Shop, fields: dict[str, Any], field: str
) -> None:
    hw = await shop.headway()
    with pytest.raises(InvalidRequest) as refusal:
        await hw.submit("test.any", **fields)
    assert refusal.value.details == field
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("jobs", "field"),
    [(None, "jobs"), (["test.any"], "jobs[0]"), ([{"kind": "test.any"}, None], "jobs[1]"), ([], "jobs")],
    ids=str,
)
async def test_what_are_no_jobs_are_refused_before_they_are_sent(shop: Shop, jobs: Any, field: str) -> None:
    hw = await shop.headway()
    with pytest.raises(InvalidRequest) as refusal:
        await hw.submit_many(jobs)
    assert refusal.value.details == field
    assert refusal.value.hint


async def test_refusals_of_the_engine_name_field_and_remedy(shop: Shop) -> None:
    queue = await shop.kind(payload_schema={"type": "object", "required": ["language"]})
    hw = await shop.headway()
    with pytest.raises(InvalidRequest) as refusal:
        await hw.submit(queue.kind, {})
    assert (refusal.value.code, refusal.value.details) == ("HW100", "payload.language")
    with pytest.raises(InvalidRequest) as refusal:
        await hw.submit(queue.kind[:-1], {})
    assert queue.kind in str(refusal.value.hint)
    first = await hw.submit(queue.kind, {"language": "en"})
    other = await shop.headway()
    with pytest.raises(Conflict):
        await other.submit(queue.kind, {"language": "en"}, id=first.id)


async def test_files_go_with_the_job_and_are_not_left_behind_without_one(shop: Shop, tmp_path: Any) -> None:
    queue = await shop.kind()
    client = await shop.person()
    hw = await shop.headway(client)
    path = tmp_path / "cv.pdf"
    path.write_bytes(b"%PDF-1.4 a")

    job = await hw.submit(
        queue.kind, files={"cv": path, "note": Upload(b"hello", name="note.txt", content_type="text/plain")}
    )

    files = {file.name: file for file in await job.files()}
    assert {name: file.bytes for name, file in files.items()} == {"cv": 10, "note": 5}
    assert [file["name"] for file in (await queue.take()).lease["files"]] == ["cv", "note"]
    assert (await job.download("note", tmp_path / "back.txt")).read_bytes() == b"hello"
    assert (await job.signed_url("cv")).startswith(shop.stack.url)
    with pytest.raises(NotFound) as missing:
        await job.download("nothing", tmp_path / "x")
    assert missing.value.details == "name"

    async def stored() -> int:
        return int(
            await shop.engine.admin.fetchval("select count(*) from storage.objects where owner_id = $1", me)
        )

    me = (await client.auth.get_user()).user.id  # type: ignore[union-attr]
    before = await stored()
    with pytest.raises(InvalidRequest):
        await hw.submit("no.such.kind", files={"cv": path})
    found = await hw.submit(queue.kind, files={"cv": path}, id=job.id)
    assert (found.merged, await stored()) == ("id", before)


async def test_whenever_a_submission_is_cancelled_there_is_a_job_with_its_files_or_neither(
    shop: Shop,
) -> None:
    queue = await shop.kind()
    client = await shop.person()
    hw = await shop.headway(client)
    await hw.list()
    files = {"a": b"x" * 20_000, "b": b"y"}
    for turns in range(0, 6000, 250):
        submitting = asyncio.create_task(hw.submit(queue.kind, files=files))
        for _ in range(turns):
            await asyncio.sleep(0)
        submitting.cancel()
        await asyncio.wait({submitting})
    me = await hw.connection.owner()
    stored = await shop.engine.admin.fetch("select name from storage.objects where owner_id = $1", me)
    named = await shop.engine.admin.fetch(
        "select f.path from headway.job_files f join headway.jobs j on j.id = f.job_id"
        " where j.owner_id = $1::uuid",
        me,
    )
    assert {row["name"] for row in stored} == {row["path"] for row in named}


async def test_lists_have_filters_and_pages(shop: Shop) -> None:
    queue, other = await shop.kind(), await shop.kind()
    hw = await shop.headway()
    batch = await hw.submit_many(
        [{"kind": queue.kind, "tags": ["even", 'q"u,o{t}e'] if n % 2 == 0 else []} for n in range(25)],
        batch_name="b",
    )
    await hw.submit(other.kind)
    await batch.jobs[0].cancel("because")

    seen: list[JobRecord] = []
    cursor: str | None = None
    while True:
        page = await hw.list(kind=queue.kind, limit=10, cursor=cursor)
        seen += page
        if (cursor := page.next_cursor) is None:
            break
    assert {job.id for job in seen} == {job.id for job in batch.jobs}
    assert len(seen) == 25
    assert [job.created_at for job in seen] == sorted((job.created_at for job in seen), reverse=True)
    assert len(await hw.list(tags=["even", 'q"u,o{t}e'])) == 13
    assert len(await hw.list(tags=["even"], status="cancelled")) == 1
    assert len(await hw.list(status=["pending", "cancelled"], batch_id=batch.id)) == 25
    assert len(await hw.active(kind=[queue.kind, other.kind])) == 25
    assert len(await hw.list(since=datetime.now(UTC) + timedelta(hours=1))) == 0
    for wrong in (
        {"cursor": "x"},
        {"limit": 0},
        {"status": "done"},
        {"batch_id": "x"},
        {"since": NAIVE},
    ):
        with pytest.raises(InvalidRequest) as refusal:
            await hw.list(**wrong)  # type: ignore[arg-type]
        assert refusal.value.details in wrong


async def test_many_tasks_share_one_client(shop: Shop) -> None:
    queue = await shop.kind()
    hw = await shop.headway()
    jobs = await asyncio.gather(*(hw.submit(queue.kind, {"n": n}) for n in range(50)))
    assert len({job.id for job in jobs}) == 50
