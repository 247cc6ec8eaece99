"""The price list of the paid APIs, one file for pipelines and sandbox.

``workers/llm/prices.toml`` in a checkout, shipped inside the wheel. Rows::

    [[price]]
    provider = "openai"
    model = "gpt-4.1-mini"   # or the name of the call that is paid
    unit = "input_token"
    usd = "0.40"             # a string: money is decimal
    per = 1_000_000
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from headway.errors import ConfigError

__all__ = ["Prices", "load_prices", "packaged_prices"]

Prices: TypeAlias = Mapping[tuple[str, str, str], Decimal]
"""The exact price of one unit in US dollars, by provider, model and unit."""


def packaged_prices() -> Path | None:
    """The price list of this installation, or ``None`` when it came without."""
    package = Path(__file__).parents[1]
    for folder in (package / "_pipelines", package.parents[1]):
        path = folder / "workers" / "llm" / "prices.toml"
        if path.is_file():
            return path
    return None


def load_prices(path: Path | None = None) -> Prices:
    """Read a price list.

    Args:
        path: The file; the installation's own when omitted, and no prices at all when it has none.

    Raises:
        ConfigError: the file is not a price list.
    """
    path = path or packaged_prices()
    if path is None:
        return MappingProxyType({})
    prices: dict[tuple[str, str, str], Decimal] = {}
    try:
        for row in tomllib.loads(path.read_text("utf-8"))["price"]:
            price = Decimal(row["usd"]) / Decimal(row.get("per", 1))
            prices[str(row["provider"]), str(row["model"]), str(row["unit"])] = price
    except (OSError, KeyError, ArithmeticError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path} is not a price list: {error!r}",
            hint="Each [[price]] has provider, model, unit, usd as a string, and optionally per.",
            code="prices_invalid",
        ) from error
    return MappingProxyType(prices)
