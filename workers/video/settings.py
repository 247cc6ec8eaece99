"""How videos are read; which model reads them is chosen by ``HEADWAY_LLM_GEMINI_MODEL``."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from workers.settings import PipelineSettings

__all__ = ["VideoSettings"]


class VideoSettings(PipelineSettings):
    """How videos are read and how many languages are written at once."""

    model_config = SettingsConfigDict(env_prefix="HEADWAY_VIDEO_")

    most_bytes: int = Field(
        default=2 * 1024**3,
        ge=1,
        description="The largest video in bytes; Gemini's Files API takes 2 GB.",
    )
    most_seconds: float = Field(
        default=10_800, gt=0, description="The longest video in seconds; a longer one is refused."
    )
    part_seconds: float = Field(
        default=600, ge=30, le=3_600, description="Seconds of video that are written down with one call."
    )
    ready_seconds: float = Field(
        default=600, gt=0, description="Seconds that the provider may take to prepare an uploaded video."
    )
    poll_seconds: float = Field(
        default=4,
        gt=0,
        le=60,
        description="The most seconds between asking whether the video is prepared.",
    )
    concurrency: int = Field(
        default=3, ge=1, le=20, description="How many languages or articles of a video are written at once."
    )
    most_chapters: int = Field(
        default=30, ge=1, le=200, description="The most chapters that are made of a video."
    )
