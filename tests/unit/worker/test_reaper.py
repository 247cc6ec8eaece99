"""Process 1 buries whom nobody waits for, and takes nobody's child away too early."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import psutil

from headway.worker.observations import Observations
from headway.worker.reaper import Reaper, is_needed
from support.processes import ended
from support.service_life import stress_start_and_stop


async def test_whom_nobody_waits_for_is_buried() -> None:
    # Started without subprocess, which would wait for it at its next opportunity.
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
    process = psutil.Process(pid)
    async with asyncio.timeout(30):
        while not ended(process):
            await asyncio.sleep(0.01)
        assert process.status() == psutil.STATUS_ZOMBIE
        reaper = Reaper(Observations(), interval=0.02)
        await reaper.start()
        while psutil.pid_exists(pid):
            await asyncio.sleep(0.01)
        await reaper.stop()


async def test_who_is_waited_for_keeps_the_exit_status() -> None:
    reaper = Reaper(Observations(), interval=0.05)
    await reaper.start()
    try:
        for status in (0, 3):
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", f"raise SystemExit({status})")
            assert await child.wait() == status
        assert await asyncio.to_thread(subprocess.call, [sys.executable, "-c", "raise SystemExit(4)"]) == 4
    finally:
        await reaper.stop()


async def test_life() -> None:
    await stress_start_and_stop(lambda: Reaper(Observations(), interval=0.01))
    assert not is_needed()
