"""What paid calls cost: reserved before, recorded after."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal, InvalidOperation
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from headway.errors import InvalidRequest
from headway.worker.attempt import Attempt
from headway.worker.steps import CURRENT_STEP
from headway.worker.store import CallInfo, CostState, Store

__all__ = ["Costs", "PaidCall", "make_call", "money"]

_log = logging.getLogger("headway.worker")


class Costs:
    """The money of one execution.

    Args:
        attempt: The execution.
        store: Where usage is kept.
    """

    def __init__(self, attempt: Attempt, store: Store) -> None:
        self._attempt = attempt
        self._store = store
        claimed = attempt.claimed
        self.left: Decimal | None = (
            None if claimed.cost_budget is None else max(Decimal(0), claimed.cost_budget - claimed.cost_spent)
        )
        """What is left of the job's budget, reservations taken off; ``None`` without one."""

    async def record(
        self,
        *,
        provider: str,
        cost: Decimal,
        quantity: Decimal | int | float,
        model: str | None,
        unit: str | None,
        step: str | None,
    ) -> None:
        """As ``Context.usage``."""
        call = make_call(provider, model, unit, step)
        await self.settle(call, money(cost, "cost"), money(quantity, "quantity"))

    def paid_call(
        self, *, provider: str, max_cost: Decimal, model: str | None, unit: str | None, step: str | None
    ) -> PaidCall:
        """As ``Context.paid_call``."""
        return PaidCall(self, make_call(provider, model, unit, step), money(max_cost, "max_cost"))

    async def reserve(self, call: CallInfo, max_cost: Decimal) -> None:
        """Set a call's greatest cost aside, or raise ``BudgetExceeded``."""
        self._take(await self._store.reserve_usage(self._attempt.lease, call, max_cost))

    async def settle(self, call: CallInfo, cost: Decimal, quantity: Decimal) -> None:
        """Record what a call has cost; a cancellation does not stop that, for the money is spent."""
        recording = asyncio.ensure_future(self._store.record_usage(self._attempt.lease, call, cost, quantity))
        self._take(await asyncio.shield(recording))

    async def release(self, call: CallInfo) -> None:
        """The call was never made."""
        self._take(await self._store.release_usage(self._attempt.lease, call.id))

    def _take(self, state: CostState) -> None:
        self.left = state.remaining if state.remaining is None else max(Decimal(0), state.remaining)


class PaidCall:
    """A call whose greatest cost is set aside while it is made; used with ``async with``.

    Say ``call.cost(...)`` inside. Left by an exception without that, the reservation is given back, unless
    ``call.unknown()`` was said: then the greatest cost counts. A call that is cut off by a cancellation or a
    timeout counts in full, since it may have been made; so does one that is left without a word.
    """

    def __init__(self, costs: Costs, call: CallInfo, max_cost: Decimal) -> None:
        self._costs = costs
        self._call = call
        self._max_cost = max_cost
        self._said: list[tuple[CallInfo, Decimal, Decimal]] = []
        self._unknown = False

    def cost(
        self,
        *,
        cost: Decimal,
        quantity: Decimal | int | float = 1,
        model: str | None = None,
        unit: str | None = None,
    ) -> None:
        """Say what the call has cost; once per unit, such as input and output tokens.

        Args:
            cost: Exact; may be more than was reserved.
            quantity: How many units.
            model: What answered, when that differs from what was asked.
            unit: When it differs from the reserved one.

        Raises:
            InvalidRequest: a value is out of range.
        """
        base = self._call
        call = CallInfo(
            # The first one replaces the reservation.
            base.id if not self._said else uuid4(),
            base.provider,
            model or base.model,
            unit or base.unit,
            base.step,
        )
        self._said.append((call, money(cost, "cost"), money(quantity, "quantity")))

    def unknown(self) -> None:
        """Whether the call was made, or what it cost, cannot be known: its greatest cost counts."""
        self._unknown = True

    async def __aenter__(self) -> Self:
        await self._costs.reserve(self._call, self._max_cost)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._said:
            for call, cost, quantity in self._said:
                await self._costs.settle(call, cost, quantity)
        elif error is None or self._unknown or not isinstance(error, Exception):
            if error is None and not self._unknown:
                _log.warning(
                    "a paid call of %s was left without call.cost(...): its greatest cost counts",
                    self._call.provider,
                )
            await self._costs.settle(self._call, self._max_cost, Decimal(1))
        else:
            await self._costs.release(self._call)


def make_call(provider: str, model: str | None, unit: str | None, step: str | None) -> CallInfo:
    """A new call; the running step when none is named."""
    return CallInfo(uuid4(), provider, model, unit or "call", step or CURRENT_STEP.get())


def money(value: Any, field: str) -> Decimal:
    """An exact amount, or ``InvalidRequest`` that names the field."""
    try:
        if isinstance(value, bool) or not isinstance(value, (Decimal, int, float, str)):
            raise InvalidOperation
        amount = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
        if not amount.is_finite() or amount < 0:
            raise InvalidOperation
    except (InvalidOperation, ValueError):
        raise InvalidRequest(
            f"{field}: must be a finite number of at least 0",
            hint='Write amounts exactly: Decimal("0.0012").',
            code="HW103",
            details=field,
        ) from None
    # Finer than the ledger keeps: rounded up would invent money, so to the nearest.
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -12:
        return amount.quantize(Decimal("1e-12")).normalize()
    return amount
