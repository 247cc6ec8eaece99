"""A video whose worker is killed again and again is finished all the same, and nothing is done twice."""

from __future__ import annotations

import asyncio
import os
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from headway import JobCancelled
from support.workers import running_worker
from workers.video.samples.make_sample import make_video

from .harness import PATIENCE_S, Office, until
from .videos import GENERATE, UPLOAD, files_at_the_provider, made, submit


def worker(office: Office, log: Path, **more: str) -> Any:
    environment = {**office.sandbox.environment, "HEADWAY_VIDEO_POLL_SECONDS": "0.05", **more}
    return running_worker(office.stack, "workers.video", log=log, environment=environment)


async def test_a_killed_job_goes_on_at_the_first_language_that_is_left(
    office: Office, tmp_path: Path
) -> None:
    owner = await office.somebody()
    video = make_video(tmp_path / "tour.mp4")
    sandbox = office.sandbox.sandbox
    project = await owner.project()
    # It dies in the middle of the upload, of the transcript, and of the second language.
    sandbox.faults.add("timeout", path="files/", times=1, seconds=600)
    with worker(office, tmp_path / "log", HEADWAY_VIDEO_CONCURRENCY="1") as first:
        job = await submit(owner, project, video, ["de", "fr", "es"])
        await until(lambda: sandbox.requests.as_dict()["faults"].get("timeout") == 1)
        kill(first)
    await office.take_back(job.id)
    sandbox.faults.add("timeout", path="generateContent", times=1, seconds=600)
    with worker(office, tmp_path / "log", HEADWAY_VIDEO_CONCURRENCY="1") as second:
        await until(lambda: sandbox.requests.as_dict()["faults"].get("timeout") == 2)
        kill(second)
    await office.take_back(job.id)
    assert len(await files_at_the_provider(office)) == 1
    # The transcript, the outline, three articles, and one language of lines and three articles.
    sandbox.faults.add("slow", path="generateContent", times=1 + 1 + 3 + 4 + 1, seconds=0)
    sandbox.faults.add("timeout", path="generateContent", times=1, seconds=600)
    with worker(office, tmp_path / "log", HEADWAY_VIDEO_CONCURRENCY="1") as third:
        await until(lambda: sandbox.requests.as_dict()["faults"].get("timeout") == 3)
        partly = await made(owner)
        kill(third)
    assert set(partly["videos"][0]["vtt_languages"]) == {"de", "fr"}
    await office.take_back(job.id)
    calls = sandbox.requests.of(GENERATE)
    with worker(office, tmp_path / "log", HEADWAY_VIDEO_CONCURRENCY="1"):
        result = await job.result(timeout=PATIENCE_S)
    # Two languages were left, of four calls each: nothing that was finished is done again, nor uploaded.
    assert sandbox.requests.of(GENERATE) - calls == 8
    assert [each["status"] for each in result["languages"]] == ["completed"] * 3
    seen = await made(owner)
    assert set(seen["videos"][0]["vtt_languages"]) == {"de", "fr", "es"}
    assert len(seen["chapters"]) == 3
    assert len(seen["articles"]) == 12
    assert await office.usage(job.id) == sandbox.ledger.total("gemini")
    assert await files_at_the_provider(office) == []


async def test_a_long_video_is_written_down_part_by_part_and_goes_on_at_the_part_it_was_at(
    office: Office, tmp_path: Path
) -> None:
    owner = await office.somebody()
    sandbox = office.sandbox.sandbox
    said = [f"Sentence {number} of the long tour." for number in range(36)]
    lines = [(2.5 * place, 2.5 * place + 2.5, text) for place, text in enumerate(said)]
    video = make_video(tmp_path / "long.mp4", lines)
    # Four parts of it: its worker dies in the third.
    sandbox.faults.add("slow", path="generateContent", times=2, seconds=0)
    sandbox.faults.add("timeout", path="generateContent", times=1, seconds=600)
    with worker(office, tmp_path / "log", HEADWAY_VIDEO_PART_SECONDS="30") as first:
        job = await submit(owner, await owner.project(), video)
        await until(lambda: sandbox.requests.as_dict()["faults"].get("timeout") == 1)
        kill(first)
    await office.take_back(job.id)
    with worker(office, tmp_path / "log", HEADWAY_VIDEO_PART_SECONDS="30"):
        result = await job.result(timeout=PATIENCE_S)
    steps = {step.name: step.attempt for step in await job.steps()}
    assert [steps[f"transcribe:{part}"] for part in (1, 2, 3, 4)] == [1, 1, 2, 2]
    # Four parts, one of them begun twice, the outline, and the articles.
    assert sandbox.requests.of(GENERATE) == 4 + 1 + 1 + len(result["chapters"])
    segments = sorted((await made(owner))["video_segments"], key=lambda segment: segment["position"])
    assert [segment["spoken_content"] for segment in segments] == said
    assert all(one["end_seconds"] <= following["start_seconds"] for one, following in pairwise(segments))
    assert await files_at_the_provider(office) == []


async def test_an_upload_that_hangs_keeps_no_worker_from_stopping(office: Office, tmp_path: Path) -> None:
    owner = await office.somebody()
    sandbox = office.sandbox.sandbox
    sandbox.faults.add("timeout", path=UPLOAD, seconds=3_600)
    # Longer than anybody is patient here.
    with worker(office, tmp_path / "log", HEADWAY_LLM_READ_TIMEOUT="600") as started:
        job = await submit(owner, await owner.project(), make_video(tmp_path / "tour.mp4"))
        await until(lambda: sandbox.requests.of(UPLOAD) == 1)
        await job.cancel()
        with pytest.raises(JobCancelled):
            await job.result(timeout=PATIENCE_S)
        started.process.terminate()
        assert await asyncio.to_thread(started.process.wait, PATIENCE_S) == 0


def kill(started: Any) -> None:
    os.kill(started.process.pid, signal.SIGKILL)
    started.process.wait(timeout=30)
