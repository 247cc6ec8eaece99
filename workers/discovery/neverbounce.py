"""NeverBounce: whether somebody reads an address.

Source: https://developers.neverbounce.com/reference/single-check and .../error-handling: errors come with
HTTP status 200 and a ``status`` other than ``success``.
"""

from __future__ import annotations

from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from workers.discovery.calling import Caller, Declined, Product, ProviderDown, Sold, asked_to_wait, passing
from workers.discovery.entries import plain
from workers.discovery.settings import DiscoverySettings
from workers.llm.retries import Passing

__all__ = ["Verdict", "verify_address"]

Verdict = Literal["valid", "invalid", "disposable", "catchall", "unknown"]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    result: Verdict


class _Status(BaseModel):
    model_config = ConfigDict(extra="ignore")

    status: str
    message: str = ""


async def verify_address(caller: Caller, settings: DiscoverySettings, address: str) -> Sold[Verdict]:
    """Buy the check of an address.

    Args:
        caller: Who pays.
        settings: Key and address.
        address: In its one spelling.

    Raises:
        ProviderDown: NeverBounce cannot answer.
        BudgetExceeded: the check would pass a budget.
    """
    key = settings.neverbounce_api_key
    if key is None:
        raise ProviderDown(
            "NeverBounce has no key.",
            hint="Set NEVERBOUNCE_API_KEY in the worker's environment.",
            code="provider_denied",
        )
    sold = await caller.buy(
        _PRODUCT,
        "POST",
        f"{str(settings.neverbounce_base_url).rstrip('/')}/v4.2/single/check",
        # In the body, which no proxy writes into its log.
        json={"key": key.get_secret_value(), "email": address},
    )
    return Sold(sold.value.result, sold.quantity, sold.sandbox)


def _refused(response: httpx.Response) -> Exception | None:
    if response.status_code in (408, 425, 429) or response.status_code >= 500:
        return passing(response, "NeverBounce")
    try:
        said = _Status.model_validate_json(response.content)
    except ValidationError:
        # Neither a refusal nor an answer: reading it says so.
        return None if response.is_success else _denied(response)
    match said.status:
        case "success":
            return None if response.is_success else _denied(response)
        case "throttle_triggered" | "temp_unavail":
            return Passing(
                "NeverBounce cannot answer now.",
                code="provider_rate_limited"
                if said.status == "throttle_triggered"
                else "provider_unavailable",
                after=asked_to_wait(response),
            )
        case "general_failure" if "credit" in said.message.lower():
            return ProviderDown(
                "The NeverBounce account has no credits left.",
                hint="Buy credits, then retry the job.",
                code="provider_quota_exhausted",
            )
        case "general_failure":
            return Declined(
                f"NeverBounce cannot check this address: {plain(said.message, 200) or 'it gives no reason.'}",
                hint="Look at the address.",
                code="provider_declined",
            )
    return _denied(response)


def _denied(response: httpx.Response) -> ProviderDown:
    return ProviderDown(
        f"NeverBounce refuses the request (HTTP {response.status_code}).",
        hint="Check NEVERBOUNCE_API_KEY in the worker's environment.",
        code="provider_denied",
    )


def _read(response: httpx.Response) -> tuple[_Answer, int]:
    return _Answer.model_validate_json(response.content), 1


_PRODUCT: Product[_Answer] = Product(
    "neverbounce", "NeverBounce", "single-check", "credit", 1, _refused, _read
)
