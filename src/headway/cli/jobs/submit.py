"""``headway submit``: files are uploaded, the job is submitted, and watched if that is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.cli.jobs.running import Caller, console, print_json, run_command
from headway.cli.jobs.watch import watch_jobs

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from headway.client.files import OnProgress, TransferProgress
    from headway.client.handles import JobHandle
    from headway.client.headway import AsyncHeadway

__all__ = ["submit_job"]


def submit_job(
    caller: Caller,
    kind: str,
    payload: Any,
    files: Mapping[str, Path],
    fields: Mapping[str, Any],
    *,
    watch: bool,
    wait_s: float | None,
) -> None:
    """Submit a job and say its id.

    Args:
        caller: Who, and how to print.
        kind: Its kind.
        payload: Plain JSON.
        files: Input files by name.
        fields: Other arguments of ``AsyncHeadway.submit``; ``None`` counts as not given.
        watch: Show its progress until its end; the exit status is then that of ``watch``.
        wait_s: How long to watch.
    """
    given = {name: value for name, value in fields.items() if value not in (None, ())}

    async def work(client: AsyncHeadway) -> int:
        job = await _submit(caller, client, kind, payload, files, given)
        _tell(caller, job)
        if not watch:
            return 0
        return await watch_jobs(caller, [job], timeout_s=wait_s)

    run_command(caller, work)


async def _submit(
    caller: Caller,
    client: AsyncHeadway,
    kind: str,
    payload: Any,
    files: Mapping[str, Path],
    given: Mapping[str, Any],
) -> JobHandle:
    screen = console()
    if caller.as_json or not files or not screen.is_terminal:
        return await client.submit(kind, payload, files=files or None, **given)
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("uploading {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as progress:
        return await client.submit(kind, payload, files=files, on_upload=_bars(progress), **given)


def _bars(progress: Progress) -> OnProgress:
    tasks: dict[str, TaskID] = {}

    def tell(transfer: TransferProgress) -> None:
        task = tasks.get(transfer.name)
        if task is None:
            task = tasks[transfer.name] = progress.add_task(transfer.name, total=transfer.total)
        progress.update(task, completed=transfer.done)

    return tell


def _tell(caller: Caller, job: JobHandle) -> None:
    answer = job.submitted
    assert answer is not None, "a submission has an answer"
    if caller.as_json:
        print_json(answer.model_dump(mode="json"))
        return
    found = f" (an earlier job, found by its {answer.merged})" if answer.merged else ""
    console().print(f"{answer.id}  {answer.kind}  {answer.status}{found}", markup=False, soft_wrap=True)
