"""The jobs that ``bench.worker`` has run by ``headway worker bench.worker_jobs``."""

from __future__ import annotations

import asyncio
import time

from headway import Context, Worker

worker = Worker()


@worker.job("bench.noop", push="watched")
async def noop(ctx: Context) -> None:
    """Nothing."""


@worker.job("bench.loud")
async def loud(ctx: Context) -> None:
    """Nothing, of a kind whose every change is pushed."""


@worker.job("bench.pickup")
async def pickup(ctx: Context) -> dict[str, float]:
    """When it began, by the machine's monotonic clock."""
    return {"at": time.monotonic()}


@worker.job("bench.chatty", timeout=600, push="watched")
async def chatty(ctx: Context) -> None:
    """Says something every second for half a minute."""
    for done in range(30):
        ctx.progress(done, 30, message=f"{done} of 30")
        await asyncio.sleep(1)
