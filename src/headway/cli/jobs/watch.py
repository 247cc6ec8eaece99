"""``headway watch``: jobs on the screen until they end, or a list of jobs for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from headway.cli.jobs.running import Caller, console, print_json_line, run_command
from headway.errors import TimedOut

if TYPE_CHECKING:
    from headway.client.handles import JobHandle
    from headway.client.headway import AsyncHeadway
    from headway.core.feed import Update

__all__ = ["watch_jobs", "watch_list", "watch_named"]

_STATUS = {"completed": 0, "failed": 10, "cancelled": 11}


def watch_named(
    caller: Caller,
    ids: Sequence[str],
    *,
    after_seq: int | None,
    follow_retries: bool,
    timeout_s: float | None,
) -> None:
    """Watch some jobs.

    Args:
        caller: Who, and how to print.
        ids: The jobs.
        after_seq: Tell what came after this ``seq`` of the only job.
        follow_retries: Go on after ends.
        timeout_s: How long to watch.
    """

    async def work(client: AsyncHeadway) -> int:
        jobs = [client.job(each) for each in dict.fromkeys(ids)]
        return await watch_jobs(
            caller, jobs, after_seq=after_seq, follow_retries=follow_retries, timeout_s=timeout_s
        )

    run_command(caller, work)


async def watch_jobs(
    caller: Caller,
    jobs: Sequence[JobHandle],
    *,
    after_seq: int | None = None,
    follow_retries: bool = False,
    timeout_s: float | None = None,
) -> int:
    """Show some jobs until they end; the exit status: 0, or that of the worst end.

    Raises:
        TimedOut: they have not ended in time (``result_timeout``).
    """
    try:
        async with asyncio.timeout(timeout_s):
            if caller.as_json:
                ends = await asyncio.gather(*(_print_updates(job, after_seq, follow_retries) for job in jobs))
            else:
                ends = await _show(jobs, after_seq, follow_retries)
    except TimeoutError:
        raise TimedOut(
            f"not ended within {timeout_s:g} s; the work goes on",
            hint="Watch again, or allow more with --timeout.",
            code="result_timeout",
        ) from None
    statuses = [_STATUS.get(end.job.status, 0) for end in ends]
    return 10 if 10 in statuses else max(statuses)


async def _print_updates(job: JobHandle, after_seq: int | None, follow_retries: bool) -> Update:
    import json

    from headway.web.wire import wire_event

    last: Update | None = None
    async with job.watch(after_seq, follow_retries=follow_retries) as updates:
        async for update in updates:
            last = update
            print_json_line(json.loads(wire_event(update).data))
    assert last is not None, "a watch ends with an update or an error"
    return last


async def _show(jobs: Sequence[JobHandle], after_seq: int | None, follow_retries: bool) -> list[Update]:
    from headway.display import ProgressDisplay

    with ProgressDisplay(console=console(), outputs=8 if len(jobs) == 1 else 2) as display:
        return await display.follow(*jobs, after_seq=after_seq, follow_retries=follow_retries)


def watch_list(
    caller: Caller, *, organization: UUID | None, project: UUID | None, timeout_s: float | None
) -> None:
    """Follow the caller's, an organisation's or a project's jobs, ones that appear later among them.

    Args:
        caller: Who, and how to print.
        organization: Whose jobs.
        project: Of which project.
        timeout_s: How long; until interrupted when omitted.
    """

    async def work(client: AsyncHeadway) -> int:
        from headway.display.plain_text import one_line

        screen = console()
        try:
            async with (
                asyncio.timeout(timeout_s),
                client.watch_all(organization=organization, project=project, active_only=True) as changes,
            ):
                async for change in changes:
                    job = change.job
                    if caller.as_json:
                        document = job.model_dump(mode="json")
                        print_json_line({"job": document, "appeared": change.appeared, "ended": change.ended})
                        continue
                    said = " ".join(
                        part for part in (job.stage, job.message and one_line(job.message)) if part
                    )
                    screen.print(
                        f"{job.id}  {job.kind}  {job.percent:3.0f} %  {job.status}  {said}".rstrip(),
                        markup=False,
                        soft_wrap=True,
                    )
        except TimeoutError:
            pass  # that was the wish
        return 0

    run_command(caller, work)
