"""Divides a transcript into chapters that hold all of it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from workers.video.segments import Segment

__all__ = ["Chapter", "ChapterOutline", "PlannedChapter", "planned"]


class Section(BaseModel):
    """A topic or step within a chapter."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    title: str = Field(min_length=1, max_length=300, description="What it is about.")
    summary: str = Field(default="", max_length=2_000, description="One sentence.")


class PlannedChapter(BaseModel):
    """A chapter and the passages that it is made of."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    title: str = Field(min_length=1, max_length=300, description="Short; what the chapter is about.")
    summary: str = Field(default="", max_length=4_000, description="One or two sentences.")
    first_segment: int = Field(ge=0, description="The number of its first passage.")
    last_segment: int = Field(ge=0, description="The number of its last passage.")
    sections: list[Section] = Field(default=[], max_length=50, description="Its topics or steps, in order.")


class ChapterOutline(BaseModel):
    """All chapters of a video, in order."""

    model_config = ConfigDict(extra="ignore")

    chapters: list[PlannedChapter] = Field(min_length=1, max_length=200)


class Chapter(BaseModel):
    """A chapter with its place in the video."""

    title: str
    summary: str
    sections: list[Section]
    segments: list[int]
    start: float
    end: float


def planned(outline: ChapterOutline, segments: Sequence[Segment], most: int) -> list[Chapter]:
    """Chapters that follow each other and leave no passage out.

    Where the model's chapters overlap, the earlier one ends; what it has left out belongs to the chapter
    before.

    Args:
        outline: What the model answered.
        segments: All passages, at least one.
        most: The most chapters; what is more joins the last one.
    """
    count = len(segments)
    wanted = sorted(
        (chapter for chapter in outline.chapters if chapter.first_segment < count),
        key=lambda chapter: (chapter.first_segment, chapter.last_segment),
    )
    starts: dict[int, PlannedChapter] = {}
    for chapter in wanted:
        starts.setdefault(chapter.first_segment, chapter)
    kept = list(starts.values())[:most] or outline.chapters[:1]
    begins = [0, *(chapter.first_segment for chapter in kept[1:])]
    chapters = []
    for chapter, begin, end in zip(kept, begins, [*begins[1:], count], strict=True):
        chapters.append(
            Chapter(
                title=chapter.title,
                summary=chapter.summary,
                sections=chapter.sections,
                segments=list(range(begin, end)),
                start=segments[begin].start,
                end=segments[end - 1].end,
            )
        )
    return chapters
