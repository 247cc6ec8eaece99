"""Videos the whole way: app, stack, worker process and Gemini, with faults in between."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from webvtt import WebVTT

from headway import ApiError, JobCancelled, JobFailed
from headway.sandbox.server import SandboxServer
from support.node import Node
from support.stack import TestStack
from support.workers import running_worker
from workers.video.samples.make_sample import SAMPLE_LINES, make_video
from workers.video.vtt import check

from .harness import PATIENCE_S, Office, settled, until
from .videos import GENERATE, KIND, UPLOAD, files_at_the_provider, made, submit

STAGES = ["uploading", "transcribing", "generating_docs", "translating", "complete"]
SAID = [line[2] for line in SAMPLE_LINES]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "tour.mp4")


@pytest.fixture(scope="module", autouse=True)
def worker(
    stack: TestStack, _sandbox_server: SandboxServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """One worker process for all of these tests."""
    environment = {**_sandbox_server.environment, "HEADWAY_VIDEO_POLL_SECONDS": "0.05"}
    log = tmp_path_factory.mktemp("worker") / "log"
    with running_worker(stack, "workers.video", log=log, environment=environment):
        yield


@pytest.fixture(autouse=True)
async def nothing_stays_at_the_provider(office: Office) -> AsyncIterator[None]:
    yield
    assert await files_at_the_provider(office) == []


def failed_row(rows: list[dict[str, Any]]) -> bool:
    return rows[0]["status"] == "failed"


async def test_a_video_becomes_a_documentation_while_its_owner_watches(office: Office, video: Path) -> None:
    owner, stranger = await office.somebody(), await office.somebody()
    project = await owner.project()
    job = await submit(owner, project, video, ["de", "PT_br"])
    updates = [update async for update in job.watch(after_seq=0)]
    result = await job.result()

    assert [u.event.stage for u in updates if u.event and u.event.type == "stage_started"] == STAGES
    percents = [update.percent for update in updates]
    assert percents == sorted(percents)
    at_start = {u.event.stage: u.percent for u in updates if u.event and u.event.type == "stage_started"}
    assert (at_start["transcribing"], at_start["generating_docs"], at_start["translating"]) == (20, 30, 55)
    assert (at_start["complete"], percents[-1]) == (100, 100)
    assert (result["language"], result["segments"], result["sandbox"]) == ("en", 5, True)
    assert [each["status"] for each in result["languages"]] == ["completed", "completed"]

    seen = await made(owner)
    (row,) = seen["videos"]
    assert (row["status"], row["language"], row["id"]) == ("ready", "en", result["video_id"])
    assert 24 <= row["duration_seconds"] < 24.5
    check(row["vtt_content"])
    assert [cue.start for cue in WebVTT.from_string(row["vtt_content"]).captions][:1] == ["00:00:00.000"]
    assert " ".join(WebVTT.from_string(row["vtt_content"]).captions[0].lines) == SAID[0]
    assert set(row["vtt_languages"]) == {"de", "pt-BR"}
    for language, vtt in row["vtt_languages"].items():
        check(vtt)
        assert f"[{language}] Welcome to Harbour." in " ".join(vtt.split())
    segments = sorted(seen["video_segments"], key=lambda segment: segment["position"])
    assert [segment["spoken_content"] for segment in segments] == SAID
    assert all(segment["visual_context"].endswith("picture.") for segment in segments)
    chapters = sorted(seen["chapters"], key=lambda chapter: chapter["position"])
    assert [chapter["slug"] for chapter in chapters] == result["chapters"]
    assert all(chapter["sections"] for chapter in chapters)
    articles = seen["articles"]
    assert len(articles) == 3 * len(chapters)
    assert {article["language"] for article in articles} == {"en", "de", "pt-BR"}
    assert {article["status"] for article in articles} == {"draft"}
    assert all(article["sandbox"] for article in articles)
    german = next(a for a in articles if a["language"] == "de" and a["chapter_id"] == chapters[0]["id"])
    assert german["slug"] == chapters[0]["slug"]
    assert german["content_text"].startswith("[de] ")

    (view,) = seen["processing_jobs"]
    assert (view["video_id"], view["progress"], view["status"]) == (row["id"], 100, "completed")
    steps = {step["name"]: step["status"] for step in view["steps"]}
    assert {"translate:de", "translate:pt-BR"} <= set(steps)
    assert set(steps.values()) == {"completed"}
    told = [u.event.data["data"] for u in updates if u.event and u.event.name == "article"]
    assert {(a["language"], a["slug"]) for a in told} == {(a["language"], a["slug"]) for a in articles}
    assert await office.usage(job.id) == office.sandbox.sandbox.ledger.total("gemini") > 0
    assert all(rows == [] for rows in (await made(stranger)).values())


@pytest.mark.node
async def test_tiptap_renders_what_was_made(office: Office, video: Path, node: Node, tmp_path: Path) -> None:
    owner = await office.somebody()
    job = await submit(owner, await owner.project(), video, ["ja"])
    await job.result(timeout=PATIENCE_S)
    articles = [
        {"markdown": article["title"], "document": article["content_json"]}
        for article in await owner.rows("articles")
    ]
    assert len(articles) == 6
    given_to_node = tmp_path / "articles.json"
    given_to_node.write_text(json.dumps(articles))
    node.test("articles.test.mjs", {"HEADWAY_ARTICLES": str(given_to_node)}, tmp_path)


async def test_a_language_that_fails_is_told_and_a_retry_does_that_one_alone(
    office: Office, video: Path
) -> None:
    owner = await office.somebody()
    sandbox = office.sandbox.sandbox
    project = await owner.project()
    sandbox.faults.add("slow", path="generateContent", times=1 + 1 + 3, seconds=0)
    sandbox.faults.add("refusal", path="generateContent", times=1)
    job = await submit(owner, project, video, ["de", "fr"])
    result = await job.result(timeout=PATIENCE_S)
    (failed,) = [each for each in result["languages"] if each["status"] == "failed"]
    (other,) = [each["language"] for each in result["languages"] if each["status"] == "completed"]
    assert failed["error_code"] == "content_filtered"
    assert failed["error_message"]
    (row,) = await owner.rows("videos")
    assert (row["status"], set(row["vtt_languages"])) == ("ready", {other})
    calls = sandbox.requests.of(GENERATE)

    await job.retry()
    again = await job.result(timeout=PATIENCE_S)
    assert [each["status"] for each in again["languages"]] == ["completed", "completed"]
    assert sandbox.requests.of(GENERATE) - calls == 4
    (row,) = await owner.rows("videos")
    assert set(row["vtt_languages"]) == {"de", "fr"}
    assert len(await owner.rows("articles")) == 9


async def test_a_cancelled_job_leaves_nothing_at_the_provider(office: Office, video: Path) -> None:
    owner = await office.somebody()
    sandbox = office.sandbox.sandbox
    sandbox.faults.add("timeout", path="generateContent", seconds=600)
    job = await submit(owner, await owner.project(), video, ["de"])
    await until(lambda: sandbox.requests.of(GENERATE) == 1)
    assert len(await files_at_the_provider(office)) == 1
    await job.cancel("enough")
    with pytest.raises(JobCancelled):
        await job.result(timeout=10)
    (row,) = await settled(lambda: owner.rows("videos"), failed_row)
    assert (row["status"], row["error_message"]) == ("failed", "The job was cancelled. enough")
    assert await files_at_the_provider(office) == []


async def test_what_could_not_be_deleted_goes_with_the_next_video(office: Office, video: Path) -> None:
    owner = await office.somebody()
    sandbox = office.sandbox.sandbox
    project = await owner.project()
    sandbox.faults.add("timeout", path="generateContent", seconds=600)
    job = await submit(owner, project, video)
    await until(lambda: sandbox.requests.of(GENERATE) == 1)
    sandbox.faults.add("503", path=f"files/{job.id.hex}")
    await job.cancel()
    with pytest.raises(JobCancelled):
        await job.result(timeout=PATIENCE_S)
    await until(lambda: sandbox.requests.as_dict()["faults"].get("503") == 1)
    sandbox.faults.clear()
    assert await files_at_the_provider(office) == [f"files/{job.id.hex}-1"]
    await (await submit(owner, project, video)).result(timeout=PATIENCE_S)
    assert await files_at_the_provider(office) == []


async def test_faults_that_pass_are_outlived(office: Office, video: Path) -> None:
    owner = await office.somebody()
    faults = office.sandbox.sandbox.faults
    faults.add("503", path=UPLOAD, times=1)
    faults.add("429", path="generateContent", times=1, retry_after=0.1)
    faults.add("malformed", path="generateContent", times=1)
    faults.add("500", path="generateContent", times=1)
    faults.add("truncated", path="generateContent", times=1)
    job = await submit(owner, await owner.project(), video)
    result = await job.result(timeout=PATIENCE_S)
    assert result["segments"] == 5
    assert await office.usage(job.id) == office.sandbox.sandbox.ledger.total("gemini")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("quota", "provider_quota_exhausted"),
        ("refusal", "content_filtered"),
        ("content_filter", "content_filtered"),
        ("context_length", "prompt_too_long"),
    ],
)
async def test_what_the_model_will_not_do_ends_the_job_with_a_reason(
    office: Office, video: Path, kind: Any, code: str
) -> None:
    owner = await office.somebody()
    office.sandbox.sandbox.faults.add(kind, path="generateContent")
    job = await submit(owner, await owner.project(), video)
    with pytest.raises(JobFailed) as failed:
        await job.result(timeout=PATIENCE_S)
    assert failed.value.code == code
    (row,) = await settled(lambda: owner.rows("videos"), failed_row)
    assert (row["status"], row["error_code"]) == ("failed", code)
    # Once, and not again: another attempt would not change it.
    assert office.sandbox.sandbox.requests.of(GENERATE) == 1


async def test_what_is_no_video_is_told_as_such(office: Office, tmp_path: Path) -> None:
    owner = await office.somebody()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\x00\x00\x00\x18ftypmp42" + os.urandom(5000))
    job = await submit(owner, await owner.project(), broken)
    with pytest.raises(JobFailed) as failed:
        await job.result(timeout=PATIENCE_S)
    assert (failed.value.code, failed.value.message.split(":")[0]) == ("video_unreadable", "video")
    (row,) = await settled(lambda: owner.rows("videos"), failed_row)
    assert (row["status"], row["error_code"]) == ("failed", "video_unreadable")


async def test_the_budget_ends_the_job_before_it_is_passed(office: Office, video: Path) -> None:
    owner = await office.somebody()
    job = await submit(owner, await owner.project(), video, cost_budget="0.000001")
    with pytest.raises(JobFailed) as failed:
        await job.result(timeout=PATIENCE_S)
    assert failed.value.code == "HW501"
    assert office.sandbox.sandbox.ledger.total() == 0


async def test_a_small_budget_is_not_given_up_because_calls_are_under_way_together(
    office: Office, video: Path
) -> None:
    owner = await office.somebody()
    # The most that two articles at once can cost is more, what all calls do cost is a tenth of it.
    job = await submit(owner, await owner.project(), video, ["de", "fr"], cost_budget="0.09")
    result = await job.result(timeout=PATIENCE_S)
    assert [each["status"] for each in result["languages"]] == ["completed", "completed"]
    assert await office.usage(job.id) == office.sandbox.sandbox.ledger.total("gemini") < Decimal("0.01")


async def test_two_videos_of_a_project_never_write_over_each_other(office: Office, video: Path) -> None:
    owner = await office.somebody()
    project = await owner.project()
    first = await submit(owner, project, video)
    second = await submit(owner, project, video)
    results = [await job.result(timeout=PATIENCE_S) for job in (first, second)]
    (one, two) = (set(result["chapters"]) for result in results)
    assert not one & two
    assert len(await owner.rows("chapters")) == len(one) + len(two)

    # The same video again writes over its own chapters, but not over what was published.
    (article, *_) = [a for a in await owner.rows("articles") if a["slug"] in one]
    published = {"status": "published", "content_text": "by hand"}
    await owner.client.table("articles").update(published).eq("id", article["id"]).execute()
    again = await owner.hw.submit(KIND, {"video_id": results[0]["video_id"]}, project_id=project)
    result = await again.result(timeout=PATIENCE_S)
    assert set(result["chapters"]) == one
    assert result["kept_published"] == 1
    assert len(await owner.rows("chapters")) == len(one) + len(two)
    (kept,) = await owner.rows("articles", id=article["id"])
    assert (kept["status"], kept["content_text"]) == ("published", "by hand")


async def test_a_second_run_replaces_the_first_but_for_what_people_have_made_of_it(
    office: Office, video: Path
) -> None:
    owner = await office.somebody()
    project = await owner.project()
    sandbox = office.sandbox.sandbox
    sandbox.faults.add("slow", path="generateContent", times=1 + 1 + 3, seconds=0)
    sandbox.faults.add("refusal", path="generateContent", times=1)
    first = await submit(owner, project, video, ["de"])
    result = await first.result(timeout=PATIENCE_S)
    draft, published, _ = sorted(await owner.rows("chapters"), key=lambda chapter: chapter["position"])
    chapters = owner.client.table("chapters")
    await chapters.update({"slug": "renamed"}).eq("id", draft["id"]).execute()
    await chapters.update({"slug": "published"}).eq("id", published["id"]).execute()
    article = owner.client.table("articles").update({"status": "published"})
    await article.eq("chapter_id", published["id"]).execute()
    by_hand = {"project_id": project, "video_id": result["video_id"], "slug": "by-hand", "title": "By hand"}
    await chapters.insert(by_hand).execute()

    again = await owner.hw.submit(KIND, {"video_id": result["video_id"]}, project_id=project)
    anew = await again.result(timeout=PATIENCE_S)
    assert anew["chapters"] == result["chapters"]
    found = {chapter["slug"] for chapter in await owner.rows("chapters")}
    assert found == {*anew["chapters"], "published", "by-hand"}

    # What is left of the first job has no chapters to go to any more, and takes none from the second.
    await first.retry()
    late = await first.result(timeout=PATIENCE_S)
    assert [each["error_code"] for each in late["languages"]] == ["chapter_gone"]
    assert {chapter["slug"] for chapter in await owner.rows("chapters")} == found


async def test_a_video_that_another_job_has_taken_meanwhile_is_left_to_it(
    office: Office, video: Path
) -> None:
    owner = await office.somebody()
    project = await owner.project()
    later = timedelta(hours=1)
    row = {"project_id": project, "storage_path": f"{owner.id}/tour.mp4"}
    made_row: Any = (await owner.client.table("videos").insert(row).execute()).data
    named = {"video_id": made_row[0]["id"]}
    job, other = [await owner.hw.submit(KIND, named, project_id=project, delay=later) for _ in range(2)]
    await office.admin.execute(
        "update public.videos set job_id = $1, status = 'processing' where id = $2::uuid",
        other.id,
        made_row[0]["id"],
    )
    await office.take_back(job.id)
    with pytest.raises(JobFailed) as failed:
        await job.result(timeout=PATIENCE_S)
    assert failed.value.code == "video_busy"
    (kept,) = await owner.rows("videos")
    assert (kept["job_id"], kept["status"]) == (str(other.id), "processing")


async def test_a_video_is_what_it_was_uploaded_as_whatever_its_name(office: Office, video: Path) -> None:
    owner = await office.somebody()
    project = await owner.project()
    path = f"{owner.id}/{uuid.uuid4()}"
    await owner.client.storage.from_("videos").upload(path, video, {"content-type": "video/mp4"})
    row = {"project_id": project, "storage_path": path}
    made_row: Any = (await owner.client.table("videos").insert(row).execute()).data
    job = await owner.hw.submit(KIND, {"video_id": made_row[0]["id"]}, project_id=project)
    result = await job.result(timeout=PATIENCE_S)
    assert (result["video_id"], result["segments"]) == (made_row[0]["id"], 5)
    (kept,) = await owner.rows("videos")
    assert (kept["status"], kept["storage_path"]) == ("ready", path)


async def test_organisations_own_their_videos(office: Office, video: Path) -> None:
    boss, editor, viewer, outsider = [await office.somebody() for _ in range(4)]
    organization = await office.organization(boss, editor=editor, viewer=viewer)
    project = await editor.project(organization)
    theirs = await outsider.project()
    job = await submit(editor, project, video, organization_id=organization)
    result = await job.result(timeout=PATIENCE_S)
    for somebody in (viewer, outsider):
        with pytest.raises(ApiError):
            await somebody.hw.submit(KIND, {"video_id": result["video_id"]}, project_id=project)
    # Another project's video cannot be named, although the worker could read it, nor told from none at all.
    refusals = []
    for video_id in (result["video_id"], str(uuid.uuid4())):
        with pytest.raises(ApiError) as refused:
            await outsider.hw.submit(KIND, {"video_id": video_id}, project_id=theirs)
        refusals.append((refused.value.code, refused.value.message))
    assert refusals[0] == refusals[1]
    for member in (boss, editor, viewer):
        seen = await made(member)
        assert (len(seen["videos"]), len(seen["processing_jobs"])) == (1, 1)
        assert len(seen["articles"]) == len(result["chapters"])
    assert all(rows == [] for rows in (await made(outsider)).values())


@pytest.mark.parametrize(
    ("payload", "field"),
    [({"languages": "de"}, "languages"), ({"languages": ["de"] * 51}, "languages"), ({"x": 1}, "x")],
)
async def test_wrong_payloads_never_become_jobs(office: Office, payload: dict[str, Any], field: str) -> None:
    owner = await office.somebody()
    with pytest.raises(ApiError, match=field):
        await owner.hw.submit(KIND, payload, project_id=await owner.project())
