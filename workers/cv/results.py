"""What ``cv.parse`` is given and what it answers."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from workers.cv.extraction import CvExtraction
from workers.cv.records import Board, Education, Profile, Work
from workers.reading.content_type import FileKind

__all__ = ["CurrentRole", "CvPayload", "CvResult", "Extracted", "Parsed"]


class CvPayload(BaseModel):
    """What ``cv.parse`` is given, beside its file.

    Attributes:
        file: Which of the job's files is the CV; needed only when there are several.
    """

    model_config = ConfigDict(extra="forbid")

    file: str | None = Field(default=None, max_length=255)


class CurrentRole(BaseModel):
    """What the person does today."""

    title: str | None
    company: str | None
    start_date: str | None


class CvResult(BaseModel):
    """What ``cv.parse`` answers: the profile as it stands, and how it came about.

    Attributes:
        profile_id: Whose profile was written.
        current_role: The job of today, if there is one.
        notes: What was in the CV and could not be taken over as it was.
        questions: What an interview would ask first.
        open_questions: How many questions there are in all.
        kind: What the file was, by its content.
        pages: Of the file.
        sandbox: The sandbox has read the CV, and no model.
    """

    profile_id: UUID
    profile: Profile
    current_role: CurrentRole | None
    work_experience: list[Work]
    board_experience: list[Board]
    education: list[Education]
    notes: list[str]
    questions: list[str]
    open_questions: int
    kind: FileKind
    pages: int
    sandbox: bool


class Extracted(BaseModel):
    """What step ``extract`` leaves behind."""

    kind: FileKind
    text: str
    pages: int
    pictures: int


class Parsed(BaseModel):
    """What step ``parse`` leaves behind."""

    extraction: CvExtraction
    sandbox: bool
