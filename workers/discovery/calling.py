"""A paid call over HTTP: reserved, paced, tried again, and recorded with what it cost to the last digit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import httpx

from headway import Context, HeadwayError, Retry, retry_after_of
from workers.discovery.purse import Bill, Purse
from workers.discovery.settings import DiscoverySettings
from workers.llm.prices import Price, PriceList
from workers.llm.retries import Passing, patiently

__all__ = ["Caller", "Declined", "Product", "ProviderDown", "Sold"]

T = TypeVar("T")

_DOWN_AFTER = 3
_MOST_BYTES = 4 * 1024 * 1024
_OF_THE_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class _PaidCall(Protocol):
    def cost(self, *, cost: Decimal, quantity: int) -> None: ...

    def unknown(self) -> None: ...


class ProviderDown(HeadwayError):
    """A provider cannot answer; its field stays empty.

    Attributes:
        after: Seconds that it has asked to wait, if it has.
    """

    default_code = "provider_down"
    after: float | None = None


class Declined(ProviderDown):
    """A provider does not answer this request, whoever asks and whenever; others may fare better."""

    default_code = "provider_declined"


@dataclass(frozen=True, slots=True)
class Sold(Generic[T]):
    """What was bought: the answer, how many units it counts, and whether it was made up."""

    value: T
    quantity: int
    sandbox: bool


@dataclass(frozen=True, slots=True)
class Product(Generic[T]):
    """What a provider sells.

    Attributes:
        provider: Its name, in the ledger and as a limit.
        label: Its name for people.
        model: The call's name in the price list.
        unit: What is counted.
        most: The most units that a call can count.
        refused: What an answer refuses with: ``Passing`` when that may pass, ``Declined`` when it is about
            this request alone, ``ProviderDown`` when it is about all; ``None`` for an answer that was sold.
        read: The answer's value and how many units it counts; ``ValueError`` when it cannot be read.
    """

    provider: str
    label: str
    model: str
    unit: str
    most: int
    refused: Callable[[httpx.Response], Exception | None]
    read: Callable[[httpx.Response], tuple[T, int]]


class Caller:
    """Makes the paid calls of one campaign.

    A provider that was down several times in a row, or that refuses the account, is not asked again in this
    execution: a campaign ends in minutes, with what the others have found.

    Args:
        ctx: The job's context.
        purse: The campaign's budget.
        settings: How patient to be.
        prices: What things cost.
    """

    def __init__(self, ctx: Context, purse: Purse, settings: DiscoverySettings, prices: PriceList) -> None:
        self._ctx = ctx
        self._purse = purse
        self._settings = settings
        self._prices = prices
        self._failures: dict[str, int] = {}

    async def buy(
        self,
        product: Product[T],
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> Sold[T]:
        """Make a call, as often as it takes within the settings' patience.

        Args:
            product: What is bought.
            method: Of the request.
            url: Of the request.
            headers: Of the request.
            params: In its address.
            json: Its body.

        Raises:
            ProviderDown: it cannot answer.
            BudgetExceeded: the next try would pass a budget.
        """
        if self._failures.get(product.provider, 0) >= _DOWN_AFTER:
            raise ProviderDown(f"{product.label} is not asked again: it was down before.")
        request = {"method": method, "url": url, "headers": headers, "params": params, "json": json}
        try:
            sold = await patiently(
                partial(self._attempt, product, request),
                tries=self._settings.tries,
                patience=self._settings.patience,
                time_left=lambda: self._ctx.time_left,
            )
        except Retry as given_up:
            self._failures[product.provider] = self._failures.get(product.provider, 0) + 1
            down = ProviderDown(given_up.message, hint=given_up.hint, code=given_up.code)
            down.after = given_up.after
            raise down from given_up
        except Declined:
            raise
        except ProviderDown:
            self._failures[product.provider] = _DOWN_AFTER
            raise
        self._failures[product.provider] = 0
        return sold

    async def _attempt(self, product: Product[T], request: Mapping[str, Any]) -> Sold[T]:
        price = self._prices.find(product.provider, product.model, product.unit)
        most = price.of(product.most)
        limit = self._ctx.limit(product.provider)
        async with limit:
            await self._purse.room_for(most)
            try:
                with self._purse.reserved(most) as bill:
                    async with self._ctx.paid_call(
                        provider=product.provider, max_cost=most, model=product.model, unit=product.unit
                    ) as paid:
                        # Until more is known, for a cancellation comes at any time: here as in the ledger.
                        bill.cost = most
                        return await self._exchange(product, request, price, paid, bill)
            except Passing as passing:
                if passing.after is not None:
                    limit.pause(min(passing.after, self._settings.patience))
                raise

    async def _exchange(
        self, product: Product[T], request: Mapping[str, Any], price: Price, paid: _PaidCall, bill: Bill
    ) -> Sold[T]:
        try:
            response = await self._answer(request)
        except (httpx.RequestError, TimeoutError) as error:
            unsent = isinstance(error, _UNSENT)
            if unsent:
                bill.cost = Decimal(0)
            else:
                paid.unknown()
            raise Passing(
                f"{product.label} could not be reached.", code="provider_unreachable", spent=not unsent
            ) from error
        if (refusal := product.refused(response)) is not None:
            bill.cost = Decimal(0)
            raise refusal
        try:
            value, quantity = product.read(response)
        except ValueError as error:
            # It was answered, and therefore sold, whatever the answer is worth.
            paid.cost(cost=bill.cost, quantity=product.most)
            raise Passing(
                f"{product.label}'s answer could not be read.", code="provider_answer_broken", spent=True
            ) from error
        bill.cost = price.of(quantity)
        paid.cost(cost=bill.cost, quantity=quantity)
        return Sold(value, quantity, response.headers.get("x-headway-sandbox") == "true")

    async def _answer(self, request: Mapping[str, Any]) -> httpx.Response:
        """The whole answer, within the time and the size that any of these providers needs.

        Raises:
            httpx.RequestError, TimeoutError: there is none.
        """
        seconds = self._settings.timeout
        # Sooner than the time for all of it: what was never sent has cost nothing.
        patience = httpx.Timeout(seconds, connect=seconds / 2, pool=seconds / 2)
        content = bytearray()
        async with (
            asyncio.timeout(seconds),
            self._ctx.http.stream(**request, timeout=patience) as response,
        ):
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > _MOST_BYTES:
                    raise httpx.ReadError("the answer does not end", request=response.request)
        # As it was read: unpacked already, whatever the headers say.
        headers = [(n, v) for n, v in response.headers.multi_items() if n not in _OF_THE_TRANSFER]
        return httpx.Response(response.status_code, headers=headers, content=bytes(content))


def asked_to_wait(response: httpx.Response) -> float | None:
    """Seconds that a refusal asks to wait, if it says so."""
    return retry_after_of(response.headers, datetime.now(UTC))


def passing(response: httpx.Response, label: str) -> Passing:
    """What a refusal that may pass means.

    Args:
        response: The refusal.
        label: The provider's name for people.
    """
    busy = response.status_code in (403, 429)
    return Passing(
        f"{label}'s rate limit is reached."
        if busy
        else f"{label} cannot answer now (HTTP {response.status_code}).",
        code="provider_rate_limited" if busy else "provider_unavailable",
        after=asked_to_wait(response),
    )
