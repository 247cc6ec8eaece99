"""Everything goes wrong at once, and no job is lost, doubled or left behind.

``HEADWAY_SOAK_JOBS=5000`` makes it the long one (``make soak``): a worker is killed every second until all
jobs have ended.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import httpx
import pytest

from support.stack import running_stack

from .chaos import Chaos

_JOBS = 300
_KILLS = 12


@pytest.mark.timeout(1800)
async def test_chaos(tmp_path: Path, environment_as_given: dict[str, str]) -> None:
    long = int(environment_as_given.get("HEADWAY_SOAK_JOBS", "0"))
    jobs, kills = long or _JOBS, 100_000 if long else _KILLS
    loop = asyncio.get_running_loop()
    manager = running_stack(tmp_path / "stack")
    stack = await loop.run_in_executor(None, manager.__enter__)
    chaos = Chaos(stack, tmp_path, random.Random(6))
    disturbances: list[asyncio.Task[None]] = []
    try:
        await asyncio.to_thread(chaos.start_workers)
        await chaos.submit(jobs, seconds=0.3)
        disturbances = [
            asyncio.create_task(chaos.kill_every(1.0, most=kills)),
            asyncio.create_task(chaos.cut_sockets_every(3.0)),
            asyncio.create_task(chaos.restart_gateway(after=12.0)),
            asyncio.create_task(chaos.restart_postgres(after=15.0)),
        ]
        if not long:
            await asyncio.gather(disturbances[0], *disturbances[2:])
        await chaos.all_ended(timeout=1500 if long else 120)
        for task in disturbances:
            task.cancel()
        await asyncio.gather(*disturbances, return_exceptions=True)
        for worker in chaos.workers:
            await asyncio.to_thread(worker.wait_until_ready)
        for worker in chaos.workers:
            await _hears(worker.url)
        findings = await chaos.look()
    finally:
        for task in disturbances:
            task.cancel()
        await asyncio.to_thread(chaos.stop_workers)
        await loop.run_in_executor(None, manager.__exit__, None, None, None)

    print(
        f"{jobs} jobs, {len(chaos.killed)} kills, {findings.lost} executions lost; of {findings.recovered} "
        f"jobs the slowest was taken back {findings.slowest:.1f} s after its worker was killed"
    )
    assert dict(findings.statuses) == {"completed": jobs}
    assert not findings.ends
    assert not findings.reruns
    assert not findings.stale
    assert findings.recovered > 0
    assert findings.slowest < 10


async def _hears(url: str) -> None:
    """Wait until a worker's link is proven again."""
    async with httpx.AsyncClient() as http, asyncio.timeout(90):
        while 'headway_link_status{status="proven"} 1.0' not in (await http.get(f"{url}/metrics")).text:
            await asyncio.sleep(0.1)
