"""Makes chapters of a transcript, and an article of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from headway import Context
from workers.languages import language_name
from workers.llm import Prompts, gemini_model
from workers.video.chapter_rows import (
    StoredArticle,
    StoredChapter,
    remove_replaced,
    remove_unfinished,
    store_article,
    store_chapter,
)
from workers.video.gathering import gather
from workers.video.outline import Chapter, ChapterOutline, planned
from workers.video.prosemirror import document_of, text_of
from workers.video.settings import VideoSettings
from workers.video.transcript import Transcript

__all__ = ["Article", "make_chapters", "tell"]

_PROMPTS = Prompts(Path(__file__).parent / "prompts")
# An event may have 64 kB; what is longer is read from the table.
_TOLD_CHARACTERS = 12_000


class ChapterArticle(BaseModel):
    """An article in Markdown."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    title: str = Field(min_length=1, max_length=300)
    markdown: str = Field(min_length=1, max_length=200_000)


class Outline(BaseModel):
    """The chapters and their rows; as a step keeps them."""

    chapters: list[Chapter]
    rows: list[StoredChapter]


class Article(BaseModel):
    """An article in the language of the video; as a step keeps it."""

    chapter: StoredChapter
    title: str
    markdown: str
    kept: bool = False


async def make_chapters(
    ctx: Context,
    video: UUID,
    transcript: Transcript,
    settings: VideoSettings,
    told: Callable[[int, int], None],
) -> list[Article]:
    """Divide the transcript into chapters and write the article of each; every one is a step.

    Args:
        ctx: The job's context.
        video: Whose.
        transcript: Of the video.
        settings: How many chapters, and how many at once.
        told: Called with parts done and parts in all.

    Raises:
        Retry: the model cannot answer now.
        BudgetExceeded: the job's budget does not allow the next call.
        ApiError: the model refuses, or its answers are no use.
    """
    told(0, 1)
    outline = await ctx.step("outline", _outline, ctx, video, transcript, settings, into=Outline)
    total, done = len(outline.rows) + 1, 1
    told(done, total)

    async def write(place: int) -> Article:
        nonlocal done
        article = await ctx.step(
            f"article:{outline.rows[place].slug}"[:200],
            _article,
            ctx,
            outline.rows[place],
            outline.chapters[place],
            transcript,
            into=Article,
        )
        done += 1
        told(done, total)
        return article

    articles = await gather(write, range(len(outline.rows)), settings.concurrency)
    # Only now that the new ones are there; and once, lest a retry remove what a later job has made.
    await ctx.step("replace", remove_replaced, ctx, video, outline.rows)
    return articles


async def tell(
    ctx: Context, row: StoredArticle, chapter: StoredChapter, language: str, title: str, markdown: str
) -> None:
    """Let watchers read an article as soon as it is stored.

    Args:
        ctx: The job's context.
        row: The article's row.
        chapter: Its chapter.
        language: Of the article.
        title: Of the article.
        markdown: Its text.
    """
    text = text_of(document_of(markdown))
    await ctx.emit(
        "article",
        {
            "article_id": str(row.id),
            "chapter_id": str(chapter.id),
            "language": language,
            "slug": row.slug,
            "title": title,
            "text": text[:_TOLD_CHARACTERS],
            "text_cut": len(text) > _TOLD_CHARACTERS,
        },
    )


async def _outline(ctx: Context, video: UUID, transcript: Transcript, settings: VideoSettings) -> Outline:
    model = await ctx.shared(gemini_model)
    answer = await model.complete(
        _PROMPTS.render(
            "outline",
            most=settings.most_chapters,
            language=language_name(transcript.language),
            segments=transcript.segments,
        ),
        schema=ChapterOutline,
        ctx=ctx,
    )
    chapters = planned(answer, transcript.segments, settings.most_chapters)
    rows: list[StoredChapter] = []
    mine: set[str] = set()
    for position, chapter in enumerate(chapters):
        rows.append(await store_chapter(ctx, video, position, chapter, mine, sandbox=model.sandbox))
    await remove_unfinished(ctx, video, rows)
    return Outline(chapters=chapters, rows=rows)


async def _article(ctx: Context, row: StoredChapter, chapter: Chapter, transcript: Transcript) -> Article:
    model = await ctx.shared(gemini_model)
    passages: Sequence[object] = [transcript.segments[place] for place in chapter.segments]
    answer = await model.complete(
        _PROMPTS.render(
            "article",
            title=chapter.title,
            sections=chapter.sections,
            segments=passages,
            language=language_name(transcript.language),
        ),
        schema=ChapterArticle,
        ctx=ctx,
    )
    stored = await store_article(
        ctx, row, transcript.language, answer.title, answer.markdown, sandbox=model.sandbox
    )
    await tell(ctx, stored, row, transcript.language, answer.title, answer.markdown)
    return Article(chapter=row, title=answer.title, markdown=answer.markdown, kept=stored.kept)
