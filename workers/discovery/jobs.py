"""``discovery.run``: from a kind of business and a place to people who can be written to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from headway import Context, Snooze, Stage, Worker
from workers.discovery.business import Business
from workers.discovery.calling import Caller
from workers.discovery.enriching import Enrichment, enrich
from workers.discovery.export import csv_of
from workers.discovery.payload import DiscoveryPayload, DiscoveryResult
from workers.discovery.purse import Purse, open_purse, spent_so_far
from workers.discovery.scoring import Score, score
from workers.discovery.search import Found, discover
from workers.discovery.settings import DiscoverySettings
from workers.discovery.tables import open_campaign, read_leads, store_businesses, update_campaign
from workers.llm.prices import PriceList

__all__ = ["worker"]

worker = Worker()

# What the providers' plans allow; a second of several workers adds up, and their 429 is honoured.
worker.limit("places", per_second=10, burst=5, concurrency=8)
worker.limit("hunter", per_second=10, burst=5, concurrency=8)
worker.limit("neverbounce", per_second=10, burst=5, concurrency=8)


@worker.job(
    "discovery.run",
    queue="discovery",
    timeout=900,
    stages=[
        Stage(name="initializing", label="Preparing the campaign", weight=10),
        Stage(name="discovering_businesses", label="Searching for businesses", weight=20),
        Stage(name="scoring_businesses", label="Judging what was found", weight=20),
        Stage(name="enriching_contacts", label="Finding and verifying contacts", weight=40),
        Stage(name="storing_results", label="Storing the results", weight=10),
    ],
    retention=timedelta(days=7),
    cost_budget=Decimal(100),
    description="Finds businesses, judges them, and finds people who can be written to.",
)
async def run_discovery(ctx: Context, payload: DiscoveryPayload) -> DiscoveryResult | Snooze:
    """Run a campaign; what is found is kept, however it ends."""
    ctx.stage("initializing", f"Looking for {payload.business_type} in {payload.location}")
    settings = DiscoverySettings.load()
    campaign = await open_campaign(ctx, payload)
    purse = await open_purse(ctx, payload.budget)
    caller = Caller(ctx, purse, settings, PriceList.load())
    _figures(ctx, purse)

    ctx.stage("discovering_businesses", "Searching")
    found = await _discover(ctx, caller, settings, payload, campaign, purse)

    ctx.stage("scoring_businesses", f"Judging {len(found.businesses)} businesses")
    judged = sorted(
        ((business, score(business, payload.business_type)) for business in found.businesses),
        key=lambda pair: (-pair[1].total, pair[0].place_id),
    )
    await store_businesses(ctx, campaign, judged, min_score=payload.min_score, sandbox=found.sandbox)
    leads = [business for business, each in judged if each.qualifies(payload.min_score)]
    ctx.progress(1, 1, f"{len(leads)} of {len(judged)} are promising")
    _figures(ctx, purse, qualified_leads=len(leads))
    await update_campaign(ctx, campaign, qualified_leads=len(leads), sandbox=found.sandbox)

    ctx.stage("enriching_contacts", f"Finding contacts of {len(leads)} businesses")
    enriched = await _enrich(ctx, caller, settings, campaign, leads, purse)
    if enriched.interrupted:
        return Snooze(0)

    ctx.stage("storing_results", "Writing the table of leads")
    return await _store(ctx, campaign, found, judged, leads, enriched)


async def _discover(
    ctx: Context,
    caller: Caller,
    settings: DiscoverySettings,
    payload: DiscoveryPayload,
    campaign: UUID,
    purse: Purse,
) -> Found:
    async def told(found: Found) -> None:
        count = len(found.businesses)
        ctx.progress(count, payload.max_results, f"{count} businesses found")
        _figures(ctx, purse, businesses_found=count, duplicates=found.duplicates)
        await update_campaign(ctx, campaign, businesses_found=count, total_cost=purse.spent)

    return await discover(ctx, caller, settings, payload, told)


async def _enrich(
    ctx: Context,
    caller: Caller,
    settings: DiscoverySettings,
    campaign: UUID,
    leads: Sequence[Business],
    purse: Purse,
) -> Enrichment:
    def told(progress: Enrichment) -> None:
        done = len(progress.outcomes)
        ctx.progress(
            done, len(leads), f"{done} of {len(leads)} looked up, {progress.enriched} with a contact"
        )
        average = progress.average_confidence
        _figures(
            ctx,
            purse,
            leads_enriched=progress.enriched,
            average_confidence=None if average is None else float(average),
        )

    return await enrich(ctx, caller, settings, campaign, leads, told)


async def _store(
    ctx: Context,
    campaign: UUID,
    found: Found,
    judged: Sequence[tuple[Business, Score]],
    leads: Sequence[Business],
    enriched: Enrichment,
) -> DiscoveryResult:
    content = csv_of(await read_leads(ctx, campaign), sandbox=found.sandbox)
    ctx.progress(1, 3)
    file = await ctx.files.upload("leads.csv", content, bucket="exports", content_type="text/csv")
    ctx.progress(2, 3)
    # The ledger knows what every call has cost, those of executions that were killed too.
    cost = await spent_so_far(ctx)
    result = DiscoveryResult(
        campaign_id=campaign,
        businesses_found=len(judged),
        duplicates=found.duplicates,
        qualified_leads=len(leads),
        leads_enriched=enriched.enriched,
        average_confidence=enriched.average_confidence,
        total_cost=cost,
        cost_per_lead=(cost / enriched.enriched).quantize(Decimal("0.000001")) if enriched.enriched else None,
        stopped_by_budget=found.stopped or enriched.stopped,
        degraded=sorted({*enriched.degraded, *(["businesses"] if found.degraded else [])}),
        export_path=file.path,
        sandbox=found.sandbox,
    )
    figures = result.model_dump(exclude={"campaign_id", "duplicates", "cost_per_lead"})
    # Just before the job says so: whoever hears of its end reads the row at once.
    await update_campaign(ctx, campaign, status="completed", **figures)
    ctx.metrics(total_cost=str(cost))
    ctx.progress(3, 3, _said(result))
    return result


def _figures(ctx: Context, purse: Purse, **figures: Any) -> None:
    # Money as text: a JSON number would be read as a binary fraction.
    ctx.metrics(total_cost=str(purse.spent), **figures)


def _said(result: DiscoveryResult) -> str:
    message = f"{result.leads_enriched} leads with a contact, of {result.businesses_found} businesses"
    if result.stopped_by_budget:
        message += "; the budget ended the campaign early"
    if result.degraded:
        message += f"; {', '.join(result.degraded)} incomplete, because a provider was down"
    return message
