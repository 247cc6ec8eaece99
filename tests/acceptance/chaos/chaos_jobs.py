"""The jobs of the storm: each step is noted outside of the engine, so that what ran twice is seen."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from headway import Context, Worker

worker = Worker()
KIND = "chaos.work"
QUEUE = "chaos"
STEPS = ("first", "second")
# Killed once a second, a job may die many times without any fault of its own.
RETRIES = 100


def note(job: object, step: str, attempt: int) -> None:
    """One line in one write, which survives whatever happens to this process."""
    line = f"{job} {step} {attempt}\n".encode()
    handle = os.open(Path(os.environ["CHAOS_NOTES"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


@worker.job(KIND, queue=QUEUE, timeout=120, retries=RETRIES, stages=list(STEPS))
async def work(ctx: Context, payload: dict[str, Any]) -> int:
    """Two steps with progress; the result follows from the payload."""
    total = int(payload["n"])

    async def step(name: str, value: int) -> int:
        note(ctx.job.id, name, ctx.job.attempt)
        await asyncio.sleep(payload.get("seconds", 0.05))
        return value + 1

    for name in STEPS:
        ctx.stage(name)
        ctx.progress(50)
        total = await ctx.step(name, step, name, total)
    ctx.metrics(total=total)
    return total
