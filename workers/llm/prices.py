"""What the paid APIs cost: the list in ``prices.toml``, and exact sums by it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

from headway import ConfigError

__all__ = ["Price", "PriceList"]

_FILE = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True, slots=True)
class Price:
    """What units of something cost.

    Attributes:
        provider: Who sells it.
        model: The model, or the name of the paid call.
        unit: What is counted.
        usd: The price of ``per`` units in US dollars.
        per: See ``usd``.
        date: The day as of which ``source`` said so.
        source: Where the provider publishes it.
    """

    provider: str
    model: str
    unit: str
    usd: Decimal
    per: int
    date: date
    source: str

    def of(self, quantity: Decimal | int) -> Decimal:
        """The exact cost of some units in US dollars.

        Args:
            quantity: How many.
        """
        return self.usd * quantity / self.per


class PriceList:
    """Prices by provider, model and unit.

    Args:
        prices: All of them.
    """

    def __init__(self, prices: Mapping[tuple[str, str, str], Price]) -> None:
        self._prices = prices

    @classmethod
    @cache
    def load(cls, path: Path = _FILE) -> PriceList:
        """Read a price list.

        Args:
            path: Headway's own when omitted.

        Raises:
            ConfigError: the file is not a price list.
        """
        try:
            rows = tomllib.loads(path.read_text("utf-8"))["price"]
            prices = [
                Price(
                    row["provider"],
                    row["model"],
                    row["unit"],
                    Decimal(row["usd"]),
                    row.get("per", 1),
                    row["date"],
                    row["source"],
                )
                for row in rows
            ]
        except (OSError, KeyError, ArithmeticError, TypeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(
                f"{path} is not a price list: {error!r}",
                hint="Each [[price]] has provider, model, unit, usd (text), per, date and source.",
                code="prices_invalid",
            ) from error
        return cls({(price.provider, price.model, price.unit): price for price in prices})

    def __iter__(self) -> Iterator[Price]:
        return iter(self._prices.values())

    def find(self, provider: str, model: str, unit: str) -> Price:
        """One price.

        Args:
            provider: Who sells it.
            model: The model, or the name of the paid call. Of a dated name (``gpt-4o-2024-08-06``), the one
                without the date is found too.
            unit: What is counted.

        Raises:
            ConfigError: the list has no such price; a paid call without a price is never made.
        """
        name = model
        while (price := self._prices.get((provider, name, unit))) is None:
            shorter, _, tail = name.rpartition("-")
            if not shorter or not (tail.isdigit() or tail in ("latest", "preview")):
                raise ConfigError(
                    f"there is no price for {provider} {model} per {unit}",
                    hint="Add it to workers/llm/prices.toml with date and source, or choose another model.",
                    code="price_missing",
                )
            name = shorter
        return price

    def find_or(self, otherwise: Price, provider: str, model: str, unit: str) -> Price:
        """One price, or another where the list has none of its own.

        Args:
            otherwise: What counts then.
            provider: As for ``find``, as the others.
            model: As for ``find``.
            unit: As for ``find``.
        """
        try:
            return self.find(provider, model, unit)
        except ConfigError:
            return otherwise

    def cost(self, provider: str, model: str, unit: str, quantity: Decimal | int = 1) -> Decimal:
        """The exact cost of some units in US dollars.

        Args:
            provider: Who sells them.
            model: As for ``find``.
            unit: What is counted.
            quantity: How many.

        Raises:
            ConfigError: the list has no such price.
        """
        return self.find(provider, model, unit).of(quantity)
