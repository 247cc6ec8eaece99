"""What is said and seen in a video, piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

__all__ = ["Segment", "SpokenSegment", "TranscriptWindow", "merged", "placed", "windows"]

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d{1,6})?)", re.ASCII)
_PLAIN = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)s?", re.ASCII)
_SHORTEST = 0.5


def _seconds(value: object) -> object:
    """Models write times as ``MM:SS`` (what Gemini is trained on), ``H:MM:SS.mmm`` or plain seconds."""
    if isinstance(value, str):
        if clock := _CLOCK.fullmatch(value.strip()):
            hours, minutes, seconds = clock.groups()
            return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
        if plain := _PLAIN.fullmatch(value.strip()):
            return float(plain[1])
    return value


class SpokenSegment(BaseModel):
    """A passage of a video: from when to when, what is said, and what is seen."""

    model_config = ConfigDict(extra="ignore")

    # In words rather than as numbers: that is how Gemini is trained to tell times.
    start: str = Field(description="When it begins, as MM:SS or MM:SS.mmm.")
    end: str = Field(description="When it ends, as MM:SS or MM:SS.mmm.")
    spoken: str = Field(
        default="", max_length=50_000, description="What is said, word for word; empty for silence."
    )
    visual: str = Field(
        default="", max_length=50_000, description="What is shown meanwhile, in one or two sentences."
    )

    @field_validator("start", "end")
    @classmethod
    def _is_time(cls, value: str) -> str:
        if not isinstance(_seconds(value), float):
            raise ValueError("must be a time written MM:SS or MM:SS.mmm")
        return value


class TranscriptWindow(BaseModel):
    """The passages of a part of a video, in order."""

    model_config = ConfigDict(extra="ignore")

    language: str = Field(description="The language that is spoken, as a BCP 47 tag such as en or pt-BR.")
    segments: list[SpokenSegment] = Field(
        max_length=5_000, description="Every passage, in order, without holes."
    )


class Segment(BaseModel):
    """A passage at its place in the whole video; times in seconds."""

    position: int = Field(ge=0)
    start: Annotated[float, BeforeValidator(_seconds), Field(ge=0, allow_inf_nan=False)]
    end: Annotated[float, BeforeValidator(_seconds), Field(ge=0, allow_inf_nan=False)]
    spoken: str = ""
    visual: str = ""


def windows(duration: float, length: float) -> list[tuple[float, float]]:
    """A video's time in even parts that are no longer than asked; one part when it is short.

    Args:
        duration: Seconds; 0 when it is not known.
        length: The most seconds of a part.
    """
    count = max(1, -(-int(duration * 1000) // int(length * 1000)))
    return [(duration * part / count, duration * (part + 1) / count) for part in range(count)]


def placed(window: TranscriptWindow, start: float, end: float) -> list[Segment]:
    """The passages of a part at their place in the whole.

    A model may count from the beginning of the part or of the whole. Parts are equally long, so that beyond
    the first the two ways cannot be mistaken for each other.

    Args:
        window: What the model answered.
        start: Where the part begins, in seconds.
        end: Where it ends; not after ``start`` when the length of the video is not known.

    Raises:
        pydantic.ValidationError: a time is none.
    """
    found = [
        Segment.model_validate(
            {
                "position": 0,
                "start": s.start,
                "end": s.end,
                "spoken": _clean(s.spoken),
                "visual": _clean(s.visual),
            }
        )
        for s in window.segments
    ]
    if start > 0 and found and all(s.start < start - _SHORTEST for s in found):
        found = [s.model_copy(update={"start": s.start + start, "end": s.end + start}) for s in found]
    if end > start:
        found = [
            s.model_copy(update={"start": min(max(s.start, start), end), "end": min(max(s.end, start), end)})
            for s in found
        ]
    return found


def merged(parts: Iterable[Iterable[Segment]]) -> list[Segment]:
    """All passages in order and numbered; none empty, none reaching into the next.

    Args:
        parts: The passages of each part of the video.
    """
    kept = sorted((s for part in parts for s in part if s.spoken or s.visual), key=lambda s: (s.start, s.end))
    result: list[Segment] = []
    for place, segment in enumerate(kept):
        following = kept[place + 1].start if place + 1 < len(kept) else None
        end = max(segment.end, segment.start)
        if following is not None and following > segment.start:
            end = min(end, following)
        if end - segment.start < _SHORTEST:
            longest = segment.start + _SHORTEST
            end = min(longest, following) if following is not None and following > segment.start else longest
        # The tables keep milliseconds.
        result.append(
            segment.model_copy(
                update={"position": place, "start": round(segment.start, 3), "end": round(end, 3)}
            )
        )
    return result


def _clean(text: str) -> str:
    return " ".join(text.replace("\x00", "").split())
