"""NeverBounce's API below ``/neverbounce``: the check of a single address.

Source: https://developers.neverbounce.com/reference/single-check and .../error-handling. Errors of the
application come with HTTP status 200 and a ``status`` other than ``success``.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from headway.sandbox.disturbance import retry_after_headers
from headway.sandbox.environment import SANDBOX_KEYS
from headway.sandbox.faults import Fault

if TYPE_CHECKING:
    from headway.sandbox.app import Sandbox

__all__ = ["refusal", "routes"]

# Of 100 addresses; the rest is valid.
_SHARES = (("invalid", 12), ("disposable", 3), ("catchall", 15), ("unknown", 8))


def routes(sandbox: Sandbox) -> list[BaseRoute]:
    """The provider's routes.

    Args:
        sandbox: Its faults and its ledger are used.
    """

    async def single_check(request: Request) -> Response:
        given = await _parameters(request)
        if given.get("key") != SANDBOX_KEYS["NEVERBOUNCE_API_KEY"]:
            return _error("auth_failure", "Invalid API key (Headway sandbox)")
        address = str(given.get("email", "")).strip()
        if not address:
            return _error("general_failure", "Missing required parameter 'email'")
        sandbox.ledger.count("neverbounce", model="single-check", unit="credit")
        fault = sandbox.faults.wanted(request)
        result: object = ["surely"] if fault and fault.kind == "malformed" else _verdict(address)
        content = json.dumps(
            {
                "status": "success",
                "result": result,
                "flags": ["has_dns", "has_dns_mx"],
                "suggested_correction": "",
                "execution_time": 120,
            }
        )
        if fault and fault.kind == "truncated":
            content = content[: len(content) // 2]
        return Response(content, media_type="application/json")

    return [Route("/v4.2/single/check", single_check, methods=["GET", "POST"])]


def refusal(fault: Fault, request: Request) -> Response:
    """The answer for a fault that refuses a request outright.

    Args:
        fault: One of 429, quota, 500, 503.
        request: What is refused.
    """
    headers = retry_after_headers(fault)
    if fault.kind == "429":
        return _error("throttle_triggered", "Too many requests in a short amount of time", headers=headers)
    if fault.kind == "quota":
        return _error("general_failure", "Insufficient credit balance", headers=headers)
    return _error("temp_unavail", "The service is temporarily unavailable", int(fault.kind), headers)


async def _parameters(request: Request) -> dict[str, Any]:
    if request.method == "GET":
        return dict(request.query_params)
    try:
        body = json.loads(await request.body())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _verdict(address: str) -> str:
    place = int(hashlib.sha256(address.lower().encode()).hexdigest()[:8], 16) % 100
    for verdict, share in _SHARES:
        if place < share:
            return verdict
        place -= share
    return "valid"


def _error(status: str, message: str, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"status": status, "message": message, "execution_time": 3}, code, headers)
