"""``profile.compare``: two profiles beside each other, each one's own or behind a share link."""

from __future__ import annotations

from typing import Any

from postgrest.exceptions import APIError
from pydantic import BaseModel, ConfigDict, Field

from headway import Context, NotFound
from workers.cv.comparison import Comparison, compare
from workers.cv.owner import owner_of
from workers.cv.records import FullProfile
from workers.cv.storage import NEVER, load_profile

__all__ = ["ComparePayload", "compare_profiles"]


class ComparePayload(BaseModel):
    """What ``profile.compare`` is given.

    Attributes:
        left: The token of a share link; the submitter's own profile when omitted.
        right: The token of another share link.
    """

    model_config = ConfigDict(extra="forbid")

    left: str | None = Field(default=None, min_length=1, max_length=200)
    right: str = Field(min_length=1, max_length=200)


async def compare_profiles(ctx: Context, payload: ComparePayload) -> Comparison:
    """Compare two profiles that the submitter may see; opening a link counts as a view of it.

    Args:
        ctx: The job's context.
        payload: Which two.

    Raises:
        NotFound: there is no such profile, or the link is expired, revoked or unknown.
    """
    if payload.left is None:
        left, since = await load_profile(ctx.db, owner_of(ctx))
        if since == NEVER:
            raise NotFound(
                "left: you have no profile yet",
                hint="Upload a CV, or compare the profiles of two share links.",
                code="profile_missing",
                details="left",
            )
    else:
        left = await _behind(ctx, "left", payload.left)
    right = await _behind(ctx, "right", payload.right)
    return compare(left, right, ctx.job.created_at.date())


async def _behind(ctx: Context, field: str, token: str) -> FullProfile:
    # The same function that opens the link for a visitor: a worker sees no more through it than they do.
    arguments: dict[str, Any] = {"token": token}
    try:
        shown: Any = (await ctx.db.rpc("shared_profile", arguments).execute()).data
    except APIError as error:
        if error.code != "HW301":
            raise
        raise NotFound(
            f"{field}: this link does not exist, has expired or was revoked",
            hint="Ask its owner for a new link.",
            code="link_unknown",
            details=field,
        ) from None
    return FullProfile.model_validate(shown)
