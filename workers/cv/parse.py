"""``cv.parse``: a CV becomes a profile, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from headway import ApiError, Context, FileRef, InvalidRequest, Snooze
from workers.cv.extraction import CvBiography, CvExtraction
from workers.cv.facts import fact_sheet
from workers.cv.interview.questions import missing
from workers.cv.labels import Labelled
from workers.cv.merging import merge
from workers.cv.owner import cv_settings, owner_of
from workers.cv.records import FullProfile
from workers.cv.results import CurrentRole, CvPayload, CvResult, Extracted, Parsed
from workers.cv.settings import CvSettings
from workers.cv.storage import load_profile, write_profile
from workers.cv.tidy import Tidied, tidy
from workers.cv.waiting import expected_seconds, moving
from workers.cv.wording import cut
from workers.llm import Image, Prompts, text_model
from workers.reading.isolated import ReadFile, read_file
from workers.reading.refusals import FileRefused

__all__ = ["parse_cv"]

_PROMPTS = Prompts(Path(__file__).parent / "prompts")
_LONGEST_BIOGRAPHY = 2000
_QUESTIONS_SHOWN = 5


async def parse_cv(ctx: Context, payload: CvPayload) -> CvResult | Snooze:
    """Read a CV, understand it, write its biography, and merge all that into its owner's profile.

    A worker that drains hands the job on between the two answers of the model.

    Args:
        ctx: The job's context.
        payload: Which file.

    Raises:
        FileRefused: the file cannot be read.
        InvalidRequest: it is no CV, or the job has no owner.
    """
    owner = owner_of(ctx)
    file = _chosen(ctx, payload)
    settings = await ctx.shared(cv_settings)

    ctx.stage("extract", "Reading the file")
    extracted = await ctx.step("extract", _extract, ctx, settings, file)
    ctx.metrics(pages=extracted.pages)

    ctx.stage("parse", "Understanding the career")
    parsed = await ctx.step("parse", _parse, ctx, settings, file, extracted)
    tidied = tidy(parsed.extraction, ctx.job.created_at.date())
    _require_cv(parsed.extraction, tidied.profile)
    await _show(ctx, tidied.profile)
    if ctx.told_to_stop:
        # The expensive answer is safe; another worker goes on at once.
        return Snooze(0)

    ctx.stage("biography", "Writing the biography")
    biography = await ctx.step("biography", _biography, ctx, tidied.profile, parsed.extraction.summary)
    if biography is None:
        tidied.notes.append("bio: no biography could be written from this CV")
    tidied.profile.profile.bio = cut(biography, _LONGEST_BIOGRAPHY, "bio", tidied.notes)

    ctx.stage("apply", "Saving the profile")
    notes = await ctx.step("apply", _apply, ctx, owner, tidied, parsed.sandbox)
    return await _result(ctx, owner, notes, extracted, sandbox=parsed.sandbox)


def _chosen(ctx: Context, payload: CvPayload) -> FileRef:
    files = {file.name: file for file in ctx.files.inputs}
    if payload.file is not None and payload.file in files:
        return files[payload.file]
    if payload.file is None and len(files) == 1:
        return next(iter(files.values()))
    if not files:
        raise FileRefused("file_missing")
    raise FileRefused(
        "file_missing",
        f"The job has {len(files)} files, and {'none is called so' if payload.file else 'none is named'}.",
        hint=f"Name one in the payload as file: {', '.join(sorted(files))[:300]}.",
    )


async def _extract(ctx: Context, settings: CvSettings, file: FileRef) -> Extracted:
    found = await _read(ctx, settings, file)
    return Extracted(kind=found.kind, text=found.text, pages=found.pages, pictures=len(found.pictures))


async def _read(ctx: Context, settings: CvSettings, file: FileRef) -> ReadFile:
    limits = settings.limits
    # What was said of its size when it was submitted is a claim; the download stops at the limit.
    local, size = ctx.files.dir / "cv", 0
    with local.open("wb") as into:
        async for piece in ctx.files.stream(file.name):
            size += len(piece)
            if size > limits.most_bytes:
                raise FileRefused(
                    "file_too_large", f"The file is larger than {limits.most_bytes // (1024 * 1024)} MiB."
                )
            into.write(piece)
    async with ctx.limit("cv.read"):
        return await read_file(local, limits, ctx.files.dir / "pages")


async def _parse(ctx: Context, settings: CvSettings, file: FileRef, extracted: Extracted) -> Parsed:
    images: list[Image] = []
    if extracted.pictures:
        # Pictures are too large to be remembered with the step; another worker makes them again.
        pages = [ctx.files.dir / "pages" / f"{number}.jpg" for number in range(1, extracted.pictures + 1)]
        if not all(page.exists() for page in pages):
            pages = list((await _read(ctx, settings, file)).pictures)
        images = [Image(page.read_bytes()) for page in pages]
    labelled = Labelled(ctx)
    model = await ctx.shared(text_model)
    async with moving(ctx, expected_seconds(len(extracted.text), len(images))):
        extraction = await model.complete(
            _PROMPTS.render("parse", text=extracted.text, images=len(images)),
            schema=CvExtraction,
            ctx=labelled,
            images=images,
            step="parse",
            temperature=0,
        )
    return Parsed(extraction=extraction, sandbox=labelled.sandbox)


def _require_cv(extraction: CvExtraction, found: FullProfile) -> None:
    lists = (found.work_experience, found.board_experience, found.education)
    if extraction.is_cv and (any(lists) or (found.profile.name and found.profile.skills)):
        return
    raise InvalidRequest(
        "This does not look like a CV: no jobs, board roles or education were found in it.",
        hint="Upload a CV as PDF, DOCX or text, or a clear picture of one.",
        code="cv_not_recognised",
        details="files",
    )


async def _show(ctx: Context, found: FullProfile) -> None:
    role = found.current_role
    ctx.metrics(
        jobs=len(found.work_experience),
        board_roles=len(found.board_experience),
        degrees=len(found.education),
        skills=len(found.profile.skills),
    )
    # What a watcher can show while the rest is still being written.
    await ctx.emit(
        "profile_found",
        {
            "name": found.profile.name,
            "headline": found.profile.professional_headline,
            "current_role": role.title if role else None,
            "current_company": role.company if role else None,
            "jobs": len(found.work_experience),
            "board_roles": len(found.board_experience),
            "degrees": len(found.education),
            "skills": found.profile.skills[:10],
        },
    )


async def _biography(ctx: Context, found: FullProfile, summary: str | None) -> str | None:
    model = await ctx.shared(text_model)
    try:
        answer = await model.complete(
            _PROMPTS.render("biography", facts=fact_sheet(found, summary)),
            schema=CvBiography,
            ctx=ctx,
            step="biography",
            max_tokens=1000,
        )
    except ApiError as error:
        # A profile without a biography is worth more than none.
        ctx.log.warning("no biography: %s", error.message)
        return None
    await ctx.emit("biography", {"text": answer.biography})
    return answer.biography.strip() or None


async def _apply(ctx: Context, owner: UUID, tidied: Tidied, sandbox: bool) -> list[str]:
    notes = list(tidied.notes)

    async def merged(stored: FullProfile) -> dict[str, Any]:
        result = merge(owner, stored, tidied.profile, sandbox=sandbox)
        notes[len(tidied.notes) :] = result.notes
        return result.document

    await write_profile(ctx.db, owner, merged)
    return notes


async def _result(
    ctx: Context, owner: UUID, notes: list[str], extracted: Extracted, *, sandbox: bool
) -> CvResult:
    whole, _ = await load_profile(ctx.db, owner)
    role = whole.current_role
    questions = missing(whole)
    ctx.metrics(completeness=whole.profile.profile_completeness)
    return CvResult(
        profile_id=owner,
        profile=whole.profile,
        current_role=CurrentRole(title=role.title, company=role.company, start_date=role.start_date)
        if role
        else None,
        work_experience=whole.work_experience,
        board_experience=whole.board_experience,
        education=whole.education,
        notes=notes,
        questions=[question.text for question in questions[:_QUESTIONS_SHOWN]],
        open_questions=len(questions),
        kind=extracted.kind,
        pages=extracted.pages,
        sandbox=sandbox,
    )
