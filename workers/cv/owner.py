"""Whose profile a job works on, and by which settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from headway import Context, InvalidRequest
from workers.cv.settings import CvSettings

__all__ = ["cv_settings", "owner_of"]


@asynccontextmanager
async def cv_settings() -> AsyncIterator[CvSettings]:
    """The settings, read once per process: ``await ctx.shared(cv_settings)``.

    Raises:
        ConfigError: a setting is wrong.
    """
    yield CvSettings.load()


def owner_of(ctx: Context) -> UUID:
    """The person whose profile a job works on.

    Args:
        ctx: The job's context.

    Raises:
        InvalidRequest: it is a job of the service, and names nobody.
    """
    if ctx.job.owner_id is None:
        raise InvalidRequest(
            "owner_id: the job belongs to nobody, so there is no profile for it",
            hint="Submit it as the signed-in user, or with owner_id.",
            code="owner_missing",
            details="owner_id",
        )
    return ctx.job.owner_id
