"""What a file may be, and how an interview is held."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from workers.reading.limits import Limits
from workers.settings import PipelineSettings

__all__ = ["CvSettings"]

_MIB = 1024 * 1024


class CvSettings(PipelineSettings):
    """What a CV's file may be, and how an interview is held."""

    model_config = SettingsConfigDict(env_prefix="HEADWAY_CV_")

    most_megabytes: float = Field(
        default=10, gt=0, le=100, description="The largest file that is read, in MiB."
    )
    most_pages: int = Field(default=40, ge=1, le=1000, description="The most pages of a PDF.")
    most_scanned_pages: int = Field(
        default=15, ge=1, le=100, description="The most pages that are looked at as pictures."
    )
    read_memory_megabytes: int = Field(
        default=1024, ge=256, le=16384, description="Memory of the process that reads one file, in MiB."
    )
    read_seconds: int = Field(
        default=20, ge=1, le=300, description="Processor time of the process that reads one file, in seconds."
    )
    most_questions: int = Field(default=25, ge=1, le=200, description="The most questions of one interview.")
    secret_seconds: int = Field(
        default=600,
        ge=60,
        le=7200,
        description="How long a browser's secret for the voice model opens sessions.",
    )
    secret_margin_seconds: int = Field(
        default=60, ge=0, le=3600, description="How long before its end a secret is replaced by a new one."
    )
    voice: str = Field(default="marin", min_length=1, description="The voice that holds interviews.")
    font_files: tuple[Path, ...] = Field(
        default=(),
        description="More fonts for exported profiles, as a JSON list: of scripts that Noto Sans lacks.",
    )

    @property
    def limits(self) -> Limits:
        """What a file may be, and what reading it may take."""
        return Limits(
            most_bytes=int(self.most_megabytes * _MIB),
            most_pages=self.most_pages,
            most_scanned_pages=self.most_scanned_pages,
            memory_bytes=self.read_memory_megabytes * _MIB,
            seconds=self.read_seconds,
        )
