"""The talk track's row: one per job, written once, when every slide has its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from postgrest.exceptions import APIError

from headway import Context, NotFound
from workers.talk_track.chunks import WrittenChunk
from workers.talk_track.payload import TalkTrackPayload

__all__ = ["save_talk_track"]

_FOREIGN_KEY = "23503"


async def save_talk_track(
    ctx: Context, payload: TalkTrackPayload, title: str | None, chunks: Sequence[WrittenChunk]
) -> UUID:
    """Store the whole talk in one row, or again the same; its id.

    Raises:
        NotFound: the project or the deck has gone meanwhile.
    """
    slides = [slide for chunk in chunks for slide in chunk.slides]
    row: dict[str, Any] = {
        "job_id": str(ctx.job.id),
        "project_id": str(ctx.job.project_id),
        "user_id": str(ctx.job.owner_id) if ctx.job.owner_id else None,
        "deck_id": str(payload.deck_id) if payload.deck_id else None,
        "title": title,
        "status": "completed",
        "options": payload.options.model_dump(mode="json"),
        "slides": [slide.model_dump() for slide in slides],
        "total_duration_seconds": sum(slide.seconds for slide in slides),
        "sandbox": any(chunk.sandbox for chunk in chunks),
    }
    try:
        stored: Any = (await ctx.db.table("talk_tracks").upsert(row, on_conflict="job_id").execute()).data
    except APIError as error:
        if error.code != _FOREIGN_KEY:
            raise
        raise NotFound(
            "the project or the deck was deleted while the talk was being written",
            hint="Everything that was written is in the job's steps.",
            code="project_gone",
        ) from None
    return UUID(stored[0]["id"])
