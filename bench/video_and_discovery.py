"""Videos and campaigns: what completes, what it costs, how fast cancels are, what a large video takes."""

from __future__ import annotations

import asyncio
import struct
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.report import Figure
from bench.scene import Scene, opened_scene, until

NAME = "Videos and campaigns"

_SAMPLE = Path(__file__).parents[1] / "workers" / "video" / "samples" / "welcome.mp4"
_GENERATE = "/gemini/v1beta/models/gemini-2.5-flash:generateContent"
_HUNTS = "/hunter/v2/domain-search"
_ASK = {"business_type": "dentists", "location": "Springfield", "max_results": 20}
_CAMPAIGNS = 20
_CANCELS = 5
_LARGE_MB = 300


async def _submit_video(scene: Scene, project: str, video: Path) -> Any:
    return await scene.hw.submit(
        "video.process", {"languages": ["de"]}, files={"video": video}, bucket="videos", project_id=project
    )


async def _failing(scene: Scene) -> list[Figure]:
    sandbox = scene.sandbox.sandbox
    sandbox.ledger.clear()
    for seed, kind in enumerate(("429", "500", "503", "malformed", "truncated")):
        sandbox.faults.add(kind, fraction=0.02, seed=seed, retry_after=0.5 if kind == "429" else None)  # type: ignore[arg-type]
    async with scene.worker():
        body = {"campaigns": [{**_ASK, "location": f"Place {n}"} for n in range(_CAMPAIGNS)]}
        begun = time.monotonic()
        launched: Any = (await scene.client.rpc("launch_campaigns", body).execute()).data
        results = await asyncio.gather(
            *(scene.hw.result(each["job_id"], timeout=300) for each in launched["campaigns"]),
            return_exceptions=True,
        )
        elapsed = time.monotonic() - begun
    sandbox.faults.clear()
    done = [result for result in results if isinstance(result, dict)]
    cost = sum((Decimal(result["total_cost"]) for result in done), Decimal(0))
    leads = sum(result["leads_enriched"] for result in done)
    missed = abs(cost - sandbox.ledger.total()) if len(done) == _CAMPAIGNS else Decimal("NaN")
    share = 100 * len(done) / _CAMPAIGNS
    return [
        Figure("one call in ten fails: campaigns that complete", share, "%", target=95, at_most=False),
        Figure("their cost beside the sandbox's own count: difference", float(missed), "$", target=0),
        Figure("cost per lead with a contact", float(cost / leads), "$", target=0.5),
        Figure(f"{_CAMPAIGNS} campaigns of 20 businesses at once, to the last", elapsed, "s", target=120),
    ]


async def _cancels(scene: Scene, what: str, provider: str, path: str, submit: Any) -> Figure:
    sandbox = scene.sandbox.sandbox
    slowest = 0.0
    async with scene.worker():
        for _ in range(_CANCELS):
            sandbox.requests.clear()
            sandbox.faults.add("timeout", provider=provider, path=path, seconds=600)
            job = await submit()

            async def silent() -> bool:
                return sandbox.requests.of(path) > 0

            await until(silent)
            begun = time.monotonic()
            await job.cancel()
            async for update in job.watch():
                if update.ended:
                    slowest = max(slowest, time.monotonic() - begun)
            sandbox.faults.clear()
    return Figure(f"{what}: cancel during a call, slowest of {_CANCELS}", slowest, "s", target=2)


async def _memory(scene: Scene, directory: Path, project: str) -> Figure:
    large = directory / "large.mp4"
    with large.open("wb") as file:
        # A video as before, and behind it a box that players skip.
        file.write(_SAMPLE.read_bytes())
        file.write(struct.pack(">I4s", _LARGE_MB * 1024 * 1024 + 8, b"free"))
        for _ in range(_LARGE_MB):
            file.write(bytes(1024 * 1024))
    peaks = []
    async with scene.worker() as process:
        for video in (_SAMPLE, large):
            job = await _submit_video(scene, project, video)
            await job.result(timeout=300)
            peaks.append(_peak_mb(process.pid))
    return Figure(f"a video of {_LARGE_MB} MB: peak memory beyond that of 48 kB", peaks[1] - peaks[0], "MB")


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


async def run() -> list[Figure]:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as name:
        directory = Path(name)
        async with opened_scene(directory / "stack", "workers.video", "workers.discovery") as scene:
            project = await scene.project()
            return [
                *await _failing(scene),
                await _cancels(
                    scene,
                    "video.process",
                    "gemini",
                    _GENERATE,
                    lambda: _submit_video(scene, project, _SAMPLE),
                ),
                await _cancels(
                    scene, "discovery.run", "hunter", _HUNTS, lambda: scene.hw.submit("discovery.run", _ASK)
                ),
                await _memory(scene, directory, project),
            ]
