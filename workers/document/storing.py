"""The document's row: one per job, whoever repeats the writing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from headway import Context, InvalidRequest
from workers.document.asking import Document

__all__ = ["refuse_without_owner", "store_document"]


def refuse_without_owner(ctx: Context) -> None:
    """Refuse a job whose document would belong to nobody, before anything is paid for it.

    Raises:
        InvalidRequest: the job has neither a project nor an owner.
    """
    if ctx.job.project_id is None and ctx.job.owner_id is None:
        raise InvalidRequest(
            "owner_id: a document belongs to a project or to a person",
            hint="Submit the job with project_id or owner_id.",
            code="owner_missing",
            details="owner_id",
        )


async def store_document(ctx: Context, document: Document) -> UUID:
    """Store a document, or again the same; its id.

    Args:
        document: Sanitised.
    """
    owner = (
        {"project_id": str(ctx.job.project_id)} if ctx.job.project_id else {"user_id": str(ctx.job.owner_id)}
    )
    row: dict[str, Any] = {
        "job_id": str(ctx.job.id),
        "title": document.title,
        "html": document.html,
        "sandbox": document.sandbox,
    }
    stored: Any = (await ctx.db.table("documents").upsert(row | owner, on_conflict="job_id").execute()).data
    return UUID(stored[0]["id"])
