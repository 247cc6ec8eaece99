"""A large file through the client, beside bare httpx on the same stack; and what it costs in memory.

The stack is ``headway up --ephemeral``, the client a process of its own below it.
"""

from __future__ import annotations

import asyncio
import json
import sys

from bench.report import Figure

NAME = "Files: 256 MB out and in through the client"


async def run() -> list[Figure]:
    """Measure in processes of their own."""
    command = [sys.executable, "-m", "headway.cli", "up", "--ephemeral", "--quiet", "--"]
    process = await asyncio.create_subprocess_exec(
        *command, sys.executable, "-m", "bench.files_client", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the client ended with {process.returncode}; its own output says why")
    said = json.loads(output.splitlines()[-1])
    return [
        Figure("upload in the same chunks by bare httpx", said["bare_upload"], "MB/s"),
        Figure("upload by TUS with SHA-256 on the way", said["upload"], "MB/s"),
        Figure(
            "the same as a share of bare httpx", 100 * said["upload"] / said["bare_upload"], "%", 50, False
        ),
        Figure("download by bare httpx into a file", said["bare_download"], "MB/s"),
        Figure("download, verified", said["download"], "MB/s"),
        Figure(
            "the same as a share of bare httpx",
            100 * said["download"] / said["bare_download"],
            "%",
            60,
            False,
        ),
        Figure("memory that the upload took", said["upload_mb"], "MB", 32),
        Figure("memory that the download took", said["download_mb"], "MB", 32),
    ]
