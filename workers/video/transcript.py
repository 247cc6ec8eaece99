"""Writes down a video: part by part, each a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from headway import ApiError, Context, InvalidRequest
from workers.languages import language_name, normalized
from workers.llm import FileUri, Prompts, gemini_model
from workers.video.hosting import HostedVideo
from workers.video.payload import VideoPayload
from workers.video.segments import Segment, TranscriptWindow, merged, placed, windows
from workers.video.settings import VideoSettings

__all__ = ["Transcript", "Uploaded", "transcribe", "upload"]

_PROMPTS = Prompts(Path(__file__).parent / "prompts")
# A second is about 300 tokens, sound at three times the price of pictures: enough for the most that it can
# cost.
_MOST_TOKENS_PER_SECOND = 400
_MOST_TOKENS_OF_UNKNOWN_LENGTH = 1_000_000
_MOST_WRITTEN = 32_000


class Uploaded(BaseModel):
    """What the provider says of the video; as a step keeps it."""

    duration: float


class Part(BaseModel):
    """What happens in a part of a video; as a step keeps it."""

    language: str | None
    segments: list[Segment]
    sandbox: bool


class Transcript(BaseModel):
    """What happens in a video.

    Attributes:
        language: That is spoken.
        duration: In seconds.
        segments: In order; never none.
        sandbox: Whether no model but the sandbox has written it down.
    """

    language: str
    duration: float
    segments: list[Segment]
    sandbox: bool


async def upload(video: HostedVideo, settings: VideoSettings) -> Uploaded:
    """Hand the video over and learn how long it is.

    Args:
        video: Not yet uploaded.
        settings: How long it may be.

    Raises:
        InvalidRequest: it is too long, or cannot be read.
    """
    file = await video.ready()
    duration = _duration(file.video_metadata)
    if duration > settings.most_seconds:
        raise InvalidRequest(
            f"video: plays {duration:.0f} seconds; at most {settings.most_seconds:.0f} are taken",
            hint="Cut it into several videos.",
            code="video_too_long",
            details="video",
        )
    return Uploaded(duration=duration)


async def transcribe(
    ctx: Context,
    video: HostedVideo,
    uploaded: Uploaded,
    wanted: VideoPayload,
    settings: VideoSettings,
    told: Callable[[int, int], None],
) -> Transcript:
    """Write the whole video down.

    Args:
        ctx: The job's context.
        video: Uploaded again if it has to be.
        uploaded: How long it is.
        wanted: The language, if the caller knows it.
        settings: How long a part is.
        told: Called with parts done and parts in all.

    Raises:
        Retry: the model cannot answer now.
        BudgetExceeded: the job's budget does not allow the next part.
        ApiError: the model refuses, or there is nothing to write down.
    """
    parts: list[Part] = []
    spans = windows(uploaded.duration, settings.part_seconds)
    for number, (start, end) in enumerate(spans):
        name = "transcribe" if len(spans) == 1 else f"transcribe:{number + 1}"
        part = await ctx.step(name, _write_down, ctx, video, wanted, start, end, len(spans) > 1, into=Part)
        parts.append(part)
        told(number + 1, len(spans))
    segments = merged(part.segments for part in parts)
    if not segments:
        raise ApiError(
            "video: nothing that could be written down was found in it",
            hint="Check that it plays, with picture or sound.",
            code="video_empty",
        )
    return Transcript(
        language=wanted.language or _spoken(parts),
        duration=max(uploaded.duration, segments[-1].end),
        segments=segments,
        sandbox=any(part.sandbox for part in parts),
    )


async def _write_down(
    ctx: Context, video: HostedVideo, wanted: VideoPayload, start: float, end: float, part: bool
) -> Part:
    file = await video.ready()
    model = await ctx.shared(gemini_model)
    tokens = round((end - start) * _MOST_TOKENS_PER_SECOND) or _MOST_TOKENS_OF_UNKNOWN_LENGTH
    clip = {"start": start, "end": end} if part else {}
    answer = await model.complete(
        _PROMPTS.render(
            "transcript",
            part=part,
            begins=_clock(start),
            ends=_clock(end),
            language=language_name(wanted.language) if wanted.language else None,
        ),
        schema=TranscriptWindow,
        images=[FileUri(file.uri or "", file.mime_type or "video/mp4", tokens, **clip)],
        ctx=ctx,
        max_tokens=_MOST_WRITTEN,
    )
    return Part(language=_tag(answer.language), segments=placed(answer, start, end), sandbox=model.sandbox)


def _spoken(parts: list[Part]) -> str:
    heard = Counter(part.language for part in parts if part.language)
    return heard.most_common(1)[0][0] if heard else "en"


def _tag(language: str) -> str | None:
    try:
        return normalized(language)
    except ValueError:
        return None


def _duration(metadata: dict[str, object] | None) -> float:
    """Of what the provider knows of a video; 0 when it does not say."""
    text = str((metadata or {}).get("videoDuration", "")).removesuffix("s")
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"
