"""Jobs that tell where they run; copied into the image's folder for jobs of one's own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from headway import Context, Worker

worker = Worker()


@worker.job("test.container_probe", queue="test-container")
async def probe(ctx: Context, payload: dict[str, Any]) -> dict[str, Any]:
    """Who am I, and what may I write?"""
    refused = []
    for path in (Path.cwd(), Path(sys.prefix), Path("/usr"), Path("/etc")):
        try:
            (path / "written-by-a-job").write_text("x")
        except OSError:
            refused.append(str(path))
    with tempfile.TemporaryFile() as scratch:
        scratch.write(b"x")
    # Its grandchild is left to process 1.
    await asyncio.to_thread(subprocess.call, [sys.executable, "-c", "import os; os.fork() and os._exit(0)"])
    return {
        "pid": os.getpid(),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "refused": refused,
    }


@worker.job("test.container_slow", queue="test-container")
async def slow(ctx: Context, payload: dict[str, Any]) -> str:
    """Goes on for as long as it is told, or until it is asked to finish."""
    ctx.progress(1)
    for _ in range(int(payload["seconds"] * 20)):
        if payload["listens"] and ctx.told_to_stop:
            return "told"
        await asyncio.sleep(0.05)
    return "done"
