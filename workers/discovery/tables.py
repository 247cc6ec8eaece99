"""The rows of a campaign and its leads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from headway import Conflict, Context, InvalidRequest, NotFound
from workers.discovery.business import Business
from workers.discovery.outcome import LeadOutcome
from workers.discovery.payload import DiscoveryPayload
from workers.discovery.scoring import Score

__all__ = ["open_campaign", "read_leads", "store_businesses", "store_outcome", "update_campaign"]

_PORTION = 200


async def open_campaign(ctx: Context, wanted: DiscoveryPayload) -> UUID:
    """The campaign's row, taken by this job; made if there is none yet.

    The payload comes from a user and the worker may write everywhere: a campaign that is named must be the
    job's owner's or organisation's own.

    Args:
        ctx: The job's context.
        wanted: The payload.

    Raises:
        NotFound: the owner has no such campaign.
        Conflict: another job is at work on it.
        InvalidRequest: the job belongs to nobody.
    """
    job = ctx.job
    if job.organization_id is None and job.owner_id is None:
        raise InvalidRequest(
            "the job belongs to nobody, but a campaign needs an owner",
            hint="Submit it with owner_id or organization_id.",
            code="owner_missing",
            details="owner_id",
        )
    campaigns = ctx.db.table("campaigns")
    campaign = wanted.campaign_id or job.id
    found: list[dict[str, Any]] = (
        await campaigns.select("user_id, organization_id, job_id").eq("id", str(campaign)).execute()
    ).data  # type: ignore[assignment]
    if found:
        _refuse_foreign(ctx, found[0])
    elif wanted.campaign_id is not None:
        raise _unknown()
    row: dict[str, Any] = {"job_id": str(job.id), "status": "processing", "error_message": None}
    # Counted anew by every execution: what an earlier one has done is found again in its steps.
    row |= {"businesses_found": 0, "qualified_leads": 0, "leads_enriched": 0}
    # What this job looks for, whatever was written down before: the figures are its own.
    row |= {
        "business_type": wanted.business_type,
        "location": wanted.location,
        "max_results": wanted.max_results,
        "budget": str(wanted.budget),
        "config": wanted.model_dump(include={"min_score", "region", "language"}, exclude_none=True),
    }
    if not found or found[0]["job_id"] != str(job.id):
        row |= {"started_at": datetime.now(UTC).isoformat(), "finished_at": None}
    if found:
        # Asked and taken at once: two jobs may have found it free.
        taken = (
            await campaigns.update(row)
            .eq("id", str(campaign))
            .or_(f"job_id.is.null,job_id.eq.{job.id},status.not.in.(pending,processing)")
            .execute()
        ).data
        if not taken:
            raise _busy()
        return campaign
    row |= {"created_by": str(job.owner_id) if job.owner_id else None}
    row |= (
        {"organization_id": str(job.organization_id)}
        if job.organization_id
        else {"user_id": str(job.owner_id)}
    )
    await campaigns.upsert({"id": str(campaign), **row}).execute()
    return campaign


def _refuse_foreign(ctx: Context, row: dict[str, Any]) -> None:
    job = ctx.job
    if job.organization_id is not None:
        own = row["organization_id"] == str(job.organization_id)
    else:
        own = row["organization_id"] is None and row["user_id"] == str(job.owner_id)
    if not own:
        raise _unknown()


def _busy() -> Conflict:
    return Conflict(
        "campaign_id: another job is at work on this campaign",
        hint="Wait for it, or cancel it first.",
        code="campaign_busy",
        details="campaign_id",
    )


def _unknown() -> NotFound:
    return NotFound(
        "campaign_id: there is no such campaign",
        hint="Use a campaign of the job's owner or organisation, or leave it out.",
        code="campaign_unknown",
        details="campaign_id",
    )


async def store_businesses(
    ctx: Context, campaign: UUID, judged: Sequence[tuple[Business, Score]], *, min_score: int, sandbox: bool
) -> None:
    """Write what was found and how it was judged; contacts that are there already stay.

    Args:
        ctx: The job's context.
        campaign: Whose leads they are.
        judged: Each business with its score.
        min_score: From which score on one is qualified.
        sandbox: Whether they were made up.
    """
    rows = [
        {
            "campaign_id": str(campaign),
            "place_id": business.place_id,
            "business_name": business.name,
            "business_type": business.category,
            "address": business.address,
            "phone": business.phone,
            "website": business.website,
            "domain": business.domain,
            "rating": business.rating,
            "review_count": business.review_count,
            "score": score.total,
            "score_reasons": [reason.model_dump() for reason in score.reasons],
            "qualified": score.qualifies(min_score),
            "sandbox": sandbox,
        }
        for business, score in judged
    ]
    for portion in _portions(rows):
        await ctx.db.table("leads").upsert(portion, on_conflict="campaign_id,place_id").execute()


async def store_outcome(ctx: Context, campaign: UUID, place_id: str, outcome: LeadOutcome) -> None:
    """Write what was found out of one lead.

    Args:
        ctx: The job's context.
        campaign: Whose lead it is.
        place_id: Which one.
        outcome: What was found out.
    """
    contact = outcome.contact
    row = {
        "contact_name": contact.name if contact else None,
        "contact_title": contact.title if contact else None,
        "contact_email": contact.email if contact else None,
        "confidence": str(outcome.confidence) if outcome.confidence is not None else None,
        "verification": outcome.verification,
        "degraded": outcome.degraded,
        "cost": str(outcome.cost),
    }
    leads = ctx.db.table("leads").update(row)
    await leads.eq("campaign_id", str(campaign)).eq("place_id", place_id).execute()


async def read_leads(ctx: Context, campaign: UUID) -> list[dict[str, Any]]:
    """All leads of a campaign, the best first.

    Args:
        ctx: The job's context.
        campaign: Whose.
    """
    rows: list[dict[str, Any]] = []
    while True:
        page: list[dict[str, Any]] = (
            await ctx.db.table("leads")
            .select("*, cost::text, confidence::text")
            .eq("campaign_id", str(campaign))
            .order("score", desc=True)
            .order("place_id")
            .range(len(rows), len(rows) + _PORTION - 1)
            .execute()
        ).data  # type: ignore[assignment]
        rows += page
        if len(page) < _PORTION:
            return rows


async def update_campaign(ctx: Context, campaign: UUID, **values: Any) -> None:
    """Write figures of a campaign; money as decimal strings.

    Args:
        ctx: The job's context.
        campaign: Which one.
        values: By column.
    """
    row = {name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()}
    await ctx.db.table("campaigns").update(row).eq("id", str(campaign)).execute()


def _portions(rows: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    return (rows[begin : begin + _PORTION] for begin in range(0, len(rows), _PORTION))
