"""What the answered calls would have cost, for tests that compare it with a job's usage to the cent."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

from headway.sandbox.prices import Prices

__all__ = ["Ledger"]


class Ledger:
    """Counts paid calls, their quantities and their cost; safe from any thread.

    Args:
        prices: What a unit costs.
    """

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, str, str], _Row] = {}

    def count(
        self,
        provider: str,
        *,
        model: str,
        unit: str = "call",
        quantity: Decimal | int = 1,
        cost: Decimal | None = None,
    ) -> None:
        """Note that something was sold.

        Args:
            provider: Who sells it.
            model: The model, or the name of the call as in the price list.
            unit: What is counted.
            quantity: How many units.
            cost: In US dollars; by the price list when omitted, and nothing when that has no such price.
        """
        if cost is None:
            cost = self._prices.get((provider, model, unit), Decimal(0)) * quantity
        with self._lock:
            row = self._rows.setdefault((provider, model, unit), _Row())
            row.entries += 1
            row.quantity += quantity
            row.cost += cost

    def total(self, provider: str | None = None) -> Decimal:
        """The cost so far in US dollars.

        Args:
            provider: Of this one only.
        """
        with self._lock:
            return sum(
                (row.cost for key, row in self._rows.items() if provider in (None, key[0])), Decimal(0)
            )

    def quantity(self, provider: str, *, unit: str, model: str | None = None) -> Decimal:
        """How many units were sold.

        Args:
            provider: Who sold them.
            unit: What is counted.
            model: Of this one only.
        """
        with self._lock:
            return sum(
                (
                    row.quantity
                    for key, row in self._rows.items()
                    if key[0] == provider and key[2] == unit and model in (None, key[1])
                ),
                Decimal(0),
            )

    def clear(self) -> None:
        """Begin at zero."""
        with self._lock:
            self._rows.clear()

    def as_dict(self) -> dict[str, Any]:
        """All rows, and the cost by provider; money and quantities as decimal strings."""
        with self._lock:
            rows = [
                {
                    "provider": provider,
                    "model": model,
                    "unit": unit,
                    "entries": row.entries,
                    "quantity": str(row.quantity),
                    "cost": format(row.cost, "f"),
                }
                for (provider, model, unit), row in sorted(self._rows.items())
            ]
        providers = sorted({str(row["provider"]) for row in rows})
        return {
            "rows": rows,
            "cost": {provider: format(self.total(provider), "f") for provider in providers},
            "total": format(self.total(), "f"),
        }


class _Row:
    """One line of the ledger."""

    def __init__(self) -> None:
        self.entries = 0
        self.quantity = Decimal(0)
        self.cost = Decimal(0)
