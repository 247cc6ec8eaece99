"""From a prompt to a harmless document: however many calls, callbacks and restarts lie in between.

A job makes its calls one after the other, each a step ``call_<n>`` that is never repeated once it was
accepted. An automation that answers at once ends the step with the document; one that answers 202 is waited
for without holding a worker, and what it sends comes as the signal of this very call. A call whose answer was
no use, or that belongs to an earlier run (a person has retried the job), is followed by the next.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pydantic import BaseModel

from headway import ApiError, ConfigError, Context, HeadwayError, InvalidRequest, Retry, TimedOut
from workers.document.answers import Answer, read_answer, said_later
from workers.document.callback_urls import CallbackTicket, signal_name
from workers.document.payload import DocumentPayload
from workers.document.sanitise import Sanitiser, heading_of
from workers.document.settings import DocumentSettings
from workers.document.webhook import Automation, automation

__all__ = ["Document", "obtain_document"]

_MOST_CALLS_PER_RUN = 3
# After these, nobody knows whether the automation has run, or it surely has.
_MAY_HAVE_RUN = frozenset(
    {"automation_timeout", "automation_broke_off", "answer_too_large", "answer_compressed"}
)


class Document(BaseModel):
    """A document that may be shown to people.

    Attributes:
        html: Sanitised.
        sandbox: Whether it comes from the sandbox.
    """

    html: str
    title: str | None
    sandbox: bool = False


class Call(BaseModel):
    """What came of a call.

    Attributes:
        run: The job's run that made it.
        document: What was answered at once; ``None`` when the automation calls back.
    """

    run: int
    document: Document | None = None


async def obtain_document(ctx: Context, payload: DocumentPayload) -> Document:
    """The document that the automation has written for a prompt.

    Raises:
        Retry, TransportError: another attempt may help.
        ApiError: the automation has declined, stayed silent, or sent nothing to read.
        ConfigError: its operator or the worker's must act.
    """
    number = calls = 0
    while True:
        number += 1
        call = await ctx.step(f"call_{number}", _make_call, ctx, payload, number, into=Call)
        if call.document is not None:
            return call.document
        if call.run < ctx.job.run:
            answer = await _kept(ctx, number)
        else:
            calls += 1
            answer = await _awaited(ctx, number)
        try:
            if answer is not None:
                return await _document(ctx, answer, payload)
        except Retry as failed:
            if calls >= _MOST_CALLS_PER_RUN:
                # Another attempt would only read the same answers again.
                raise ApiError(
                    f"{failed.message} (in {calls} calls)",
                    hint="Look into the automation's log, then retry the job.",
                    code=failed.code,
                ) from None
        except ApiError:
            if call.run == ctx.job.run:
                raise


async def _make_call(ctx: Context, payload: DocumentPayload, number: int) -> Call:
    """Call the webhook; a document that came at once is made harmless before anything is kept of it.

    A call that an earlier attempt gave up may have been answered by a callback since: no other is made then.
    """
    if ctx.job.attempt > 1:
        kept = await _kept(ctx, number)
        if kept is not None and kept.html is not None:
            return Call(run=ctx.job.run, document=await _document(ctx, kept, payload))
    ctx.stage("asking", "Asking the automation")
    webhook = await ctx.shared(automation)
    cost = webhook.settings.call_cost
    message_id = f"{ctx.job.id}:{number}"
    request = _request(ctx, payload, number, webhook)
    async with ctx.paid_call(provider="n8n", max_cost=cost, model="webhook", unit="execution") as paid:
        ctx.stage("writing", "The automation is writing")
        try:
            reply = await webhook.call(message_id, request)
        except HeadwayError as error:
            if error.code in _MAY_HAVE_RUN:
                paid.unknown()
            raise
        paid.cost(cost=cost)
    if said_later(reply.status, reply.body):
        if request["callback_url"] is None:
            raise ConfigError(
                "the automation wants to call back, but this worker has no public address",
                hint="Set HEADWAY_PUBLIC_URL, or let the webhook answer when it is done.",
                code="callback_impossible",
            )
        return Call(run=ctx.job.run)
    try:
        answer = read_answer(reply.body, reply.content_type)
    except InvalidRequest as error:
        raise Retry(f"body: {error.message}", hint=error.hint, code=error.code) from None
    return Call(run=ctx.job.run, document=await _document(ctx, answer, payload))


def _request(ctx: Context, payload: DocumentPayload, number: int, webhook: Automation) -> dict[str, Any]:
    settings = webhook.settings
    expires = int(time.time() + settings.callback_seconds)
    ticket = CallbackTicket(ctx.job.id, number, expires)
    try:
        callback_url = ctx.callback_url(ticket.path(settings.secrets[0]))
    except ConfigError:
        callback_url = None  # an automation that answers when it is done needs none
    return {
        "job_id": str(ctx.job.id),
        "call": number,
        "prompt": payload.prompt,
        "title": payload.title,
        "project_id": str(ctx.job.project_id) if ctx.job.project_id else None,
        "callback_url": callback_url,
        "callback_expires_at": expires if callback_url else None,
    }


async def _awaited(ctx: Context, number: int) -> Answer:
    """What the automation calls back with; the execution ends here until it does."""
    ctx.stage("writing", "Waiting for the automation to call back")
    limit = DocumentSettings.load().callback_seconds
    try:
        answer: Answer = await ctx.wait_for_signal(signal_name(number), timeout=limit, into=Answer)
    except TimedOut:
        raise ApiError(
            f"the automation has not called back within {limit:g} s",
            hint="Look into the automation's log, then retry the job.",
            code="automation_silent",
        ) from None
    return answer


async def _kept(ctx: Context, number: int) -> Answer | None:
    """What has come for a call of an earlier run, if anything has."""
    rows: Any = (
        await ctx.db.schema("headway")
        .table("signals")
        .select("payload")
        .eq("job_id", str(ctx.job.id))
        .eq("name", signal_name(number))
        .execute()
    ).data
    return Answer.model_validate(rows[0]["payload"]) if rows else None


async def _document(ctx: Context, answer: Answer, payload: DocumentPayload) -> Document:
    """An answer as a document, made harmless.

    Raises:
        Retry: the automation has failed and says that another call may help.
        ApiError: it has declined, or there is nothing to read.
    """
    if answer.html is None:
        message = f"the automation has failed: {(answer.error or 'without a reason')[:1000]}"
        if answer.retryable:
            raise Retry(message, code="automation_failed")
        raise ApiError(message, hint="Change the prompt, or retry the job.", code="automation_failed")
    ctx.stage("checking", "Checking the document")
    sanitiser = Sanitiser(DocumentSettings.load().image_hosts)
    # Also when it was cleaned on its way in: the rules may have changed since. Parsing a megabyte takes long
    # enough to hold up every other job of this process.
    html = await asyncio.to_thread(sanitiser.clean, answer.html)
    return Document(
        html=html,
        title=payload.title or answer.title or (heading_of(html) or "")[:500] or None,
        sandbox=answer.sandbox,
    )
