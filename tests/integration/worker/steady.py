"""Handlers for workers that are killed, drained and replaced.

Run by ``headway worker tests.integration.worker.steady``; ``STEADY_PREFIX`` names kinds and queue. Every run
of a step is written down in the directory ``STEADY_DIR``, one file per job and step, so that a step that runs
twice is seen whoever runs it.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

from headway import Context, RetryPolicy, Worker

PREFIX = os.environ["STEADY_PREFIX"]
DIRECTORY = Path(os.environ["STEADY_DIR"])

worker = Worker()


def wrote(ctx: Context, step: str) -> str:
    """Write a line, in one write, that this step has run to its end."""
    path = DIRECTORY / f"{ctx.job.id}.{step}"
    with path.open("a") as file:
        file.write(f"{ctx.job.attempt} {os.getpid()}\n")
    return step


@worker.job(
    f"{PREFIX}.steps",
    queue=PREFIX,
    stages=["one", "two", "three"],
    retries=RetryPolicy(max_attempts=50, base=0.1, cap=1),
    timeout=120,
)
async def steps(ctx: Context, payload: dict[str, Any]) -> dict[str, Any]:
    """Three stages with a step and progress each."""
    done = []
    for stage in ("one", "two", "three"):
        ctx.stage(stage)
        for part in range(3):
            ctx.progress(part, 3)
            await asyncio.sleep(payload.get("seconds", 0.05) / 9)
        done.append(await ctx.step(stage, wrote, ctx, stage))
    return {"done": done}


@worker.job(f"{PREFIX}.waits", queue=PREFIX, timeout=300)
async def waits(ctx: Context) -> str:
    """Runs until the file ``go`` is there; finishes up when told to."""
    wrote(ctx, "begun")
    while not (DIRECTORY / "go").exists():
        await asyncio.sleep(0.02)
        if ctx.told_to_stop and (DIRECTORY / "polite").exists():
            return "finished up"
    return "went on"


@worker.job(f"{PREFIX}.poison", queue=PREFIX, retries=RetryPolicy(max_attempts=3, base=0))
async def poison(ctx: Context) -> None:
    """Takes its worker down, every time."""
    os._exit(137)


@worker.job(f"{PREFIX}.stays", queue=PREFIX, retries=1, timeout=0.3)
async def stays(ctx: Context) -> None:
    """Cannot be ended."""
    while True:
        try:
            await asyncio.sleep(0.05)
        except BaseException:  # noqa: BLE001 - that is what it does
            continue


@worker.job(f"{PREFIX}.leaves_a_thread", queue=PREFIX)
async def leaves_a_thread(ctx: Context) -> None:
    """Starts a thread that the process would wait for."""
    threading.Thread(target=time.sleep, args=(600,)).start()
