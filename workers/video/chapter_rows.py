"""The rows of a documentation: chapters and articles, each under a slug of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from postgrest.exceptions import APIError
from pydantic import BaseModel

from headway import Conflict, Context
from workers.video.outline import Chapter
from workers.video.prosemirror import document_of, text_of
from workers.video.slugs import candidates

__all__ = [
    "StoredArticle",
    "StoredChapter",
    "remove_replaced",
    "remove_unfinished",
    "store_article",
    "store_chapter",
]

_MOST_SLUGS = 200
_UNIQUE_VIOLATION = "23505"
# By the foreign key, or before it by the trigger that looks at the chapter's project.
_CHAPTER_GONE = ("23503", "HW202")
# An address holds only so many ids.
_PORTION = 50


class StoredChapter(BaseModel):
    """A chapter's row."""

    id: UUID
    slug: str
    title: str


class StoredArticle(BaseModel):
    """An article's row.

    Attributes:
        kept: It was published, and therefore not written over.
    """

    id: UUID
    slug: str
    kept: bool


async def store_chapter(
    ctx: Context, video: UUID, position: int, chapter: Chapter, mine: set[str], *, sandbox: bool
) -> StoredChapter:
    """Write a chapter under the first slug of its title that is free, or this video's own already.

    Args:
        ctx: The job's context.
        video: Whose.
        position: Of the chapter, from 0.
        chapter: What it is about.
        mine: The slugs of chapters that this run has written; the new one is added.
        sandbox: Whether no model has written it.

    Raises:
        Conflict: two hundred chapters of the project have this title.
    """
    table = ctx.db.table("chapters")
    project = str(ctx.job.project_id)
    row = {
        "project_id": project,
        "video_id": str(video),
        "title": chapter.title,
        "summary": chapter.summary or None,
        "sections": [section.model_dump() for section in chapter.sections],
        "position": position,
        "start_seconds": chapter.start,
        "end_seconds": chapter.end,
        "sandbox": sandbox,
    }
    for slug, _ in zip(
        (s for s in candidates(chapter.title) if s not in mine), range(_MOST_SLUGS), strict=False
    ):
        # Whoever comes first has the slug: two videos of a project may be at work at the same time.
        made = (
            await table.upsert(
                {"slug": slug, **row}, on_conflict="project_id,slug", ignore_duplicates=True
            ).execute()
        ).data
        if not made:
            made = (
                await table.update(row)
                .eq("project_id", project)
                .eq("slug", slug)
                .eq("video_id", str(video))
                .execute()
            ).data
        if made:
            mine.add(slug)
            return StoredChapter(id=made[0]["id"], slug=slug, title=chapter.title)  # type: ignore[index, call-overload]
    raise _no_slug(chapter.title)


async def remove_unfinished(ctx: Context, video: UUID, rows: Sequence[StoredChapter]) -> None:
    """Remove chapters that a killed execution of this job has left, which no article was written for.

    Args:
        ctx: The job's context.
        video: Whose.
        rows: The chapters that stay.
    """
    present: list[dict[str, Any]] = (
        await ctx.db.table("chapters")
        .select("id, articles(id)")
        .eq("video_id", str(video))
        .not_.is_("start_seconds", "null")
        .gte("created_at", ctx.job.created_at.isoformat())
        .execute()
    ).data  # type: ignore[assignment]
    await _remove(ctx, [row["id"] for row in present if not row["articles"]], rows)


async def remove_replaced(ctx: Context, video: UUID, rows: Sequence[StoredChapter]) -> None:
    """Remove chapters that earlier jobs have made of this video, unless somebody has published one.

    A model hardly ever divides a video twice in the same way: two tables of contents would stand side by
    side.

    Args:
        ctx: The job's context.
        video: Whose.
        rows: The chapters that stay.
    """
    present: list[dict[str, Any]] = (
        await ctx.db.table("chapters")
        .select("id, articles(status)")
        .eq("video_id", str(video))
        .not_.is_("start_seconds", "null")
        .execute()
    ).data  # type: ignore[assignment]
    drafts = [
        row["id"] for row in present if all(article["status"] == "draft" for article in row["articles"])
    ]
    await _remove(ctx, drafts, rows)


async def _remove(ctx: Context, chapters: Sequence[str], but: Sequence[StoredChapter]) -> None:
    stay = {str(row.id) for row in but}
    left = [chapter for chapter in chapters if chapter not in stay]
    for begin in range(0, len(left), _PORTION):
        await ctx.db.table("chapters").delete().in_("id", left[begin : begin + _PORTION]).execute()


async def store_article(
    ctx: Context, chapter: StoredChapter, language: str, title: str, markdown: str, *, sandbox: bool
) -> StoredArticle:
    """Write a chapter's article in one language, unless somebody has published it.

    Args:
        ctx: The job's context.
        chapter: Whose.
        language: Of the article.
        title: Of the article.
        markdown: Its text.
        sandbox: Whether no model has written it.

    Raises:
        Conflict: two hundred articles of the project have this title.
    """
    table = ctx.db.table("articles")
    present: list[dict[str, Any]] = (
        await table.select("id, slug, status")
        .eq("chapter_id", str(chapter.id))
        .eq("language", language)
        .execute()
    ).data  # type: ignore[assignment]
    if present and present[0]["status"] == "published":
        return StoredArticle(id=present[0]["id"], slug=present[0]["slug"], kept=True)
    document = document_of(markdown)
    row = {
        "title": title,
        "content_json": document,
        "content_text": text_of(document),
        "sandbox": sandbox,
    }
    if present:
        await table.update(row).eq("id", present[0]["id"]).execute()
        return StoredArticle(id=present[0]["id"], slug=present[0]["slug"], kept=False)
    row |= {"project_id": str(ctx.job.project_id), "chapter_id": str(chapter.id), "language": language}
    for slug, _ in zip(candidates(chapter.slug), range(_MOST_SLUGS), strict=False):
        try:
            made = (
                await table.upsert({"slug": slug, **row}, on_conflict="chapter_id,language").execute()
            ).data
        except APIError as error:
            if error.code in _CHAPTER_GONE:
                raise Conflict(
                    f"chapter {chapter.title[:100]!r} is gone since it was written",
                    hint="A later job has replaced it, or somebody has removed it: submit the video again.",
                    code="chapter_gone",
                ) from error
            # Somebody has written an article of this slug by hand.
            if error.code != _UNIQUE_VIOLATION:
                raise
            continue
        return StoredArticle(id=made[0]["id"], slug=slug, kept=False)  # type: ignore[index, call-overload]
    raise _no_slug(title)


def _no_slug(title: str) -> Conflict:
    return Conflict(
        f"there are {_MOST_SLUGS} texts named {title[:100]!r} in the project",
        hint="Rename or remove some of them.",
        code="slug_taken",
    )
