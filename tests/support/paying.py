"""A job's purse for tests of what pays: keeps reservations and what was recorded, without a database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from headway import BudgetExceeded

__all__ = ["Purse"]


@dataclass
class Purse:
    """Stands for ``ctx.paid_call`` and ``ctx.time_left``, by the rules of ``headway.worker.usage``."""

    budget: Decimal | None = None
    time_left: float = 300.0
    reserved: list[Decimal] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    released: int = 0

    @property
    def spent(self) -> Decimal:
        return sum((row["cost"] for row in self.rows), Decimal(0))

    @asynccontextmanager
    async def paid_call(
        self,
        *,
        provider: str,
        max_cost: Decimal,
        model: str | None = None,
        unit: str | None = None,
        step: str | None = None,
    ) -> AsyncIterator[_Call]:
        if self.budget is not None and self.spent + max_cost > self.budget:
            raise BudgetExceeded
        self.reserved.append(max_cost)
        call = _Call({"provider": provider, "model": model, "unit": unit, "step": step})
        try:
            yield call
        except BaseException as error:
            if call.is_unknown or not (call.said or isinstance(error, Exception)):
                self.rows.append({**call.base, "cost": max_cost, "quantity": 1})
            elif not call.said:
                self.released += 1
            self.rows += call.said
            raise
        if not call.said:
            self.rows.append({**call.base, "cost": max_cost, "quantity": 1})
        self.rows += call.said


class _Call:
    def __init__(self, base: dict[str, Any]) -> None:
        self.base = base
        self.said: list[dict[str, Any]] = []
        self.is_unknown = False

    def cost(self, *, cost: Decimal, quantity: Any = 1, model: Any = None, unit: Any = None) -> None:
        self.said.append(
            {
                **self.base,
                "cost": cost,
                "quantity": quantity,
                "model": model or self.base["model"],
                "unit": unit or self.base["unit"],
            }
        )

    def unknown(self) -> None:
        self.is_unknown = True
