"""Finds out whom to write to: several leads at once, each a step, as long as the money lasts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from uuid import UUID

from headway import BudgetExceeded, Context
from workers.discovery.business import Business
from workers.discovery.calling import Caller, ProviderDown
from workers.discovery.contacts import Contact, Verification, confidence
from workers.discovery.hunter import find_contacts
from workers.discovery.neverbounce import verify_address
from workers.discovery.outcome import LeadOutcome, People
from workers.discovery.settings import DiscoverySettings
from workers.discovery.tables import store_outcome
from workers.llm.prices import PriceList

__all__ = ["Enrichment", "enrich"]

# Whom the verifier calls unreachable is not whom to write to: the next best is looked at, twice.
_MOST_CHECKS = 3


class Enrichment:
    """What was found out so far.

    Attributes:
        outcomes: By place.
        stopped: Whether the budget ended it.
        interrupted: Whether the worker has to stop before it is done.
    """

    def __init__(self) -> None:
        self.outcomes: dict[str, LeadOutcome] = {}
        self.stopped = False
        self.interrupted = False

    @property
    def enriched(self) -> int:
        """Leads with somebody to write to."""
        return sum(outcome.reachable for outcome in self.outcomes.values())

    @property
    def average_confidence(self) -> Decimal | None:
        """Of the leads with somebody to write to, 0 to 100; ``None`` without any."""
        sure = [o.confidence for o in self.outcomes.values() if o.reachable and o.confidence is not None]
        return (sum(sure, Decimal(0)) / len(sure)).quantize(Decimal("0.01")) if sure else None

    @property
    def degraded(self) -> list[str]:
        """Fields that stayed empty somewhere because a provider was down."""
        return sorted({field for outcome in self.outcomes.values() for field in outcome.degraded})


async def enrich(
    ctx: Context,
    caller: Caller,
    settings: DiscoverySettings,
    campaign: UUID,
    leads: Sequence[Business],
    told: Callable[[Enrichment], None],
) -> Enrichment:
    """Look up leads, the first ones first.

    Args:
        ctx: The job's context.
        caller: Who pays.
        settings: Keys, addresses, and how many at once.
        campaign: Whose leads they are.
        leads: In the order of their promise.
        told: Called after each lead.
    """
    progress = Enrichment()
    waiting = iter(leads)

    async def work() -> None:
        for lead in waiting:
            if ctx.told_to_stop:
                progress.interrupted = True
            if progress.stopped or progress.interrupted:
                return
            try:
                outcome, stopped = await _look_up(ctx, caller, settings, campaign, lead)
            except BudgetExceeded:
                progress.stopped = True
                return
            progress.outcomes[lead.place_id] = outcome
            progress.stopped |= stopped
            told(progress)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(settings.concurrency, len(leads))):
                group.create_task(work())
    except BaseExceptionGroup as several:
        # One of them decides about the job: a policy knows classes of errors, not groups.
        raise several.exceptions[0] from several
    return progress


async def _look_up(
    ctx: Context, caller: Caller, settings: DiscoverySettings, campaign: UUID, lead: Business
) -> tuple[LeadOutcome, bool]:
    """One lead, and whether the budget ended it.

    What fails is kept as a failed step, so that a retry by a person asks for that alone.
    """
    try:
        outcome = await ctx.step(
            _step("contact", lead), _find, ctx, caller, settings, campaign, lead, into=People
        )
    except ProviderDown:
        return await _keep(ctx, campaign, lead, LeadOutcome(degraded=["contact"])), False
    if not outcome.contacts:
        return LeadOutcome(cost=outcome.cost, sandbox=outcome.sandbox), False
    try:
        verified = await ctx.step(
            _step("verify", lead),
            _verify,
            ctx,
            caller,
            settings,
            campaign,
            lead,
            outcome,
            into=LeadOutcome,
        )
    except (ProviderDown, BudgetExceeded) as error:
        # The contact was found and paid for; that nobody has looked at it is said.
        down = isinstance(error, ProviderDown)
        unverified = _judged(outcome, outcome.contacts[0], "unverified", failed=down)
        return await _keep(ctx, campaign, lead, unverified), not down
    return verified, False


async def _find(
    ctx: Context, caller: Caller, settings: DiscoverySettings, campaign: UUID, lead: Business
) -> People:
    people = People()
    if lead.domain is not None:
        bought = await find_contacts(caller, settings, lead.domain)
        people = People(
            contacts=bought.value[:_MOST_CHECKS],
            cost=PriceList.load().cost("hunter", "domain-search", "credit", bought.quantity),
            sandbox=bought.sandbox,
        )
    if not people.contacts:
        await _keep(ctx, campaign, lead, LeadOutcome(cost=people.cost, sandbox=people.sandbox))
    return people


async def _verify(
    ctx: Context, caller: Caller, settings: DiscoverySettings, campaign: UUID, lead: Business, people: People
) -> LeadOutcome:
    outcome = LeadOutcome()
    for place, contact in enumerate(people.contacts):
        try:
            verdict = await verify_address(caller, settings, contact.email)
        except (ProviderDown, BudgetExceeded) as error:
            if place == 0:
                raise
            # The checks before were paid for; those they were about are not whom to write to.
            outcome = _judged(people, contact, "unverified", failed=isinstance(error, ProviderDown))
            break
        people.cost += PriceList.load().cost("neverbounce", "single-check", "credit", verdict.quantity)
        people.sandbox |= verdict.sandbox
        outcome = _judged(people, contact, verdict.value)
        if outcome.reachable:
            break
    return await _keep(ctx, campaign, lead, outcome)


def _judged(
    people: People, contact: Contact, verification: Verification, *, failed: bool = False
) -> LeadOutcome:
    return LeadOutcome(
        contact=contact,
        verification=verification,
        confidence=confidence(contact, verification),
        degraded=["verification"] if failed else [],
        cost=people.cost,
        sandbox=people.sandbox,
    )


async def _keep(ctx: Context, campaign: UUID, lead: Business, outcome: LeadOutcome) -> LeadOutcome:
    """Store what was found out, and let watchers read it as soon as it is."""
    await store_outcome(ctx, campaign, lead.place_id, outcome)
    contact = outcome.contact
    if contact is not None and outcome.reachable:
        said = [contact.name, contact.title, contact.email]
        await ctx.emit(
            "lead",
            {
                "text": f"{lead.name}: {', '.join(each for each in said if each)} ({outcome.verification})",
                "place_id": lead.place_id,
                "business_name": lead.name,
                "contact_name": contact.name,
                "contact_title": contact.title,
                "contact_email": contact.email,
                "verification": outcome.verification,
                "confidence": None if outcome.confidence is None else str(outcome.confidence),
            },
        )
    return outcome


def _step(what: str, lead: Business) -> str:
    name = f"{what}:{lead.place_id}"
    # A step's name has at most 200 characters; Google promises no length for its ids.
    return name if len(name) <= 200 else f"{what}:{hashlib.sha256(lead.place_id.encode()).hexdigest()}"
