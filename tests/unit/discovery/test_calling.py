"""Paid calls: tried again while it makes sense, never beyond the budget, counted as the provider counts."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest
import respx

from headway import BudgetExceeded, Context
from headway.sandbox.businesses import people_of
from headway.sandbox.server import SandboxServer
from headway.testing import run_job
from workers.discovery.calling import Caller, ProviderDown
from workers.discovery.hunter import find_contacts
from workers.discovery.neverbounce import verify_address
from workers.discovery.settings import DiscoverySettings

from .shopping import CALLS, DOMAIN, neverbounce, places, shopping


@pytest.fixture(autouse=True)
def sandboxed(sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("workers.llm.retries._backoff", lambda state: 0.0)


def agrees(recording: Any, server: SandboxServer) -> None:
    """The job's ledger says what the provider's says."""
    recorded = sum((entry.cost for entry in recording.usage), Decimal(0))
    assert recorded == server.sandbox.ledger.total()


@pytest.mark.parametrize("provider", CALLS)
@pytest.mark.parametrize("kind", ["429", "500", "503", "malformed", "truncated", "cut", "timeout"])
async def test_a_fault_that_passes_is_outlived(
    sandbox_server: SandboxServer, provider: str, kind: Any
) -> None:
    more = {"retry_after": 0.01} if kind == "429" else {"seconds": 0.01} if kind == "timeout" else {}
    sandbox_server.sandbox.faults.add(kind, provider=provider, times=2, **more)
    recording = await run_job(shopping(CALLS[provider]), "test.buy")
    assert recording.error is None
    assert sandbox_server.sandbox.requests.as_dict()["total"] == 3
    if kind != "timeout":
        agrees(recording, sandbox_server)
    else:
        # Nobody knows whether it was sold: the most that it can have cost counts.
        assert sum(e.cost for e in recording.usage) == 3 * sandbox_server.sandbox.ledger.total()


@pytest.mark.parametrize("provider", CALLS)
async def test_a_provider_that_stays_down_is_given_up(sandbox_server: SandboxServer, provider: str) -> None:
    sandbox_server.sandbox.faults.add("503", provider=provider)

    async def four_times(ctx: Context, caller: Caller, settings: DiscoverySettings) -> Any:
        for _ in range(4):
            with pytest.raises(ProviderDown):
                await CALLS[provider](ctx, caller, settings)

    recording = await run_job(shopping(four_times), "test.buy")
    assert recording.error is None
    # Three tries each; the fourth call is not made any more.
    assert sandbox_server.sandbox.requests.as_dict()["total"] == 9
    assert recording.usage == []


@pytest.mark.parametrize("provider", CALLS)
async def test_a_used_up_account_is_not_asked_again(sandbox_server: SandboxServer, provider: str) -> None:
    sandbox_server.sandbox.faults.add("quota", provider=provider)

    async def twice(ctx: Context, caller: Caller, settings: DiscoverySettings) -> Any:
        with pytest.raises(ProviderDown) as refused:
            await CALLS[provider](ctx, caller, settings)
        with pytest.raises(ProviderDown):
            await CALLS[provider](ctx, caller, settings)
        return refused.value.code

    recording = await run_job(shopping(twice), "test.buy")
    assert recording.document == "provider_quota_exhausted"
    assert sandbox_server.sandbox.requests.as_dict()["total"] == 1


@pytest.mark.parametrize("provider", CALLS)
async def test_a_wrong_key_is_told_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    name = {"places": "GOOGLE_PLACES", "hunter": "HUNTER", "neverbounce": "NEVERBOUNCE"}[provider]
    monkeypatch.setenv(f"{name}_API_KEY", "a-secret-of-ours")
    recording = await run_job(shopping(CALLS[provider]), "test.buy")
    assert recording.error is not None
    assert recording.error.code == "provider_denied"
    assert f"{name}_API_KEY" in (recording.error.hint or "")
    assert "a-secret-of-ours" not in repr(recording)


async def test_many_calls_at_once_cannot_pass_the_budget_together(sandbox_server: SandboxServer) -> None:
    async def ten(ctx: Context, caller: Caller, settings: DiscoverySettings) -> Any:
        calls = [verify_address(caller, settings, f"a{n}@example.com") for n in range(10)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        return sum(1 for answer in answers if isinstance(answer, BudgetExceeded))

    recording = await run_job(shopping(ten, budget=Decimal("0.05")), "test.buy")
    assert recording.document == 4
    assert sandbox_server.sandbox.ledger.total() == Decimal("0.048")
    agrees(recording, sandbox_server)


async def test_no_money_is_left_for_fear_of_calls_that_turn_out_free(sandbox_server: SandboxServer) -> None:
    nobody = [d for n in range(200) if not people_of(d := f"empty-{n}.example.com")][:9]

    async def ten(ctx: Context, caller: Caller, settings: DiscoverySettings) -> Any:
        await asyncio.gather(*(find_contacts(caller, settings, domain) for domain in [*nobody, DOMAIN]))

    recording = await run_job(shopping(ten, budget=Decimal("0.03")), "test.buy")
    assert recording.error is None
    assert sandbox_server.sandbox.ledger.total() == Decimal("0.0245")


async def test_the_jobs_own_budget_holds_too(sandbox_server: SandboxServer) -> None:
    recording = await run_job(shopping(places), "test.buy", budget=Decimal("0.034"))
    assert recording.error is not None
    assert recording.error.code in ("HW501", "budget_exceeded")
    assert sandbox_server.sandbox.requests.as_dict()["total"] == 0


@pytest.mark.parametrize(
    ("error", "cost"),
    [(httpx.ConnectError("no"), Decimal(0)), (httpx.ReadTimeout("late"), Decimal("0.008") * 3)],
)
async def test_what_was_never_sent_costs_nothing(error: Exception, cost: Decimal) -> None:
    with respx.mock(assert_all_mocked=True) as mocked:
        mocked.post(path="/neverbounce/v4.2/single/check").mock(side_effect=error)
        recording = await run_job(shopping(neverbounce), "test.buy")
    assert recording.error is not None
    assert recording.error.code == "provider_unreachable"
    assert sum((entry.cost for entry in recording.usage), Decimal(0)) == cost


async def test_keys_travel_in_no_address() -> None:
    with respx.mock(assert_all_mocked=True) as mocked:
        mocked.get(path="/hunter/v2/domain-search").respond(json={"data": {"emails": []}})
        mocked.post(path="/neverbounce/v4.2/single/check").respond(
            json={"status": "success", "result": "valid"}
        )
        mocked.post(path="/places/v1/places:searchText").respond(json={})
        for call in CALLS.values():
            assert (await run_job(shopping(call), "test.buy")).error is None
        assert all("key" not in str(call.request.url) for call in mocked.calls)
        assert len(mocked.calls) == 3
