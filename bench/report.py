"""What every benchmark hands back, and how it is printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

__all__ = ["Figure", "print_figures"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure beside its target.

    Args:
        what: What was measured, and how often.
        value: The measured value, in ``unit``.
        unit: Such as ``ms``, ``req/s``, ``% of bare asyncpg``, ``MB``.
        target: The figure that the issue asks for, in the same unit; ``None`` for a reference or a floor.
        at_most: Whether the target is a ceiling (``True``) or a floor.
    """

    what: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the target is met; ``None`` without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


def print_figures(title: str, figures: Iterable[Figure], console: Console | None = None) -> None:
    """Print one benchmark's figures as a table, the target beside each.

    Args:
        title: The benchmark's name.
        figures: What it measured.
        console: Where to print; standard output when omitted.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    table.add_column("")
    for figure in figures:
        bound = "≤" if figure.at_most else "≥"
        target = "" if figure.target is None else f"{bound} {figure.target:g} {figure.unit}"
        mark = {None: "", True: "met", False: "missed"}[figure.met]
        table.add_row(figure.what, f"{figure.value:,.2f} {figure.unit}", target, mark)
    (console or Console()).print(table)
