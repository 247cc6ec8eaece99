"""What is said and seen in a video, piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate, groupby, pairwise, zip_longest
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

__all__ = ["Segment", "SpokenSegment", "TranscriptWindow", "merged", "placed", "windows"]

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d{1,6})?)", re.ASCII)
_PLAIN = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)s?", re.ASCII)
_SHORTEST = 0.5
_BRIEFEST = 0.001
# Characters' worth of time for a passage in which little or nothing is said.
_WEIGHT_OF_SILENCE = 10


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

    Models tell whole seconds: passages that begin in the same one share the time until the next.

    Args:
        parts: The passages of each part of the video.
    """
    kept = sorted(
        (
            # The tables keep milliseconds.
            s.model_copy(update={"start": round(s.start, 3)})
            for part in parts
            for s in part
            if s.spoken or s.visual
        ),
        key=lambda s: (s.start, s.end),
    )
    groups = [list(group) for _, group in groupby(kept, key=lambda s: s.start)]
    result: list[Segment] = []
    free = 0.0
    for group, following in zip_longest(groups, groups[1:]):
        start = max(group[0].start, free)
        end = max(start + _SHORTEST * len(group), *(s.end for s in group))
        if following is not None:
            end = min(end, following[0].start)
        length = max(end - start, _BRIEFEST * len(group))
        weights = [max(len(s.spoken), _WEIGHT_OF_SILENCE) for s in group]
        for segment, (before, until) in zip(group, pairwise(accumulate(weights, initial=0)), strict=True):
            begins = round(start + length * before / sum(weights), 3)
            free = max(round(start + length * until / sum(weights), 3), begins + _BRIEFEST)
            place = {"position": len(result), "start": begins, "end": round(free, 3)}
            result.append(segment.model_copy(update=place))
    return result


def _clean(text: str) -> str:
    return " ".join(text.replace("\x00", "").split())
