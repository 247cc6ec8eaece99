"""Translates articles and subtitles, one language a step; a language that fails does not fail the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from headway import Context, HeadwayError, LeaseLost, Retry
from workers.languages import language_name
from workers.llm import AnswerInvalid, Prompts, TextModel, gemini_model
from workers.video.chapter_rows import store_article
from workers.video.chapters import Article, ChapterArticle, tell
from workers.video.gathering import gather
from workers.video.payload import LanguageResult
from workers.video.settings import VideoSettings
from workers.video.transcript import Transcript
from workers.video.video_rows import add_subtitles
from workers.video.vtt import subtitles

__all__ = ["Translation", "translate"]

_PROMPTS = Prompts(Path(__file__).parent / "prompts")
# Long enough for context, short enough for one answer.
_LINES = 60
_ASKED = 2


class TranslatedLine(BaseModel):
    """A line under its number."""

    n: int
    text: str = Field(max_length=50_000)


class TranslatedLines(BaseModel):
    """Every line that was given, translated."""

    model_config = ConfigDict(extra="ignore")

    lines: list[TranslatedLine] = Field(max_length=10 * _LINES)


class TranslatedArticle(ChapterArticle):
    """The article, translated."""


class Translation(BaseModel):
    """What came of a language; as a step keeps it."""

    articles: int
    kept: int


async def translate(
    ctx: Context,
    video: UUID,
    transcript: Transcript,
    articles: Sequence[Article],
    languages: Sequence[str],
    settings: VideoSettings,
    told: Callable[[int, int], None],
) -> tuple[list[LanguageResult], int]:
    """Translate everything into every language.

    Args:
        ctx: The job's context.
        video: Whose.
        transcript: Of the video.
        articles: In the language of the video.
        languages: Target languages.
        settings: How many at once.
        told: Called with languages done and languages in all, failed ones included.

    Returns:
        What came of each language, and how many published articles were kept.

    Raises:
        Retry: a provider could not answer, and the job may be tried again for what is left.
        LeaseLost: another worker owns the job.
    """
    writing = asyncio.Lock()
    done = 0
    passing: list[Retry] = []

    async def one(language: str) -> tuple[LanguageResult, int]:
        nonlocal done
        try:
            translation = await ctx.step(
                f"translate:{language}",
                _language,
                ctx,
                video,
                transcript,
                articles,
                language,
                writing,
                into=Translation,
            )
            result, kept = LanguageResult(language=language, status="completed"), translation.kept
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - its step says so, and the others go on
            if isinstance(error, Retry):
                passing.append(error)
            result, kept = _failed(ctx, language, error), 0
        done += 1
        told(done, len(languages))
        return result, kept

    outcomes = await gather(one, languages, settings.concurrency)
    if passing and ctx.job.failures == 0:
        # Once by itself, for what is left; a provider that is still down then is left to people.
        raise passing[0]
    return [result for result, _ in outcomes], sum(kept for _, kept in outcomes)


def _failed(ctx: Context, language: str, error: Exception) -> LanguageResult:
    if isinstance(error, HeadwayError):
        code, message = error.code, error.message
    else:
        code, message = "unexpected", f"{type(error).__name__}"
    ctx.log.warning("%s could not be written: %s", language, message)
    return LanguageResult(language=language, status="failed", error_code=code, error_message=message[:1000])


async def _language(
    ctx: Context,
    video: UUID,
    transcript: Transcript,
    articles: Sequence[Article],
    language: str,
    writing: asyncio.Lock,
) -> Translation:
    model = await ctx.shared(gemini_model)
    spoken = [segment for segment in transcript.segments if segment.spoken]
    texts: list[str] = []
    for begin in range(0, len(spoken), _LINES):
        texts += await _lines(ctx, model, [s.spoken for s in spoken[begin : begin + _LINES]], language)
    said = [segment.model_copy(update={"spoken": text}) for segment, text in zip(spoken, texts, strict=True)]
    async with writing:
        await add_subtitles(ctx, video, language, subtitles(said))
    kept = 0
    for article in articles:
        answer = await model.complete(
            _PROMPTS.render(
                "translation",
                language=language_name(language),
                tag=language,
                title=article.title,
                markdown=article.markdown,
            ),
            schema=TranslatedArticle,
            ctx=ctx,
        )
        row = await store_article(
            ctx, article.chapter, language, answer.title, answer.markdown, sandbox=model.sandbox
        )
        kept += row.kept
        await tell(ctx, row, article.chapter, language, answer.title, answer.markdown)
    return Translation(articles=len(articles), kept=kept)


async def _lines(ctx: Context, model: TextModel, texts: Sequence[str], language: str) -> list[str]:
    """Lines in another language; what the model forgets is asked for again."""
    left = dict(enumerate(texts, start=1))
    translated: dict[int, str] = {}
    for _ in range(_ASKED):
        answer = await model.complete(
            _PROMPTS.render(
                "lines", language=language_name(language), tag=language, lines=list(left.items())
            ),
            schema=TranslatedLines,
            ctx=ctx,
        )
        for line in answer.lines:
            if left.get(line.n) and line.text.strip():
                translated[line.n] = " ".join(line.text.split())
        left = {number: text for number, text in left.items() if number not in translated}
        if not left:
            return [translated[number] for number in sorted(translated)]
    raise AnswerInvalid(
        f"the model has left out {len(left)} of {len(texts)} lines of the subtitles",
        hint="Retry the job for this language.",
    )
