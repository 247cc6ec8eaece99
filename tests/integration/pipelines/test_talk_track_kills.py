"""A talk track whose workers are killed without warning, and one whose workers are replaced in good order."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path

from support.workers import running_worker

from .harness import PATIENCE_S, Office, until

KIND = "talk_track.generate"
CHAT = "/openai/v1/chat/completions"


def slides(count: int) -> list[dict[str, str]]:
    return [{"title": f"Title {n}", "body": f"- point {n}\n- and more"} for n in range(1, count + 1)]


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


async def test_a_deploy_wastes_no_call(office: Office, tmp_path: Path) -> None:
    owner = await office.somebody()
    requests = office.sandbox.sandbox.requests
    office.sandbox.sandbox.faults.add("slow", provider="openai", seconds=0.2)
    project = await owner.project()
    environment = office.sandbox.environment
    with running_worker(
        office.stack, "workers.talk_track", log=tmp_path / "old", environment=environment
    ) as old:
        job = await owner.hw.submit(KIND, {"slides": slides(60)}, project_id=project)
        await until(lambda: requests.of(CHAT) >= 2)
        old.stop()
        assert (await job.snapshot()).status == "pending"
    with running_worker(office.stack, "workers.talk_track", log=tmp_path / "new", environment=environment):
        assert (await job.result(timeout=PATIENCE_S))["slides"] == 60
    assert requests.of(CHAT) == 6
    assert await office.usage(job.id) == office.sandbox.sandbox.ledger.total("openai")
    assert {attempt.outcome for attempt in (await job.snapshot()).attempts} == {"snoozed", "completed"}
