"""``interview.extract``: reads answers out of an interview's new turns, while it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from headway import Context
from workers.cv.interview.asking import refresh
from workers.cv.interview.extraction import InterviewExtraction
from workers.cv.interview.hearing import Heard, Place, hear
from workers.cv.interview.questions import record_keys
from workers.cv.interview.store import InterviewStore, Session, StoredQuestion, Turn
from workers.cv.interview.wording import as_known_facts, as_questions
from workers.cv.labels import Labelled
from workers.cv.owner import cv_settings, owner_of
from workers.cv.records import FullProfile
from workers.cv.storage import load_profile, write_profile
from workers.llm import Prompts, text_model

__all__ = ["InterviewPayload", "InterviewResult", "extract_answers"]

_PROMPTS = Prompts(Path(__file__).parents[1] / "prompts")
_MOST_ROUNDS = 20
# The question before the first new answer, and what led to it.
_TURNS_BEFORE = 4


class InterviewPayload(BaseModel):
    """What ``interview.extract`` is given.

    Attributes:
        session_id: The interview.
        turns: Turns of the transcript; those that are stored already do no harm. A browser may as well insert
            them into ``interview_turns`` itself, and must when it debounces its submissions.
    """

    model_config = ConfigDict(extra="forbid")

    session_id: UUID
    turns: list[Turn] = Field(default_factory=list, max_length=200)


class InterviewResult(BaseModel):
    """What ``interview.extract`` answers.

    Attributes:
        session_id: The interview.
        answered: Fields that have an answer now, such as ``profiles.phone``.
        declined: Fields that the person does not want to talk about.
        unclear: Fields with an answer that no value could be made of; they stay open.
        conflicts: Questions about contradictions that have come up.
        open_questions: What is still to ask, in order.
        completeness: Of the profile, 0 to 100.
        complete: Nothing is left to ask, or the person wants to stop: the conversation can end itself.
    """

    session_id: UUID
    answered: list[str]
    declined: list[str]
    unclear: list[str]
    conflicts: list[str]
    open_questions: list[str]
    completeness: int
    complete: bool


class _Listened(BaseModel):
    extraction: InterviewExtraction
    sandbox: bool = False


class _Applied(BaseModel):
    answered: list[str]
    declined: list[str]
    unclear: list[str]
    conflicts: list[str]
    wants_to_stop: bool


async def extract_answers(ctx: Context, payload: InterviewPayload) -> InterviewResult:
    """Read the answers out of all new turns, merge them, and say what is left to ask.

    Args:
        ctx: The job's context.
        payload: Which interview, and perhaps its turns.

    Raises:
        NotFound: there is no such interview of the job's owner.
        Retry: the provider cannot answer now.
    """
    settings = await ctx.shared(cv_settings)
    owner = owner_of(ctx)
    store = InterviewStore(ctx.db, owner)
    session = await store.session(payload.session_id)
    ctx.stage("listen", "Listening")
    if session.status == "active":
        await store.add_turns(session, payload.turns)
    applied: list[_Applied] = []
    for number in range(1, _MOST_ROUNDS + 1):
        # Which turns a round reads is settled before its model call: a retry reads the same, and pays once.
        seqs = await ctx.step(f"turns {number}", _seqs, store, session, into=list[int])
        if not seqs:
            break
        listened = await ctx.step(f"listen {number}", _listen, ctx, store, session, seqs)
        applied.append(await ctx.step(f"apply {number}", _apply, ctx, store, session, seqs, listened))
        await ctx.emit("answers", applied[-1].model_dump(mode="json"))
    ctx.stage("ask", "Looking for what is left to ask")
    whole, _ = await load_profile(ctx.db, owner)
    questions = await refresh(store, session, whole, settings.most_questions)
    stopped = any(each.wants_to_stop for each in applied)
    if not questions or stopped:
        await store.end(session, "nothing left to ask" if not questions else "the person wanted to stop")
        if not questions:
            await store.onboarded()
    ctx.metrics(completeness=whole.profile.profile_completeness, open_questions=len(questions))
    return InterviewResult(
        session_id=session.id,
        answered=[key for each in applied for key in each.answered],
        declined=[key for each in applied for key in each.declined],
        unclear=[key for each in applied for key in each.unclear],
        conflicts=[text for each in applied for text in each.conflicts],
        open_questions=[question.question for question in questions],
        completeness=whole.profile.profile_completeness,
        complete=not questions or stopped or session.status != "active",
    )


async def _seqs(store: InterviewStore, session: Session) -> list[int]:
    return [turn.seq for turn in await store.new_turns(session)]


async def _listen(ctx: Context, store: InterviewStore, session: Session, seqs: list[int]) -> _Listened:
    turns = await store.turns_between(session, max(0, seqs[0] - _TURNS_BEFORE), seqs[-1])
    if not any(turn.speaker == "user" and turn.seq >= seqs[0] for turn in turns):
        # Nobody but the interviewer has spoken: there is nothing to pay for.
        return _Listened(extraction=InterviewExtraction(facts=[], declined=[], wants_to_stop=False))
    whole, _ = await load_profile(ctx.db, session.profile_id)
    questions = [question for question in await store.questions(session) if question.status == "open"]
    model = await ctx.shared(text_model)
    labelled = Labelled(ctx)
    extraction = await model.complete(
        _PROMPTS.render(
            "interview",
            questions=as_questions(questions, whole),
            known=as_known_facts(whole),
            turns=turns,
        ),
        schema=InterviewExtraction,
        ctx=labelled,
        max_tokens=4000,
        temperature=0,
    )
    return _Listened(extraction=extraction, sandbox=labelled.sandbox)


async def _apply(
    ctx: Context, store: InterviewStore, session: Session, seqs: list[int], listened: _Listened
) -> _Applied:
    conflicts = {place: conflict for place, (_, conflict) in (await store.conflicts()).items()}
    today = ctx.job.created_at.date()
    heard = Heard()

    async def merged(stored: FullProfile) -> dict[str, Any]:
        nonlocal heard
        heard = hear(listened.extraction, stored, record_keys(stored), conflicts, today)
        if listened.sandbox and heard.document:
            heard.document["profile"]["sandbox"] = True
        # First the contradictions: what is kept there must never be lost to what is merged.
        await store.record_conflicts(session, heard.conflicts)
        return heard.document

    whole = await write_profile(ctx.db, session.profile_id, merged)
    await store.decide(heard.decided)
    await _close(store, await store.questions(session), heard)
    await store.mark_read(session, seqs)
    names = {record: key for key, (_, record) in record_keys(whole).items()}
    return _Applied(
        answered=_named(heard.answered, names),
        declined=_named(heard.declined, names),
        unclear=_named(heard.unclear, names),
        conflicts=[".".join(_named([each.place], names)) for each in heard.conflicts],
        wants_to_stop=listened.extraction.wants_to_stop,
    )


async def _close(store: InterviewStore, questions: list[StoredQuestion], heard: Heard) -> None:
    for question in questions:
        if question.place in heard.answered:
            await store.close(question, heard.answered[question.place])
        elif question.place in heard.declined:
            await store.close(question, None)


def _named(places: Any, names: dict[UUID, str]) -> list[str]:
    return [_name(place, names) for place in places]


def _name(place: Place, names: dict[UUID, str]) -> str:
    target, record, field = place
    return f"{target}.{field}" if record is None else f"{target}.{names.get(record, '?')}.{field}"
