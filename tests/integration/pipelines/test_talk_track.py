"""Talk tracks the whole way: app, stack, worker process and model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from postgrest.exceptions import APIError

from headway import ApiError, JobFailed
from headway.client import AsyncHeadway
from headway.sandbox.server import SandboxServer
from support.stack import TestStack
from support.workers import ROOT, running_worker

from .harness import PATIENCE_S, Office, until

KIND = "talk_track.generate"
CHAT = "/openai/v1/chat/completions"
SAMPLE = json.loads((ROOT / "workers" / "talk_track" / "sample" / "payload.json").read_text("utf-8"))


def slides(count: int) -> list[dict[str, str]]:
    return [{"title": f"Title {n}", "body": f"- point {n}\n- and more"} for n in range(1, count + 1)]


@pytest.fixture(autouse=True, scope="module")
def _worker(
    stack: TestStack, _sandbox_server: SandboxServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """One worker for all tests of this module."""
    log = tmp_path_factory.mktemp("worker") / "log"
    with running_worker(stack, "workers.talk_track", log=log, environment=_sandbox_server.environment):
        yield


async def test_a_deck_becomes_a_talk_while_its_owner_watches(office: Office) -> None:
    owner, stranger = await office.somebody(), await office.somebody()
    project = await owner.project()
    deck: Any = (
        await owner.client.table("slide_decks").insert({"project_id": project, "title": "Deck"}).execute()
    ).data
    rows = [{"deck_id": deck[0]["id"], "position": n, **slide} for n, slide in enumerate(slides(12), start=1)]
    await owner.client.table("slides").insert(rows).execute()

    job = await owner.hw.submit(KIND, {"deck_id": deck[0]["id"]}, project_id=project)
    updates = [update async for update in job.watch(after_seq=0)]
    result = await job.result()

    stages = [u.event.stage for u in updates if u.event and u.event.type == "stage_started"]
    assert stages == ["reading", "writing", "saving"]
    percents = [update.percent for update in updates]
    assert percents == sorted(percents)
    told = [s for u in updates if u.event and u.event.name == "slides" for s in u.output["slides"]]
    # The first portion is told before the second is finished.
    order = [
        u.event.step or u.event.name
        for u in updates
        if u.event and u.event.type in ("step_completed", "emitted")
    ]
    assert [name for name in order if name != "log"] == [
        "deck", "slides_0001_0010", "slides", "slides_0011_0012", "slides", "save",
    ]  # fmt: skip

    (row,) = await owner.rows("talk_tracks")
    assert (row["id"], row["job_id"], row["deck_id"]) == (result["talk_track_id"], str(job.id), deck[0]["id"])
    assert row["slides"] == told
    assert (
        row["total_duration_seconds"] == result["total_duration_seconds"] == sum(s["seconds"] for s in told)
    )
    assert row["sandbox"] is True
    (seen,) = await owner.rows("talk_track_jobs")
    assert (seen["status"], seen["progress"], seen["talk_track_id"]) == ("completed", 100, row["id"])
    assert (seen["slides_done"], seen["slides_total"]) == (12, 12)
    assert await office.usage(job.id) == office.sandbox.sandbox.ledger.total("openai") > 0
    for relation in ("talk_tracks", "talk_track_jobs", "slide_decks", "slides"):
        assert await stranger.rows(relation) == []


async def test_the_first_portion_is_read_while_the_second_is_written_and_a_cancel_cuts_that_off(
    office: Office,
) -> None:
    owner = await office.somebody()
    faults, requests = office.sandbox.sandbox.faults, office.sandbox.sandbox.requests
    faults.add("slow", provider="openai", times=1, seconds=0)
    faults.add("timeout", provider="openai", times=1, seconds=600)
    project = await owner.project()
    seen: list[Any] = []
    job = await owner.hw.submit(KIND, {"slides": slides(20)}, project_id=project)
    async for update in job.watch(after_seq=0):
        seen.append(update)
        if update.event and update.event.name == "slides":
            assert [slide["position"] for slide in update.output["slides"]] == list(range(1, 11))
            # The model is silent about the second; whoever watches reads the first all the same.
            await until(lambda: requests.of(CHAT) == 2)
            await job.cancel("enough")
    assert seen[-1].status == "cancelled"
    steps = [u.event.step for u in seen if u.event and u.event.type == "step_completed"]
    assert steps == ["slides_0001_0010"]
    assert await owner.rows("talk_tracks") == []
    assert [step.name for step in await job.steps() if step.result] == ["slides_0001_0010"]


async def test_a_person_retries_after_raising_the_budget(office: Office) -> None:
    owner = await office.somebody()
    project = await owner.project()
    ledger = office.sandbox.sandbox.ledger
    job = await owner.hw.submit(
        KIND, {"slides": slides(100)}, project_id=project, cost_budget=Decimal("0.02")
    )
    with pytest.raises(JobFailed) as failed:
        await job.result(timeout=PATIENCE_S)
    assert failed.value.code == "HW501"
    assert await office.usage(job.id) == ledger.total("openai") <= Decimal("0.02")

    await job.retry(cost_budget=Decimal("0.123456789"))
    assert (await job.snapshot()).cost.budget == Decimal("0.123456789")
    assert (await job.result(timeout=PATIENCE_S))["slides"] == 100
    # What was written before the retry was not written again.
    assert office.sandbox.sandbox.requests.of(CHAT) == 10
    assert await office.usage(job.id) == ledger.total("openai")


async def test_organisations_see_their_own_and_viewers_cannot_ask(office: Office) -> None:
    boss, editor, viewer, outsider = [await office.somebody() for _ in range(4)]
    organization = await office.organization(boss, editor=editor, viewer=viewer)
    project = await editor.project(organization)
    job = await editor.hw.submit(KIND, SAMPLE, project_id=project)
    await job.result(timeout=PATIENCE_S)
    await _refused(viewer.hw, project)
    await _refused(outsider.hw, project)
    for member in (boss, editor, viewer):
        assert len(await member.rows("talk_tracks")) == 1
        assert len(await member.rows("talk_track_jobs")) == 1
    assert await outsider.rows("talk_tracks") == await outsider.rows("talk_track_jobs") == []
    (row,) = await viewer.rows("talk_tracks")
    changed: Any = (
        await viewer.client.table("talk_tracks").update({"title": "x"}).eq("id", row["id"]).execute()
    ).data
    assert changed == []
    with pytest.raises(APIError):
        await outsider.client.table("talk_tracks").insert({**row, "id": None}).execute()


async def _refused(hw: AsyncHeadway, project: str) -> None:
    with pytest.raises(ApiError):
        await hw.submit(KIND, SAMPLE, project_id=project)
