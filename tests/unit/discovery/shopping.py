"""Jobs that do nothing but buy from one provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from headway import Context, Worker
from headway.sandbox.businesses import people_of
from workers.discovery import worker as discovery
from workers.discovery.calling import Caller
from workers.discovery.hunter import find_contacts
from workers.discovery.neverbounce import verify_address
from workers.discovery.payload import DiscoveryPayload
from workers.discovery.places import search_page
from workers.discovery.purse import Purse
from workers.discovery.settings import DiscoverySettings
from workers.llm.prices import PriceList

__all__ = ["CALLS", "DOMAIN", "hunter", "neverbounce", "places", "shopping"]

WANTED = DiscoveryPayload(business_type="dentists", location="Springfield")
DOMAIN = next(d for n in range(50) if people_of(d := f"business-{n}.example.com"))
Body = Callable[[Context, Caller, DiscoverySettings], Awaitable[Any]]


def shopping(body: Body, budget: Decimal = Decimal(5), tries: int = 3, **more: Any) -> Worker:
    """A worker whose only job makes some calls."""
    worker = Worker()
    worker.limits.update(discovery.limits)

    @worker.job("test.buy")
    async def buy(ctx: Context) -> Any:
        # Without patience: a pause that is asked for ends the tries, and the others are short by luck only.
        settings = DiscoverySettings(tries=tries, patience=1, **more)
        return await body(ctx, Caller(ctx, Purse(budget), settings, PriceList.load()), settings)

    return worker


async def places(ctx: Context, caller: Caller, settings: DiscoverySettings) -> Any:
    return (await search_page(caller, settings, WANTED, None, None)).model_dump(mode="json")


async def hunter(ctx: Context, caller: Caller, settings: DiscoverySettings) -> Any:
    return [c.email for c in (await find_contacts(caller, settings, DOMAIN)).value]


async def neverbounce(ctx: Context, caller: Caller, settings: DiscoverySettings) -> Any:
    return (await verify_address(caller, settings, "somebody@example.com")).value


CALLS = {"places": places, "hunter": hunter, "neverbounce": neverbounce}
