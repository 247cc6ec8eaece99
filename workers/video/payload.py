"""What is asked of a video, and what came of it."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from workers.languages import normalized, normalized_list

__all__ = ["LanguageResult", "VideoPayload", "VideoResult"]


class VideoPayload(BaseModel):
    """A video to be written down, documented and translated.

    The video is the job's input file, or that of a row of ``videos``; with both, they must be the same. The
    job belongs to a project, and so does all that is made of the video.
    """

    model_config = ConfigDict(extra="forbid")

    video_id: UUID | None = Field(
        default=None, description="The video's row; made for the input file when omitted."
    )
    languages: list[Annotated[str, Field(max_length=35)]] = Field(
        default=[], max_length=50, description="Target languages as BCP 47 tags, such as de or pt-BR."
    )
    language: str | None = Field(
        default=None, max_length=35, description="The language that is spoken; recognised when omitted."
    )
    title: str | None = Field(default=None, min_length=1, max_length=500, description="The video's title.")

    @field_validator("languages")
    @classmethod
    def _languages(cls, value: list[str]) -> list[str]:
        return normalized_list(value)

    @field_validator("language")
    @classmethod
    def _language(cls, value: str | None) -> str | None:
        return normalized(value) if value else None


class LanguageResult(BaseModel):
    """What came of one language.

    Attributes:
        status: ``failed`` languages alone are done again when the job is retried.
        error_code: What it failed of, for programs.
        error_message: What it failed of, for people.
    """

    language: str
    status: Literal["completed", "failed"]
    error_code: str | None = None
    error_message: str | None = None


class VideoResult(BaseModel):
    """What came of a video; its texts are rows of ``videos``, ``chapters`` and ``articles``."""

    video_id: UUID
    language: str
    duration_seconds: float
    segments: int
    chapters: list[str]
    languages: list[LanguageResult]
    kept_published: int = Field(default=0, description="Published articles that were not written over.")
    sandbox: bool = False
