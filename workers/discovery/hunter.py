"""Hunter: who can be reached at a domain.

Source: https://hunter.io/api-documentation/v2: 403 is its rate limit, 429 a plan that is used up, 400 and 422
a domain that it does not search, 451 one whose owner does not want it; a search that finds nobody is free,
any other costs a credit per ten addresses.
"""

from __future__ import annotations

from typing import Annotated

import httpx
from pydantic import BaseModel, ConfigDict, Field

from workers.discovery.calling import Caller, Declined, Product, ProviderDown, Sold, passing
from workers.discovery.contacts import Contact, address_of, best
from workers.discovery.entries import plain, readable
from workers.discovery.settings import DiscoverySettings

__all__ = ["find_contacts"]

_LIMIT = 10
_ABOUT_THE_DOMAIN = (400, 404, 422, 451)


class _Email(BaseModel):
    model_config = ConfigDict(extra="ignore")

    value: str = Field(max_length=1000)
    type: str | None = None
    confidence: int = Field(default=0, ge=0, le=100)
    first_name: str | None = None
    last_name: str | None = None
    position: str | None = None
    seniority: str | None = None


class _Data(BaseModel):
    emails: Annotated[list[_Email], readable(_Email)] = Field(default=[], max_length=1000)


class _Answer(BaseModel):
    data: _Data


async def find_contacts(caller: Caller, settings: DiscoverySettings, domain: str) -> Sold[list[Contact]]:
    """Buy the contacts of a domain; the most promising first.

    Args:
        caller: Who pays.
        settings: Key and address.
        domain: The business's own.

    Raises:
        ProviderDown: Hunter cannot answer.
        BudgetExceeded: the search would pass a budget.
    """
    key = settings.hunter_api_key
    if key is None:
        raise ProviderDown(
            "Hunter has no key.",
            hint="Set HUNTER_API_KEY in the worker's environment.",
            code="provider_denied",
        )
    sold = await caller.buy(
        _PRODUCT,
        "GET",
        f"{str(settings.hunter_base_url).rstrip('/')}/v2/domain-search",
        headers={"x-api-key": key.get_secret_value()},
        params={"domain": domain, "limit": str(_LIMIT)},
    )
    contacts = best(contact for email in sold.value.data.emails if (contact := _contact(email)))
    return Sold(contacts, sold.quantity, sold.sandbox)


def _contact(email: _Email) -> Contact | None:
    address = address_of(email.value)
    if address is None:
        return None
    return Contact(
        email=address,
        name=plain(f"{email.first_name or ''} {email.last_name or ''}", 300),
        title=plain(email.position, 300),
        seniority=plain(email.seniority, 100),
        personal=email.type == "personal",
        confidence=email.confidence,
    )


def _refused(response: httpx.Response) -> Exception | None:
    if response.is_success:
        return None
    if response.status_code == 429:
        return ProviderDown(
            "The Hunter plan is used up.",
            hint="Wait for the next billing period or raise the plan, then retry the job.",
            code="provider_quota_exhausted",
        )
    if response.status_code in (403, 408, 409, 425) or response.status_code >= 500:
        return passing(response, "Hunter")
    if response.status_code in _ABOUT_THE_DOMAIN:
        return Declined(
            f"Hunter does not search this domain (HTTP {response.status_code}).",
            hint="Look at the business's website yourself.",
            code="provider_declined",
        )
    return ProviderDown(
        f"Hunter refuses the request (HTTP {response.status_code}).",
        hint="Check HUNTER_API_KEY in the worker's environment.",
        code="provider_denied",
    )


def _read(response: httpx.Response) -> tuple[_Answer, int]:
    answer = _Answer.model_validate_json(response.content)
    return answer, -(-len(answer.data.emails) // 10)


_PRODUCT: Product[_Answer] = Product("hunter", "Hunter", "domain-search", "credit", 1, _refused, _read)
