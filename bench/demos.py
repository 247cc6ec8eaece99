"""The two demos as a newcomer runs them: the main job with its worker killed, and five pipelines at once."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from bench.report import Figure

NAME = "The demos"


async def run() -> list[Figure]:
    """The figures of the issues."""
    one = await _demo()
    five = await _demo("--all")
    return [
        Figure("submit of the CV, answered with an id", one["submit_ms"], "ms"),
        Figure("database to watcher, median of the job's events", one["latency_median_ms"], "ms"),
        Figure("a killed worker's job goes on elsewhere after", one["takeover_s"], "s", target=10),
        Figure("calls of the model, with a kill in between", one["model_calls"], "calls", target=2),
        Figure("the five samples at once, all completed after", five["seconds"], "s", target=30),
    ]


async def _demo(*options: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "headway.cli",
        "demo",
        "--json",
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    printed, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"headway demo {' '.join(options)} ended with {process.returncode}")
    figures: dict[str, Any] = json.loads(printed)
    return figures
