"""``video.process``: from a video to subtitles, chapters and articles in several languages."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from functools import partial

from headway import Context, RetryPolicy, Stage, Worker
from workers.video.chapters import Article, make_chapters
from workers.video.hosting import hosted
from workers.video.payload import LanguageResult, VideoPayload, VideoResult
from workers.video.settings import VideoSettings
from workers.video.source import open_source
from workers.video.transcript import Transcript, Uploaded, transcribe, upload
from workers.video.translating import translate
from workers.video.video_rows import Video, open_video, store_transcript, video_ready
from workers.video.vtt import subtitles

__all__ = ["process_video", "worker"]

worker = Worker()


@worker.job(
    "video.process",
    queue="video",
    timeout=7_200,
    retries=RetryPolicy(max_attempts=5, base=5, cap=600),
    # The marks on the bar: 5, 20, 30, 55 with an equal share of 40 for every language, 100.
    stages=[
        Stage(name="uploading", label="Handing over the video", weight=20),
        Stage(name="transcribing", label="Writing down what is said", weight=10),
        Stage(name="generating_docs", label="Writing the documentation", weight=25),
        Stage(name="translating", label="Translating", weight=45),
        Stage(name="complete", label="Done", weight=0),
    ],
    retention=timedelta(days=7),
    cost_budget=Decimal(50),
    result_limit=16 * 1024 * 1024,
    description="Writes a video down, makes a documentation of it, and translates both.",
)
async def process_video(ctx: Context, payload: VideoPayload) -> VideoResult:
    """Write a video down, document it, translate it; every part is kept as soon as it is done."""
    ctx.stage("uploading", "Handing over the video")
    ctx.progress(5, 20)
    settings = VideoSettings.load()
    video = await open_video(ctx, payload)
    transcript = await _write_down(ctx, video, payload, settings)

    ctx.stage("generating_docs", "Finding the chapters")

    def written(done: int, total: int) -> None:
        # The outline is the first part; the others are articles.
        ctx.progress(done, total, f"{done - 1} of {total - 1} articles written" if done else None)

    articles = await make_chapters(ctx, video.id, transcript, settings, written)
    ctx.metrics(chapters=len(articles))

    languages = [language for language in payload.languages if language != transcript.language]
    results, kept = await _translate(ctx, video, transcript, articles, languages, settings)

    await video_ready(ctx, video.id)
    failed = [result.language for result in results if result.status == "failed"]
    ctx.stage("complete", f"Done, without {', '.join(failed)}" if failed else "Done")
    return VideoResult(
        video_id=video.id,
        language=transcript.language,
        duration_seconds=transcript.duration,
        segments=len(transcript.segments),
        chapters=[article.chapter.slug for article in articles],
        languages=results,
        kept_published=kept + sum(article.kept for article in articles),
        sandbox=transcript.sandbox,
    )


async def _write_down(
    ctx: Context, video: Video, payload: VideoPayload, settings: VideoSettings
) -> Transcript:
    loop = asyncio.get_running_loop()

    def uploaded_so_far(share: float) -> None:
        # Told in the thread that uploads. From the mark where uploading begins to where it ends.
        loop.call_soon_threadsafe(ctx.progress, 5 + 15 * share, 20)

    source = partial(open_source, ctx, video.path, most_bytes=settings.most_bytes)
    async with hosted(ctx, source, settings, uploaded_so_far) as held:
        uploaded = await ctx.step("upload", upload, held, settings, into=Uploaded)
        ctx.stage("transcribing", "Writing down what is said and shown")
        ctx.metrics(duration_seconds=uploaded.duration)
        transcript = await transcribe(
            ctx,
            held,
            uploaded,
            payload,
            settings,
            lambda done, total: ctx.progress(done, total, f"{done} of {total} parts written down"),
        )
    ctx.metrics(segments=len(transcript.segments), language=transcript.language)
    await ctx.step("subtitles", _store, ctx, video, transcript)
    return transcript


async def _store(ctx: Context, video: Video, transcript: Transcript) -> None:
    await store_transcript(
        ctx,
        video.id,
        transcript.segments,
        vtt=subtitles(transcript.segments),
        language=transcript.language,
        duration=transcript.duration,
        sandbox=transcript.sandbox,
    )


async def _translate(
    ctx: Context,
    video: Video,
    transcript: Transcript,
    articles: list[Article],
    languages: list[str],
    settings: VideoSettings,
) -> tuple[list[LanguageResult], int]:
    if not languages:
        return [], 0
    ctx.stage("translating", f"Translating into {len(languages)} languages")

    def told(done: int, total: int) -> None:
        # An equal share of 40 for every language, of the 45 until the end.
        ctx.progress(40 * done / total, 45, f"{done} of {total} languages")
        ctx.metrics(languages_done=done, languages_total=total)

    return await translate(ctx, video.id, transcript, articles, languages, settings, told)
