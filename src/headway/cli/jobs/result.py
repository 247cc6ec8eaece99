"""``headway result`` and ``headway download``: what a job has made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from headway.cli.jobs.running import Caller, console, print_json, run_command

if TYPE_CHECKING:
    from headway.client.headway import AsyncHeadway

__all__ = ["download_files", "print_result"]


def print_result(caller: Caller, job_id: str, *, timeout_s: float | None, out: Path | None) -> None:
    """Print a job's result as JSON, as soon as it is there.

    Args:
        caller: Who.
        job_id: The job.
        timeout_s: How long to wait.
        out: A file to write it to, instead of standard output.

    Raises:
        JobFailed: the job failed (exit status 10).
        JobCancelled: it was cancelled (11).
        TimedOut: it has not ended in time (12).
    """

    async def work(client: AsyncHeadway) -> int:
        result = await client.result(job_id, timeout_s)
        if out is None:
            print_json(result)
            return 0
        out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", "utf-8")
        return 0

    run_command(caller, work)


def download_files(caller: Caller, job_id: str, name: str | None, to: Path, *, replace: bool) -> None:
    """Download one of a job's files, or all of its outputs.

    Args:
        caller: Who, and how to print.
        job_id: The job.
        name: Which; all outputs when omitted.
        to: The file or folder to write to; for all a folder, unless there is one and this looks like a file.
        replace: Whether files that are there may be replaced.
    """

    async def work(client: AsyncHeadway) -> int:
        job = client.job(job_id)
        if name is not None:
            written = [await job.download(name, to, replace=replace)]
        else:
            outputs = [file for file in await job.files() if file.direction == "output"]
            # "--to profile.pdf" means the file, where there is only one.
            if not (len(outputs) == 1 and to.suffix and not to.is_dir()):
                to.mkdir(parents=True, exist_ok=True)
            written = [await client.download(file, to, replace=replace) for file in outputs]
        if caller.as_json:
            print_json([str(path) for path in written])
            return 0
        for path in written:
            console().print(str(path), markup=False, soft_wrap=True)
        return 0

    run_command(caller, work)
