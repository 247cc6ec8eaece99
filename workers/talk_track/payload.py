"""What a talk track is asked for with, and what its job answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias
from uuid import UUID

import langcodes
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

__all__ = [
    "Audience",
    "Length",
    "SlideInput",
    "TalkTrackOptions",
    "TalkTrackPayload",
    "TalkTrackResult",
    "Tone",
]

MOST_SLIDES = 1000

Tone: TypeAlias = Literal["conversational", "formal", "enthusiastic", "persuasive", "educational"]
Length: TypeAlias = Literal["short", "medium", "long"]
Audience: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]


def _language(tag: str) -> str:
    if not langcodes.tag_is_valid(tag):
        raise ValueError("not a language tag such as en, pt-BR or zh-Hant")
    return langcodes.standardize_tag(tag)


def _unless_blank(text: str | None) -> str | None:
    return text if text and text.strip() else None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SlideInput(_Strict):
    """One slide, given with the job; any part may be missing, as on a slide that is only a picture."""

    title: str | None = Field(default=None, max_length=1000, description="The slide's title.")
    body: str | None = Field(default=None, max_length=50_000, description="The slide's text.")
    speaker_hints: str | None = Field(
        default=None, max_length=20_000, description="What the speaker wants to be said."
    )


class TalkTrackOptions(_Strict):
    """How the talk shall sound."""

    tone: Tone = Field(default="conversational", description="How it shall sound.")
    length: Length = Field(default="medium", description="About 40, 90 or 160 words a slide.")
    audience: Audience | None = Field(default=None, description="Who listens, in a few words.")
    language: Annotated[str, StringConstraints(max_length=35), AfterValidator(_language)] | None = Field(
        default=None, description="A BCP 47 tag; the deck's own language when omitted."
    )
    words_per_minute: int = Field(default=140, ge=80, le=220, description="How fast the speaker speaks.")


def _either(schema: dict[str, Any]) -> None:
    # For whoever submits over HTTP: the engine enforces this before a job exists.
    schema["oneOf"] = [
        {"required": ["deck_id"], "properties": {"deck_id": {"type": "string"}}},
        {"required": ["slides"], "properties": {"slides": {"type": "array"}}},
    ]


class TalkTrackPayload(_Strict):
    """A deck of the job's project, or the slides themselves; and options."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_either)

    deck_id: UUID | None = Field(default=None, description="A row of slide_decks in the job's project.")
    title: Annotated[
        Annotated[str, StringConstraints(max_length=500)] | None, AfterValidator(_unless_blank)
    ] = Field(default=None, description="The talk's title; the deck's when omitted.")
    slides: list[SlideInput] | None = Field(
        default=None, min_length=1, max_length=MOST_SLIDES, description="The slides, in order."
    )
    options: TalkTrackOptions = Field(default_factory=TalkTrackOptions, description="How it shall sound.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.deck_id is None) == (self.slides is None):
            raise ValueError("give either deck_id or slides")
        return self


class TalkTrackResult(BaseModel):
    """What the job answers; the text itself is the row of ``talk_tracks``."""

    talk_track_id: UUID
    title: str | None
    slides: int
    total_duration_seconds: int
