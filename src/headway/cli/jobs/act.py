"""``headway cancel``, ``headway retry`` and ``headway signal``."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from headway.cli.jobs.running import Caller, console, print_json, run_command
from headway.cli.jobs.watch import watch_jobs

if TYPE_CHECKING:
    from headway.client.headway import AsyncHeadway

__all__ = ["cancel_jobs", "retry_job", "signal_job"]


def cancel_jobs(caller: Caller, ids: Sequence[str], reason: str | None) -> None:
    """Cancel some jobs; the first that cannot be cancelled ends it.

    Args:
        caller: Who, and how to print.
        ids: The jobs.
        reason: For whoever wonders.
    """

    async def work(client: AsyncHeadway) -> int:
        answers = [await client.cancel(each, reason) for each in ids]
        if caller.as_json:
            print_json([answer.model_dump(mode="json") for answer in answers])
            return 0
        for answer in answers:
            # A running job is told, and ends when its worker has stopped it.
            asked = answer.status in ("pending", "processing")
            said = "is asked to stop" if asked else str(answer.status)
            if not (answer.changed or asked):
                said = f"had ended before: {said}"
            console().print(f"{answer.id}  {said}", soft_wrap=True)
        return 0

    run_command(caller, work)


def retry_job(
    caller: Caller,
    job_id: str,
    from_step: str | None,
    *,
    cost_budget: Decimal | None,
    watch: bool,
    timeout_s: float | None,
) -> None:
    """Run a job that has ended once more.

    Args:
        caller: Who, and how to print.
        job_id: The job.
        from_step: Completed steps before this one are kept; all of them when omitted.
        cost_budget: What it may cost from its beginning; as it was when omitted.
        watch: Show its progress; the exit status is then that of ``watch``.
        timeout_s: How long to watch.
    """

    async def work(client: AsyncHeadway) -> int:
        answer = await client.retry(job_id, from_step, cost_budget=cost_budget)
        if caller.as_json:
            print_json(answer.model_dump(mode="json"))
        else:
            console().print(f"{answer.id}  {answer.status}  run {answer.run}", soft_wrap=True)
        return await watch_jobs(caller, [client.job(job_id)], timeout_s=timeout_s) if watch else 0

    run_command(caller, work)


def signal_job(caller: Caller, job_id: str, name: str, payload: Any) -> None:
    """Give a job what it waits for.

    Args:
        caller: Who, and how to print.
        job_id: The job.
        name: The signal's name.
        payload: Plain JSON.
    """

    async def work(client: AsyncHeadway) -> int:
        answer = await client.signal(job_id, name, payload)
        if caller.as_json:
            print_json(answer.model_dump(mode="json"))
        else:
            console().print(answer.state)
        return 0

    run_command(caller, work)
