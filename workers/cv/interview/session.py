"""``interview.session``: what a browser needs to hold an interview.

The secret is short-lived, opens one kind of session with the voice model, and is bound to the interview's
instructions; the API key never leaves the worker. It is not in the job's result, which stays for days, but in
``interview_client_secrets``, where only its owner can read it, and only while it is alive.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from headway import Context, NotFound
from workers.cv.facts import fact_sheet
from workers.cv.interview.asking import refresh
from workers.cv.interview.store import InterviewStore, Session
from workers.cv.owner import cv_settings, owner_of
from workers.cv.settings import CvSettings
from workers.cv.storage import NEVER, load_profile
from workers.llm import Prompts, realtime_secrets

__all__ = ["SessionPayload", "SessionResult", "prepare_interview"]

_OF_THE_SANDBOX = "ek_sandbox_"
_PROMPTS = Prompts(Path(__file__).parents[1] / "prompts")


class SessionPayload(BaseModel):
    """What ``interview.session`` is given.

    Attributes:
        session_id: The interview: made by the caller, so that asking again finds it again.
    """

    model_config = ConfigDict(extra="forbid")

    session_id: UUID


class SessionResult(BaseModel):
    """What ``interview.session`` answers.

    Attributes:
        session_id: The interview; its secret is in ``interview_client_secrets``.
        complete: Nothing is left to ask; there is no secret then.
        questions: What will be asked, in order.
        greeting: What to let the voice model begin with.
        model: The voice model; ``None`` when complete.
        expires_at: Until when the secret opens sessions; ``None`` when complete.
        cached: The secret of an earlier call is still good.
    """

    session_id: UUID
    complete: bool
    questions: list[str]
    greeting: str | None = None
    model: str | None = None
    expires_at: datetime | None = None
    cached: bool = False


async def prepare_interview(ctx: Context, payload: SessionPayload) -> SessionResult:
    """Bring the questions up to date and see to it that there is a secret for the browser.

    Args:
        ctx: The job's context.
        payload: Which interview.

    Raises:
        NotFound: there is no profile to ask about, or the interview is somebody else's.
        Retry: the provider cannot answer now.
    """
    settings = await ctx.shared(cv_settings)
    owner = owner_of(ctx)
    whole, since = await load_profile(ctx.db, owner)
    if since == NEVER:
        raise NotFound(
            "There is no profile to hold an interview about.",
            hint="Upload a CV, or create a profile, first.",
            code="profile_missing",
        )
    store = InterviewStore(ctx.db, owner)
    session = await store.start(payload.session_id)
    questions = await refresh(store, session, whole, settings.most_questions)
    if not questions or session.status != "active":
        await store.end(session, "nothing left to ask")
        return SessionResult(session_id=session.id, complete=True, questions=[])
    texts = [question.question for question in questions]
    prompt = _PROMPTS.render("session", name=whole.profile.name, facts=fact_sheet(whole), questions=texts)
    model, expires_at, cached = await _secret(ctx, settings, store, session, prompt.system)
    return SessionResult(
        session_id=session.id,
        complete=False,
        questions=texts,
        greeting=prompt.user,
        model=model,
        expires_at=expires_at,
        cached=cached,
    )


async def _secret(
    ctx: Context, settings: CvSettings, store: InterviewStore, session: Session, instructions: str
) -> tuple[str, datetime, bool]:
    known = await store.secret(session)
    if known is not None:
        made, ends, model = known
        fresh_until = ends - timedelta(seconds=settings.secret_margin_seconds)
        # Its instructions are part of a secret: after an answer, it would ask again what has been answered.
        answered = [q.answered_at for q in await store.questions(session) if q.answered_at is not None]
        if datetime.now(UTC) < fresh_until and all(moment < made for moment in answered):
            return model, ends, True
    secrets = await ctx.shared(realtime_secrets)
    voice: dict[str, Any] = {
        "audio": {
            "input": {"transcription": {"model": "gpt-4o-mini-transcribe"}},
            "output": {"voice": settings.voice},
        }
    }
    secret = await secrets.mint(
        instructions=instructions, seconds=settings.secret_seconds, session=voice, time_left=ctx.time_left
    )
    # Minting costs nothing; the conversation is paid by the key's account, as its use by the browser goes.
    await ctx.usage(provider="openai", model=secret.model, unit="client_secret", quantity=1, cost=Decimal(0))
    await store.keep_secret(session, secret.value, secret.model, secret.expires_at)
    if secret.value.startswith(_OF_THE_SANDBOX):
        await store.label(session)
    return secret.model, secret.expires_at, False
