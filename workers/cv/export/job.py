"""``profile.export``: a profile as a PDF in its owner's folder of the bucket ``exports``."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, ConfigDict, Field

from headway import Context, NotFound
from workers.cv.export.document import render_profile
from workers.cv.export.wording import locale_of
from workers.cv.owner import cv_settings, owner_of
from workers.cv.storage import NEVER, load_profile

__all__ = ["ExportPayload", "ExportResult", "export_profile"]

_NAME = "profile.pdf"


class ExportPayload(BaseModel):
    """What ``profile.export`` is given.

    Attributes:
        language: Of headings and dates.
        contact: Whether e-mail address and phone number are in it.
    """

    model_config = ConfigDict(extra="forbid")

    language: str = Field(default="en", max_length=20)
    contact: bool = True


class ExportResult(BaseModel):
    """What ``profile.export`` answers; the file itself is the job's output ``profile.pdf``.

    Attributes:
        bucket: Where it is.
        path: Where in the bucket.
        pages: How many it has.
        missing_characters: Characters that no font has.
    """

    bucket: str
    path: str
    pages: int
    missing_characters: str


async def export_profile(ctx: Context, payload: ExportPayload) -> ExportResult:
    """Set the owner's profile as a PDF.

    Args:
        ctx: The job's context.
        payload: How.

    Raises:
        InvalidRequest: the language is none that profiles are exported in.
        NotFound: there is no profile.
    """
    settings = await ctx.shared(cv_settings)
    locale = locale_of(payload.language)
    owner = owner_of(ctx)
    whole, since = await load_profile(ctx.db, owner)
    if since == NEVER:
        raise NotFound(
            "There is no profile to export.",
            hint="Upload a CV, or create a profile, first.",
            code="profile_missing",
        )
    ctx.stage("render", "Setting the pages")
    made = await asyncio.to_thread(
        render_profile, whole, locale, contact=payload.contact, fonts=settings.font_files
    )
    ctx.stage("store", "Saving the file")
    file = await ctx.files.upload(
        _NAME,
        made.content,
        bucket="exports",
        path=f"{owner}/profile-{ctx.job.id}.pdf",
        content_type="application/pdf",
    )
    return ExportResult(bucket=file.bucket, path=file.path, pages=made.pages, missing_characters=made.missing)
