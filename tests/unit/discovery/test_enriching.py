"""Whom to write to, when the first one cannot be: the next best is looked at, as far as providers go."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from headway import BudgetExceeded, Context, Worker
from headway.testing import run_job
from workers.discovery import enriching
from workers.discovery.business import Business
from workers.discovery.calling import Caller, ProviderDown, Sold
from workers.discovery.contacts import Contact
from workers.discovery.enriching import enrich
from workers.discovery.outcome import LeadOutcome
from workers.discovery.purse import Purse
from workers.discovery.settings import DiscoverySettings
from workers.llm.prices import PriceList

PEOPLE = [Contact(email=f"{name}@x.example.com", confidence=80) for name in ("ada", "ben", "eve", "zoe")]
LEAD = Business(place_id="p", name="X", domain="x.example.com")


async def look_up(monkeypatch: pytest.MonkeyPatch, verdicts: Sequence[Any]) -> tuple[LeadOutcome, Any]:
    """What is found out of a lead whose contacts the verifier judges one after the other."""
    waiting = iter(verdicts)

    async def find(caller: Caller, settings: DiscoverySettings, domain: str) -> Sold[list[Contact]]:
        return Sold(PEOPLE, 1, False)

    async def verify(caller: Caller, settings: DiscoverySettings, address: str) -> Sold[Any]:
        verdict = next(waiting)
        if isinstance(verdict, Exception):
            raise verdict
        return Sold(verdict, 1, False)

    async def store(ctx: Context, campaign: Any, place: str, outcome: LeadOutcome) -> None:
        return None

    monkeypatch.setattr(enriching, "find_contacts", find)
    monkeypatch.setattr(enriching, "verify_address", verify)
    monkeypatch.setattr(enriching, "store_outcome", store)
    found: dict[str, LeadOutcome] = {}
    worker = Worker()

    @worker.job("test.enrich")
    async def job(ctx: Context) -> None:
        settings = DiscoverySettings()
        caller = Caller(ctx, Purse(Decimal(5)), settings, PriceList.load())
        progress = await enrich(ctx, caller, settings, uuid4(), [LEAD], lambda progress: None)
        found.update(progress.outcomes)

    recording = await run_job(worker, "test.enrich")
    assert recording.error is None
    return found["p"], recording


@pytest.mark.parametrize(
    ("verdicts", "contact", "verification", "degraded", "checks"),
    [
        (["valid"], 0, "valid", [], 1),
        (["invalid", "disposable", "catchall"], 2, "catchall", [], 3),
        # Three are looked at, and the last word stays.
        (["invalid"] * 4, 2, "invalid", [], 3),
        (["invalid", ProviderDown("down")], 1, "unverified", ["verification"], 1),
        (["invalid", BudgetExceeded("spent")], 1, "unverified", [], 1),
        ([ProviderDown("down")], 0, "unverified", ["verification"], 0),
    ],
)
async def test_the_next_best_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
    verdicts: Sequence[Any],
    contact: int,
    verification: str,
    degraded: list[str],
    checks: int,
) -> None:
    outcome, recording = await look_up(monkeypatch, verdicts)
    assert (outcome.contact, outcome.verification) == (PEOPLE[contact], verification)
    assert outcome.degraded == degraded
    assert outcome.cost == Decimal("0.0245") + checks * Decimal("0.008")
    # Who cannot be written to is told of in the row alone.
    told = [each.data["contact_email"] for each in recording.events if each.name == "lead"]
    assert told == ([] if verification == "invalid" else [PEOPLE[contact].email])
