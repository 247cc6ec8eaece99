"""Hunter's API below ``/hunter``: domain search.

Source: https://hunter.io/api-documentation/v2. Too many requests a second are answered with 403, a plan that
is used up with 429; a search that finds nobody is free, any other costs one credit per ten addresses.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from headway.sandbox.businesses import people_of
from headway.sandbox.disturbance import retry_after_headers
from headway.sandbox.environment import SANDBOX_KEYS
from headway.sandbox.faults import Fault

if TYPE_CHECKING:
    from headway.sandbox.app import Sandbox

__all__ = ["refusal", "routes"]


def routes(sandbox: Sandbox) -> list[BaseRoute]:
    """The provider's routes.

    Args:
        sandbox: Its faults and its ledger are used.
    """

    async def domain_search(request: Request) -> Response:
        key = request.query_params.get("api_key") or request.headers.get("x-api-key")
        key = key or request.headers.get("authorization", "").removeprefix("Bearer ")
        if key != SANDBOX_KEYS["HUNTER_API_KEY"]:
            return _error(
                401, "authentication_failed", "No user found for the API key supplied (Headway sandbox)"
            )
        domain = request.query_params.get("domain", "").strip().lower()
        if "." not in domain:
            return _error(400, "wrong_params", "The domain supplied is invalid.")
        limit = request.query_params.get("limit", "10")
        if not limit.isdecimal() or not 1 <= int(limit) <= 100:
            return _error(400, "invalid_limit", "The limit must be between 1 and 100.")
        everybody = people_of(domain)
        people = everybody[: int(limit)]
        fault = sandbox.faults.wanted(request)
        # Whoever cannot read an answer has to suppose that it was sold.
        broken = fault is not None and fault.kind in ("malformed", "truncated", "cut")
        if people or broken:
            sold = max(1, -(-len(people) // 10))
            sandbox.ledger.count("hunter", model="domain-search", unit="credit", quantity=sold)
        if fault and fault.kind == "malformed":
            return JSONResponse(
                {"data": {"domain": domain, "emails": [{"value": None, "confidence": "high"}]}}
            )
        content = json.dumps(_answer(domain, people, len(everybody), int(limit)))
        if fault and fault.kind == "truncated":
            content = content[: len(content) // 2]
        return Response(content, media_type="application/json")

    return [Route("/v2/domain-search", domain_search)]


def refusal(fault: Fault, request: Request) -> Response:
    """The answer for a fault that refuses a request outright.

    Args:
        fault: One of 429, quota, 500, 503.
        request: What is refused.
    """
    if fault.kind == "quota":
        return _error(
            429,
            "too_many_requests",
            "You've reached the limit for the number of searches per billing period.",
        )
    if fault.kind == "429":
        return _error(
            403, "rate_limit_reached", "You have reached the rate limit.", retry_after_headers(fault)
        )
    return _error(
        int(fault.kind), "internal_error", "Something went wrong on our side.", retry_after_headers(fault)
    )


def _answer(domain: str, people: list[dict[str, Any]], found: int, limit: int) -> dict[str, Any]:
    verification = {"date": None, "status": None}
    return {
        "data": {
            "domain": domain,
            "disposable": False,
            "webmail": False,
            "accept_all": False,
            "pattern": "{first}.{last}",
            "organization": domain.split(".")[0].replace("-", " ").title(),
            "emails": [person | {"sources": [], "verification": verification} for person in people],
        },
        "meta": {"results": found, "limit": limit, "offset": 0, "params": {"domain": domain}},
    }


def _error(code: int, identity: str, details: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"errors": [{"id": identity, "code": code, "details": details}]}, code, headers)
