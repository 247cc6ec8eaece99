"""``document.generate``: a prompt becomes an HTML document by way of an automation."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from headway import Context, RetryPolicy, Stage, Worker
from workers.document.asking import obtain_document
from workers.document.callback_urls import CALLBACK_PATH
from workers.document.callbacks import receive_callback
from workers.document.payload import DocumentPayload, DocumentResult
from workers.document.preview import preview_of
from workers.document.storing import refuse_without_owner, store_document

__all__ = ["generate_document", "worker"]

worker = Worker()
worker.route(CALLBACK_PATH, methods=["POST"])(receive_callback)


@worker.job(
    "document.generate",
    queue="documents",
    # Longer than the webhook may take to answer (HEADWAY_DOCUMENT_ANSWER_SECONDS, at most 540).
    timeout=600,
    retries=RetryPolicy(max_attempts=5, base=2, cap=120),
    stages=[
        Stage(name="asking", label="Asking", weight=5),
        Stage(name="writing", label="Writing", weight=85),
        Stage(name="checking", label="Checking", weight=5),
        Stage(name="saving", label="Saving", weight=5),
    ],
    # A document lives as long as its job.
    retention=timedelta(days=7),
    # A sanitised document is the result of its step.
    result_limit=16 * 1024 * 1024,
    description="Has an automation write an HTML document for a prompt, and makes it harmless.",
)
async def generate_document(ctx: Context, payload: DocumentPayload) -> DocumentResult:
    """Ask, wait if need be, make harmless, show, store."""
    refuse_without_owner(ctx)
    document = await obtain_document(ctx, payload)
    preview = await asyncio.to_thread(preview_of, document)
    size = preview["bytes"]
    ctx.metrics(bytes=size, sandbox=document.sandbox)
    await ctx.emit("document", preview)
    ctx.stage("saving", "Saving the document")
    identity = await ctx.step("save", store_document, ctx, document)
    return DocumentResult(document_id=identity, title=document.title, bytes=size)
