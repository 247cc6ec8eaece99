"""What a demo has measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from headway.core.feed import Update

__all__ = ["Latencies", "show_figures"]


class Latencies:
    """How long events took from the database's clock to this process, which runs on the same machine."""

    def __init__(self) -> None:
        self._milliseconds: list[float] = []

    def take(self, update: Update) -> None:
        """Measure one update, if it came with an event."""
        if update.event is not None and update.snapshot is None:
            self._milliseconds.append((datetime.now(UTC) - update.event.at).total_seconds() * 1000)

    @property
    def median_ms(self) -> float:
        """Half of the events took at most this long."""
        return statistics.median(self._milliseconds)

    @property
    def worst_ms(self) -> float:
        """No event took longer."""
        return max(self._milliseconds)

    def __len__(self) -> int:
        return len(self._milliseconds)


def show_figures(console: Console, figures: Iterable[tuple[str, str]]) -> None:
    """Print figures, one a line.

    Args:
        console: Where.
        figures: What was measured, and the value with its unit.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(style="bold")
    for what, value in figures:
        table.add_row(what, value)
    console.print(table)
