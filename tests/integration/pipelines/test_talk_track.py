"""Talk tracks the whole way: app, stack, worker process and model, with kills in between."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from postgrest.exceptions import APIError

from headway import ApiError, JobFailed
from headway.client import AsyncHeadway
from support.workers import ROOT, running_worker

from .harness import PATIENCE_S, Office, until

KIND = "talk_track.generate"
CHAT = "/openai/v1/chat/completions"
SAMPLE = json.loads((ROOT / "workers" / "talk_track" / "sample" / "payload.json").read_text("utf-8"))


def slides(count: int) -> list[dict[str, str]]:
    return [{"title": f"Title {n}", "body": f"- point {n}\n- and more"} for n in range(1, count + 1)]


async def test_a_deck_becomes_a_talk_while_its_owner_watches(office: Office, tmp_path: Path) -> None:
    owner, stranger = await office.somebody(), await office.somebody()
    project = await owner.project()
    deck: Any = (
        await owner.client.table("slide_decks").insert({"project_id": project, "title": "Deck"}).execute()
    ).data
    rows = [{"deck_id": deck[0]["id"], "position": n, **slide} for n, slide in enumerate(slides(12), start=1)]
    await owner.client.table("slides").insert(rows).execute()

    with running_worker(
        office.stack, "workers.talk_track", log=tmp_path / "log", environment=office.sandbox.environment
    ):
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


async def test_three_kills_and_no_slide_is_written_twice(office: Office, tmp_path: Path) -> None:
    owner = await office.somebody()
    faults, requests = office.sandbox.sandbox.faults, office.sandbox.sandbox.requests
    # Some portions are answered, then the model is silent: there the worker dies.
    answered = [3, 4, 2]
    for count in answered:
        faults.add("slow", provider="openai", times=count, seconds=0)
        faults.add("timeout", provider="openai", times=1, seconds=600)
    project = await owner.project()
    environment = office.sandbox.environment

    with ExitStack() as workers:
        worker = workers.enter_context(
            running_worker(office.stack, "workers.talk_track", log=tmp_path / "log", environment=environment)
        )
        job = await owner.hw.submit(
            KIND, {"slides": slides(120), "options": {"length": "short"}}, project_id=project
        )
        asked = 0
        for count in answered:
            asked += count + 1
            await until(lambda asked=asked: requests.of(CHAT) == asked)  # type: ignore[misc]
            os.kill(worker.process.pid, signal.SIGKILL)
            worker.process.wait(timeout=30)
            await office.take_back(job.id)
            worker = workers.enter_context(
                running_worker(
                    office.stack, "workers.talk_track", log=tmp_path / "log", environment=environment
                )
            )
        result = await job.result(timeout=PATIENCE_S)

    assert requests.of(CHAT) == 12 + len(answered)
    assert result["slides"] == 120
    (row,) = await owner.rows("talk_tracks")
    assert [slide["position"] for slide in row["slides"]] == list(range(1, 121))
    updates = [update async for update in job.watch(after_seq=0)]
    steps = [u.event.step for u in updates if u.event and u.event.type == "step_completed"]
    assert steps == [*(f"slides_{n:04}_{n + 9:04}" for n in range(1, 121, 10)), "save"]
    told: dict[int, str] = {}
    for update in updates:
        if update.event and update.event.name == "slides":
            for slide in update.output["slides"]:
                # Told again at most with the same words.
                assert told.setdefault(slide["position"], slide["text"]) == slide["text"]
    assert told == {slide["position"]: slide["text"] for slide in row["slides"]}
    snapshot = await job.snapshot()
    assert [a.outcome for a in snapshot.attempts].count("lost") == len(answered)
    # Each answer is paid for once; the three calls that were cut off are assumed, and marked so.
    assert await office.usage(job.id) == office.sandbox.sandbox.ledger.total("openai") > 0
    # Within an attempt the percent never falls; a lost one begins anew.
    by_attempt: dict[int, list[float]] = {}
    for update in updates:
        if update.status == "processing":
            by_attempt.setdefault(update.job.attempt, []).append(update.percent)
    assert all(percents == sorted(percents) for percents in by_attempt.values())


async def test_the_first_portion_is_read_while_the_second_is_written_and_a_cancel_cuts_that_off(
    office: Office, tmp_path: Path
) -> None:
    owner = await office.somebody()
    faults, requests = office.sandbox.sandbox.faults, office.sandbox.sandbox.requests
    faults.add("slow", provider="openai", times=1, seconds=0)
    faults.add("timeout", provider="openai", times=1, seconds=600)
    project = await owner.project()
    seen: list[Any] = []
    with running_worker(
        office.stack, "workers.talk_track", log=tmp_path / "log", environment=office.sandbox.environment
    ):
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


async def test_a_person_retries_after_raising_the_budget(office: Office, tmp_path: Path) -> None:
    owner = await office.somebody()
    project = await owner.project()
    ledger = office.sandbox.sandbox.ledger
    with running_worker(
        office.stack, "workers.talk_track", log=tmp_path / "log", environment=office.sandbox.environment
    ):
        job = await owner.hw.submit(
            KIND, {"slides": slides(100)}, project_id=project, cost_budget=Decimal("0.02")
        )
        with pytest.raises(JobFailed) as failed:
            await job.result(timeout=PATIENCE_S)
        assert failed.value.code == "HW501"
        assert await office.usage(job.id) == ledger.total("openai") <= Decimal("0.02")

        await office.admin.execute("update headway.job_costs set budget = 1 where job_id = $1", job.id)
        await job.retry()
        assert (await job.result(timeout=PATIENCE_S))["slides"] == 100
    # What was written before the retry was not written again.
    assert office.sandbox.sandbox.requests.of(CHAT) == 10
    assert await office.usage(job.id) == ledger.total("openai")


async def test_organisations_see_their_own_and_viewers_cannot_ask(office: Office, tmp_path: Path) -> None:
    boss, editor, viewer, outsider = [await office.somebody() for _ in range(4)]
    organization = await office.organization(boss, editor=editor, viewer=viewer)
    project = await editor.project(organization)
    with running_worker(
        office.stack, "workers.talk_track", log=tmp_path / "log", environment=office.sandbox.environment
    ):
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
