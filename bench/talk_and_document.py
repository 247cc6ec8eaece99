"""Talk tracks and documents: how early the first portion is read, what kills cost, how fast cancels are.

The sandbox's model takes half a second for every answer.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bench.report import Figure
from bench.scene import Scene, opened_scene, until

NAME = "Talk tracks and documents"

_CHAT = "/openai/v1/chat/completions"
_HOOK = "/n8n/webhook/document"
_ANSWER_S = 0.5
_CANCELS = 5
_SLIDES = [{"title": f"Slide {n}", "body": "- one point\n- and another"} for n in range(1, 121)]


async def _early(scene: Scene, project: str) -> Figure:
    scene.sandbox.sandbox.faults.add("slow", provider="openai", seconds=_ANSWER_S)
    seen = second = 0.0
    async with scene.worker():
        payload = {"slides": _SLIDES[:20]}
        job = await scene.hw.submit("talk_track.generate", payload, project_id=project)
        async for update in job.watch(after_seq=0):
            event = update.event
            if event is not None and event.name == "slides":
                seen = seen or time.monotonic()
            if event is not None and event.type == "step_completed" and event.step == "slides_0011_0020":
                second = time.monotonic()
    scene.sandbox.sandbox.faults.clear()
    return Figure(
        "first portion read before the second is finished", second - seen, "s", target=0, at_most=False
    )


async def _killed(scene: Scene, project: str) -> list[Figure]:
    sandbox = scene.sandbox.sandbox
    sandbox.ledger.clear()
    sandbox.requests.clear()
    for count in (3, 4, 2):
        sandbox.faults.add("slow", provider="openai", times=count, seconds=0)
        sandbox.faults.add("timeout", provider="openai", times=1, seconds=600)
    job = None
    asked = 0
    begun = time.monotonic()
    for count in (3, 4, 2):
        async with scene.worker() as process:
            if job is None:
                payload = {"slides": _SLIDES}
                job = await scene.hw.submit("talk_track.generate", payload, project_id=project)
            asked += count + 1

            async def silent(wanted: int = asked) -> bool:
                return sandbox.requests.of(_CHAT) == wanted

            await until(silent)
            process.kill()
            await process.wait()
    assert job is not None
    async with scene.worker():
        await job.result(timeout=120)
    records = [record async for record in _answers(scene, job.id)]
    return [
        Figure(
            "120 slides, three kills: portions that the model has written", len(records), "of 12", target=12
        ),
        Figure("120 slides, three kills: from submission to the end", time.monotonic() - begun, "s"),
    ]


async def _answers(scene: Scene, job_id: object) -> AsyncIterator[Any]:
    for record in await scene.hw.usage(job_id):
        if record.unit == "output_token":
            yield record


async def _cancels(scene: Scene, kind: str, payload: Any, path: str, project: str) -> Figure:
    sandbox = scene.sandbox.sandbox
    slowest = 0.0
    async with scene.worker():
        for _ in range(_CANCELS):
            sandbox.requests.clear()
            sandbox.faults.add("timeout", seconds=600, times=1)
            job = await scene.hw.submit(kind, payload, project_id=project)

            async def silent() -> bool:
                return sandbox.requests.of(path) == 1

            await until(silent)
            begun = time.monotonic()
            await job.cancel()
            async for update in job.watch():
                if update.ended:
                    slowest = max(slowest, time.monotonic() - begun)
    return Figure(f"{kind}: cancel during a call, slowest of {_CANCELS}", slowest, "s", target=2)


async def run() -> list[Figure]:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as directory:
        async with opened_scene(Path(directory), "workers.talk_track", "workers.document") as scene:
            project = await scene.project()
            return [
                await _early(scene, project),
                *await _killed(scene, project),
                await _cancels(scene, "talk_track.generate", {"slides": _SLIDES[:1]}, _CHAT, project),
                await _cancels(scene, "document.generate", {"prompt": "Write."}, _HOOK, project),
            ]
