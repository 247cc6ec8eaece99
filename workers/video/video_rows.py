"""The rows of a video: itself, its passages, its subtitles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from headway import Conflict, Context, InvalidRequest, NotFound
from workers.video.payload import VideoPayload
from workers.video.segments import Segment

__all__ = ["Video", "add_subtitles", "open_video", "store_transcript", "video_ready"]

_PORTION = 500


class Video(BaseModel):
    """A video's row, as far as the work needs it."""

    id: UUID
    path: str


async def open_video(ctx: Context, wanted: VideoPayload) -> Video:
    """The video's row, taken by this job; made for the input file if there is none.

    The payload comes from a user and the worker may read everywhere: a video that is named must be of the
    job's own project, which the engine has let the submitter write to.

    Args:
        ctx: The job's context.
        wanted: The payload.

    Raises:
        InvalidRequest: there is no project, no video, or two different ones.
        NotFound: the project has no such video, or its file is gone.
        Conflict: another job is at work on it.
    """
    job = ctx.job
    if job.project_id is None:
        raise _invalid(
            "project_id", "is missing", "Submit the job for the project that the video belongs to."
        )
    given = next(iter(ctx.files.inputs), None)
    if given is not None and given.bucket != "videos":
        raise _invalid(
            "files", f"{given.name} is in bucket {given.bucket}", "Upload the video to bucket videos."
        )
    videos = ctx.db.table("videos")
    columns = "id, project_id, storage_path"
    if wanted.video_id is not None:
        query = videos.select(columns).eq("id", str(wanted.video_id))
    elif given is not None:
        query = videos.select(columns).eq("storage_path", given.path)
    else:
        raise _invalid("video_id", "is missing", "Attach the video as a file, or name the row of videos.")
    found: list[dict[str, Any]] = (await query.execute()).data  # type: ignore[assignment]
    row: dict[str, Any] = {
        "job_id": str(job.id),
        "status": "processing",
        "error_code": None,
        "error_message": None,
    }
    row |= {"title": wanted.title} if wanted.title else {}
    if not found:
        if wanted.video_id is not None or given is None:
            raise _unknown()
        video = Video(id=job.id, path=given.path)
        row |= {"project_id": str(job.project_id), "storage_path": given.path}
        row.setdefault("title", PurePosixPath(given.path).stem[:500])
        row |= {"user_id": str(job.owner_id) if job.owner_id else None}
        await videos.insert({"id": str(video.id), **row}).execute()
        return video
    (present,) = found
    if present["project_id"] != str(job.project_id):
        raise _unknown()
    if given is not None and given.path != present["storage_path"]:
        raise _invalid("video_id", "is another video than the file", "Give only one of them.")
    if present["storage_path"] is None:
        raise NotFound(
            "video_id: its file was removed with the job that it was attached to",
            hint="Upload it again, and attach it instead.",
            code="file_gone",
            details="video_id",
        )
    # Asked and taken at once: two jobs may have found it free.
    taken = (
        await videos.update(row)
        .eq("id", present["id"])
        .or_(f"job_id.is.null,job_id.eq.{job.id},status.neq.processing")
        .execute()
    ).data
    if not taken:
        raise Conflict(
            "video_id: another job is at work on this video",
            hint="Wait for it, or cancel it first.",
            code="video_busy",
            details="video_id",
        )
    return Video(id=UUID(present["id"]), path=present["storage_path"])


def _invalid(field: str, reason: str, remedy: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {reason}", hint=remedy, code="video_missing", details=field)


def _unknown() -> NotFound:
    return NotFound(
        "video_id: the project has no such video",
        hint="Use a video of the job's project, or attach the file.",
        code="video_unknown",
        details="video_id",
    )


async def store_transcript(
    ctx: Context,
    video: UUID,
    segments: Sequence[Segment],
    *,
    vtt: str,
    language: str,
    duration: float,
    sandbox: bool,
) -> None:
    """Write a video's passages and subtitles; those of an earlier transcript are gone afterwards.

    Args:
        ctx: The job's context.
        video: Whose.
        segments: All passages.
        vtt: The subtitles.
        language: That is spoken.
        duration: In seconds.
        sandbox: Whether no model has written them.
    """
    table = ctx.db.table("video_segments")
    rows = [
        {
            "video_id": str(video),
            "position": segment.position,
            "start_seconds": segment.start,
            "end_seconds": segment.end,
            "spoken_content": segment.spoken or None,
            "visual_context": segment.visual or None,
        }
        for segment in segments
    ]
    for begin in range(0, len(rows), _PORTION):
        await table.upsert(rows[begin : begin + _PORTION], on_conflict="video_id,position").execute()
    await table.delete().eq("video_id", str(video)).gte("position", len(rows)).execute()
    values = {
        "vtt_content": vtt,
        "vtt_languages": {},
        "language": language,
        "duration_seconds": duration,
        "sandbox": sandbox,
    }
    await ctx.db.table("videos").update(values).eq("id", str(video)).execute()


async def video_ready(ctx: Context, video: UUID) -> None:
    """Say that all is there, just before the job says so: whoever hears of its end reads the row at once.

    Args:
        ctx: The job's context.
        video: Which one.
    """
    await ctx.db.table("videos").update({"status": "ready"}).eq("id", str(video)).execute()


async def add_subtitles(ctx: Context, video: UUID, language: str, vtt: str) -> None:
    """Add the subtitles of one language; the caller sees to it that nobody else does so at the same time.

    Args:
        ctx: The job's context.
        video: Whose.
        language: Of the subtitles.
        vtt: The subtitles.
    """
    videos = ctx.db.table("videos")
    (row,) = (await videos.select("vtt_languages").eq("id", str(video)).execute()).data
    known: dict[str, str] = row["vtt_languages"]  # type: ignore[index, call-overload, assignment]
    await videos.update({"vtt_languages": {**known, language: vtt}}).eq("id", str(video)).execute()
