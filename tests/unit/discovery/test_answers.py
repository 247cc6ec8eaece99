"""What providers answer: wrong entries, refusals that are about one request, and answers without an end."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
import respx

from headway import Context, Retry
from headway.testing import run_job
from workers.discovery.calling import Caller, Declined, ProviderDown
from workers.discovery.entries import plain
from workers.discovery.payload import DiscoveryPayload
from workers.discovery.search import discover
from workers.discovery.settings import DiscoverySettings

from .shopping import CALLS, hunter, neverbounce, places, shopping

PATHS = {
    "places": "/v1/places:searchText",
    "hunter": "/v2/domain-search",
    "neverbounce": "/v4.2/single/check",
}


@pytest.fixture(autouse=True)
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_PLACES", "HUNTER", "NEVERBOUNCE"):
        monkeypatch.setenv(f"{name}_API_KEY", "a-key")
    monkeypatch.setattr("workers.llm.retries._backoff", lambda state: 0.0)


def spent(recording: Any) -> Decimal:
    return sum((entry.cost for entry in recording.usage), Decimal(0))


@respx.mock
async def test_one_wrong_place_does_not_spoil_the_page_nor_is_it_bought_again() -> None:
    good = {"id": "a", "displayName": {"text": "Dr. A\x00da\u202e"}, "formattedAddress": "1\x07 Main\n\nSt"}
    route = respx.post(path=PATHS["places"]).respond(
        json={"places": [{"id": "b", "displayName": {"text": "B"}, "rating": 7}, good, {"id": "\x00"}, None]}
    )
    recording = await run_job(shopping(places), "test.buy")
    (business,) = recording.document["businesses"]
    assert (business["name"], business["address"]) == ("Dr. A da", "1 Main St")
    assert (route.call_count, spent(recording)) == (1, Decimal("0.035"))


@respx.mock
async def test_one_wrong_address_does_not_spoil_the_others() -> None:
    emails = [{"value": None}, {"value": "ada@x.example.com", "confidence": 90, "position": "\tOwner\x00"}]
    respx.get(path=PATHS["hunter"]).respond(json={"data": {"emails": emails}})
    recording = await run_job(shopping(hunter), "test.buy")
    assert (recording.document, spent(recording)) == (["ada@x.example.com"], Decimal("0.0245"))


@pytest.mark.parametrize("status", [400, 404, 422, 451])
@respx.mock
async def test_a_domain_that_hunter_does_not_search_leaves_the_others_to_it(status: int) -> None:
    refused = httpx.Response(status, json={"errors": [{"id": "wrong_params", "code": status}]})
    route = respx.get(path=PATHS["hunter"]).mock(
        side_effect=[*[refused] * 4, httpx.Response(200, json={"data": {"emails": []}})]
    )

    async def five(ctx: Context, caller: Caller, settings: DiscoverySettings) -> Any:
        for _ in range(4):
            with pytest.raises(Declined):
                await hunter(ctx, caller, settings)
        return await hunter(ctx, caller, settings)

    recording = await run_job(shopping(five), "test.buy")
    assert (recording.document, route.call_count, spent(recording)) == ([], 5, 0)


@respx.mock
async def test_an_address_that_neverbounce_does_not_check_leaves_the_others_to_it() -> None:
    answers = [
        {"status": "general_failure", "message": "Invalid email\x00"},
        {"status": "success", "result": "valid"},
    ]
    respx.post(path=PATHS["neverbounce"]).mock(
        side_effect=[httpx.Response(200, json=answer) for answer in answers]
    )

    async def twice(ctx: Context, caller: Caller, settings: DiscoverySettings) -> Any:
        with pytest.raises(Declined) as declined:
            await neverbounce(ctx, caller, settings)
        assert declined.value.message.endswith(": Invalid email")
        return await neverbounce(ctx, caller, settings)

    assert (await run_job(shopping(twice), "test.buy")).document == "valid"


@pytest.mark.parametrize(
    ("message", "code", "hint"),
    [
        ("Invalid region code 'ZZ'.", "provider_declined", "region"),
        ("API key not valid. Please pass a valid API key.", "provider_denied", "GOOGLE_PLACES_API_KEY"),
    ],
)
@respx.mock
async def test_a_search_that_makes_no_sense_is_told_apart_from_a_wrong_key(
    message: str, code: str, hint: str
) -> None:
    reason = [{"reason": "API_KEY_INVALID"}] if "key" in message else []
    respx.post(path=PATHS["places"]).respond(
        400, json={"error": {"code": 400, "message": message, "details": reason}}
    )
    recording = await run_job(shopping(places), "test.buy")
    assert recording.error is not None
    assert recording.error.code == code
    assert hint in (recording.error.hint or "")
    assert ("ZZ" in recording.error.message) == (code == "provider_declined")


@pytest.mark.parametrize(
    ("quota", "code"), [("PerMinute", "provider_rate_limited"), ("PerDay", "provider_quota_exhausted")]
)
@respx.mock
async def test_a_quota_by_the_minute_passes_and_one_by_the_day_does_not(quota: str, code: str) -> None:
    violation = {"quotaId": f"SearchTextRequest{quota}PerProject"}
    details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}]
    error = {"code": 429, "message": "Quota exceeded for quota metric.", "details": details}
    route = respx.post(path=PATHS["places"]).respond(429, json={"error": error})
    recording = await run_job(shopping(places, tries=2), "test.buy")
    assert recording.error is not None
    assert (recording.error.code, route.call_count) == (code, 2 if quota == "PerMinute" else 1)


@respx.mock
async def test_a_search_that_is_told_to_wait_for_long_comes_back_then() -> None:
    route = respx.post(path=PATHS["places"]).respond(429, headers={"retry-after": "300"})
    wanted = DiscoveryPayload(business_type="dentists", location="Springfield")

    async def search(ctx: Context, caller: Caller, settings: DiscoverySettings) -> Any:
        async def told(found: Any) -> None:
            return None

        with pytest.raises(Retry) as later:
            await discover(ctx, caller, settings, wanted, told)
        return later.value.after

    recording = await run_job(shopping(search), "test.buy")
    assert (recording.document, route.call_count) == (300, 1)


@pytest.mark.parametrize("provider", CALLS)
@respx.mock
async def test_an_answer_that_does_not_end_is_given_up(provider: str) -> None:
    asked = 0

    async def drip() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.02)
            yield b" "

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(200, content=drip())

    respx.route(path=PATHS[provider]).mock(side_effect=answer)
    recording = await run_job(shopping(CALLS[provider], tries=2, timeout=0.2), "test.buy")
    assert recording.error is not None
    assert (recording.error.code, asked) == ("provider_unreachable", 2)
    # It was asked, and nobody knows whether it was sold.
    assert spent(recording) > 0


@respx.mock
async def test_an_answer_without_measure_is_not_read_to_its_end() -> None:
    bomb = gzip.compress(b'{"places": []' + b" " * 64 * 1024 * 1024)
    respx.post(path=PATHS["places"]).respond(content=bomb, headers={"content-encoding": "gzip"})
    recording = await run_job(shopping(places, tries=1), "test.buy")
    assert recording.error is not None
    assert recording.error.code == "provider_unreachable"


@respx.mock
async def test_packed_answers_are_read() -> None:
    content = gzip.compress(json.dumps({"status": "success", "result": "catchall"}).encode())
    respx.post(path=PATHS["neverbounce"]).respond(content=content, headers={"content-encoding": "gzip"})
    assert (await run_job(shopping(neverbounce), "test.buy")).document == "catchall"


def test_texts_keep_what_belongs_to_their_script() -> None:
    assert plain("می\u200cخواهم", 100) == "می\u200cخواهم"
    assert plain(" \x00\t\u202e ", 100) is None
    assert plain("a b", 2) == "a"
    assert issubclass(Declined, ProviderDown)
