"""What a campaign may still spend, and what it has spent: exact, over all of its executions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from headway import BudgetExceeded, Context

__all__ = ["Bill", "Purse", "open_purse", "spent_so_far"]


@dataclass(slots=True)
class Bill:
    """What a call has cost, as far as it is known."""

    cost: Decimal = Decimal(0)


class Purse:
    """Guards the campaign's own budget; the engine guards the job's and the tenant's.

    Calls under way count with the most that they can cost, so that many at once cannot pass the budget
    together.

    Args:
        budget: In US dollars.
        spent: Of it, by earlier executions.
    """

    def __init__(self, budget: Decimal, spent: Decimal = Decimal(0)) -> None:
        self.budget = budget
        self.spent = spent
        self._reserved = Decimal(0)
        self._settled = asyncio.Event()

    async def room_for(self, most: Decimal) -> None:
        """Wait while calls under way may turn out cheaper than feared, lest money be left for fear of them.

        Args:
            most: What is wanted; ``reserved`` says whether there is as much.
        """
        while self._reserved and self.spent + self._reserved + most > self.budget:
            await self._settled.wait()

    @contextmanager
    def reserved(self, most: Decimal) -> Iterator[Bill]:
        """Set the most that a call can cost aside while it is made; what its bill says at the end is spent.

        Args:
            most: In US dollars.

        Raises:
            BudgetExceeded: it would pass the budget; nothing was set aside.
        """
        if self.spent + self._reserved + most > self.budget:
            raise BudgetExceeded(
                f"budget: {self.spent + self._reserved} of {self.budget} US dollars are spent or reserved, "
                f"{most} more are needed",
                hint="What was found is kept. Start a campaign with a larger budget to find more.",
                code="campaign_budget",
            )
        self._reserved += most
        bill = Bill()
        try:
            yield bill
        finally:
            self._reserved -= most
            self.spent += bill.cost
            self._settled.set()
            self._settled = asyncio.Event()


async def open_purse(ctx: Context, budget: Decimal) -> Purse:
    """The purse of a job, with what its ledger says was spent before.

    Args:
        ctx: The job's context.
        budget: The campaign's.
    """
    return Purse(budget, await spent_so_far(ctx))


async def spent_so_far(ctx: Context) -> Decimal:
    """What the job's ledger says that was spent, in all of its executions."""
    answer = await (
        ctx.db.schema("headway")
        .table("job_costs")
        .select("spent::text")
        .eq("job_id", str(ctx.job.id))
        .execute()
    )
    rows: list[dict[str, str]] = answer.data  # type: ignore[assignment]
    return _plain(Decimal(rows[0]["spent"])) if rows else Decimal(0)


def _plain(amount: Decimal) -> Decimal:
    """An amount without the zeros that the ledger keeps behind it."""
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount.normalize()
