"""Finds businesses: page after page, each a step, then quarter after quarter of the map."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from headway import ApiError, BudgetExceeded, Context, Retry
from workers.discovery.areas import Area, around, quarters
from workers.discovery.business import Business
from workers.discovery.calling import Caller, ProviderDown
from workers.discovery.duplicates import Seen
from workers.discovery.payload import DiscoveryPayload
from workers.discovery.places import Page, search_page
from workers.discovery.settings import DiscoverySettings

__all__ = ["Found", "discover"]

# A query never has more results than this; only then is it worth asking for its quarters.
_FULL = 60
_DEEPEST = 3


@dataclass(slots=True)
class Found:
    """What a search has brought.

    Attributes:
        businesses: Each once, in the order they were found.
        duplicates: How many entries were of businesses that were known already.
        degraded: Whether Places was down before the search was done.
        stopped: Whether the budget ended it.
        sandbox: Whether they were made up.
    """

    businesses: list[Business] = field(default_factory=list)
    duplicates: int = 0
    degraded: bool = False
    stopped: bool = False
    sandbox: bool = False


async def discover(
    ctx: Context,
    caller: Caller,
    settings: DiscoverySettings,
    wanted: DiscoveryPayload,
    told: Callable[[Found], Awaitable[None]],
) -> Found:
    """Search until there are enough businesses, no more pages, or no more money.

    Args:
        ctx: The job's context.
        caller: Who pays.
        settings: Key and address.
        wanted: What is looked for, and how many.
        told: Called after each page.

    Raises:
        Retry: Places was down before anything was found.
        ApiError: it refuses the account.
    """
    found, seen = Found(), Seen()
    areas: deque[tuple[Area | None, int]] = deque([(None, 0)])
    query = 0
    while areas and len(found.businesses) < wanted.max_results:
        area, depth = areas.popleft()
        entries: list[Business] = []
        token: str | None = None
        page_number = 0
        while len(found.businesses) < wanted.max_results:
            name = f"search:{query}:{page_number}"
            try:
                page = await ctx.step(name, search_page, caller, settings, wanted, area, token, into=Page)
            except BudgetExceeded:
                found.stopped = True
                return found
            except ProviderDown as down:
                if not found.businesses:
                    raise _given_up(down) from down
                ctx.log.warning("the search ends early: %s", down.message)
                found.degraded = True
                return found
            entries += page.businesses
            new = seen.new(page.businesses)[: wanted.max_results - len(found.businesses)]
            found.businesses += new
            found.duplicates = seen.duplicates
            found.sandbox |= page.sandbox
            await told(found)
            token, page_number = page.next_token, page_number + 1
            if token is None:
                break
        query += 1
        if len(entries) >= _FULL and depth < _DEEPEST and (whole := area or around(entries)) is not None:
            areas.extend((part, depth + 1) for part in quarters(whole))
    return found


def _given_up(down: ProviderDown) -> Exception:
    """Nothing found is no campaign: what may pass is tried again, anything else is said as it is."""
    if down.code in ("provider_denied", "provider_declined", "provider_quota_exhausted"):
        return ApiError(down.message, hint=down.hint, code=down.code)
    return Retry(down.message, after=down.after, hint=down.hint, code=down.code)
