"""Videos that are still at the provider although their execution is over: their worker was killed, or the
provider was down.

A file's name says whose it is, so that no execution deletes what another one uses, and any worker can see
whether it is of a job that has ended.
"""

from __future__ import annotations

import re
from uuid import UUID

from google import genai
from google.genai import errors

from headway import Context

__all__ = ["delete", "earlier_names", "leftovers", "name_of"]

_MISSING = (403, 404)
_NAME = re.compile(r"files/([0-9a-f]{32})-\d+")
_EARLIER = 10
_ENDED = ("completed", "failed", "cancelled")
_MOST_LISTED = 1_000
# An address holds only so many ids.
_ASKED_AT_ONCE = 50


def name_of(job: UUID, attempt: int) -> str:
    """What a video is called at the provider.

    Args:
        job: Whose it is.
        attempt: Which execution has uploaded it.
    """
    # At most 40 characters after the slash.
    return f"files/{job.hex}-{attempt}"


def earlier_names(job: UUID, attempt: int) -> list[str]:
    """What executions of a job before this one may have left.

    Args:
        job: Whose they are.
        attempt: The present execution.
    """
    return [name_of(job, each) for each in range(max(1, attempt - _EARLIER), attempt)]


async def delete(client: genai.Client, name: str) -> None:
    """Delete a file; one that is gone is as good.

    Args:
        client: The provider's.
        name: As ``name_of`` says.

    Raises:
        google.genai.errors.APIError: it could not be deleted.
    """
    try:
        await client.aio.files.delete(name=name)
    except errors.APIError as error:
        if error.code not in _MISSING:
            raise


async def leftovers(ctx: Context, client: genai.Client) -> list[str]:
    """Files of other jobs of this project that have ended.

    Those of jobs that the project does not know stay: another project may use the same account.

    Args:
        ctx: The context of a job that is at work.
        client: The provider's.
    """
    found: dict[str, list[str]] = {}
    listed = 0
    async for file in await client.aio.files.list(config={"page_size": 100}):
        listed += 1
        if listed > _MOST_LISTED:
            break
        whose = _NAME.fullmatch(file.name or "")
        if whose and UUID(whose[1]) != ctx.job.id:
            found.setdefault(str(UUID(whose[1])), []).append(whose[0])
    names: list[str] = []
    jobs = list(found)
    for begin in range(0, len(jobs), _ASKED_AT_ONCE):
        answer = await (
            ctx.db.schema("headway")
            .table("jobs")
            .select("id")
            .in_("id", jobs[begin : begin + _ASKED_AT_ONCE])
            .in_("status", _ENDED)
            .execute()
        )
        names += [name for row in answer.data for name in found[row["id"]]]  # type: ignore[index, call-overload]
    return names
