"""Places, Hunter and NeverBounce as the sandbox speaks them: pages, field masks, bills, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from headway.sandbox.businesses import find, people_of
from headway.sandbox.environment import SANDBOX_KEYS
from headway.sandbox.server import SandboxServer

MASK = "places.id,places.displayName,places.rating,nextPageToken"
QUERY = "dentists in Springfield"


@pytest.fixture
def http(sandbox_server: SandboxServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox_server.url) as client:
        yield client


def search(http: httpx.Client, mask: str = MASK, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {"x-goog-api-key": key or SANDBOX_KEYS["GOOGLE_PLACES_API_KEY"], "x-goog-fieldmask": mask}
    return http.post("/places/v1/places:searchText", json={"textQuery": QUERY, **body}, headers=headers)


def hunt(http: httpx.Client, domain: str, **more: str) -> httpx.Response:
    return http.get(
        "/hunter/v2/domain-search",
        params={"domain": domain, "api_key": SANDBOX_KEYS["HUNTER_API_KEY"], **more},
    )


def verify(http: httpx.Client, email: str) -> dict[str, Any]:
    body = {"key": SANDBOX_KEYS["NEVERBOUNCE_API_KEY"], "email": email}
    answer: dict[str, Any] = http.post("/neverbounce/v4.2/single/check", json=body).json()
    return answer


def test_a_query_has_at_most_three_pages(http: httpx.Client, sandbox_server: SandboxServer) -> None:
    found, token, pages = [], None, 0
    while pages == 0 or token:
        answer = search(http, **({"pageToken": token} if token else {})).json()
        found += [place["id"] for place in answer["places"]]
        token, pages = answer.get("nextPageToken"), pages + 1
    expected = [place["id"] for place in find(QUERY)][:60]
    assert found == expected
    assert len(set(found)) == len(found)
    ledger = sandbox_server.sandbox.ledger
    assert ledger.total("places") == Decimal("0.035") * pages


def test_only_what_the_mask_names_is_shown_and_billed(
    http: httpx.Client, sandbox_server: SandboxServer
) -> None:
    (place, *_) = search(http, "places.id", pageSize=1).json()["places"]
    assert list(place) == ["id"]
    assert sandbox_server.sandbox.ledger.total("places") == Decimal("0.032")
    assert search(http, "").json()["error"]["status"] == "INVALID_ARGUMENT"


def test_a_page_token_belongs_to_its_query(http: httpx.Client) -> None:
    token = search(http).json()["nextPageToken"]
    refused = search(http, textQuery="cafes in Rome", pageToken=token)
    assert refused.status_code == 400
    assert "must match the initial" in refused.json()["error"]["message"]
    assert search(http, pageToken="@").status_code == 400


def test_a_search_keeps_to_its_rectangle(http: httpx.Client) -> None:
    places = find(QUERY)
    edge = sorted(place["location"]["latitude"] for place in places)[len(places) // 2]
    low, high = {"latitude": -90, "longitude": -180}, {"latitude": edge, "longitude": 180}
    answer = search(
        http, "places.location", locationRestriction={"rectangle": {"low": low, "high": high}}
    ).json()
    assert answer["places"]
    assert all(place["location"]["latitude"] <= edge for place in answer["places"])
    assert search(http, locationRestriction={"circle": {}}).status_code == 400


def test_nothing_is_found_nowhere(http: httpx.Client) -> None:
    assert search(http, textQuery="cafes in Nowhere").json() == {}


def test_hunter_sells_addresses_and_nothing_for_none(
    http: httpx.Client, sandbox_server: SandboxServer
) -> None:
    domains = [f"business-{n}.example.com" for n in range(30)]
    empty = next(domain for domain in domains if not people_of(domain))
    full = next(domain for domain in domains if people_of(domain))
    assert hunt(http, empty).json()["data"]["emails"] == []
    assert sandbox_server.sandbox.ledger.total("hunter") == 0
    emails = hunt(http, full).json()["data"]["emails"]
    assert emails[0]["value"] == f"info@{full}"
    assert sandbox_server.sandbox.ledger.total("hunter") == Decimal("0.0245")
    assert hunt(http, "no domain").status_code == 400
    assert http.get("/hunter/v2/domain-search", params={"domain": full}).status_code == 401


def test_neverbounce_answers_in_the_body(http: httpx.Client, sandbox_server: SandboxServer) -> None:
    verdicts = {verify(http, f"a{n}@example.com")["result"] for n in range(80)}
    assert verdicts == {"valid", "invalid", "disposable", "catchall", "unknown"}
    assert sandbox_server.sandbox.ledger.total("neverbounce") == Decimal("0.008") * 80
    refused = http.get("/neverbounce/v4.2/single/check", params={"key": "x", "email": "a@b.c"})
    assert (refused.status_code, refused.json()["status"]) == (200, "auth_failure")


def test_each_provider_refuses_in_its_own_way(http: httpx.Client, sandbox_server: SandboxServer) -> None:
    faults = sandbox_server.sandbox.faults
    faults.add("429", retry_after=3)
    assert (search(http).status_code, hunt(http, "a.example.com").status_code) == (429, 403)
    assert search(http).json()["error"]["details"][0]["retryDelay"] == "3s"
    assert verify(http, "a@b.example.com")["status"] == "throttle_triggered"
    faults.clear()
    faults.add("quota")
    assert hunt(http, "a.example.com").json()["errors"][0]["code"] == 429
    assert "credit" in verify(http, "a@b.example.com")["message"]
    faults.clear()
    faults.add("503")
    assert [search(http).status_code, hunt(http, "a.example.com").status_code] == [503, 503]
    assert sandbox_server.sandbox.ledger.total() == 0


def test_broken_answers_were_sold_all_the_same(http: httpx.Client, sandbox_server: SandboxServer) -> None:
    sandbox_server.sandbox.faults.add("truncated")
    answer = search(http)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()
    assert sandbox_server.sandbox.ledger.total() == Decimal("0.035")
