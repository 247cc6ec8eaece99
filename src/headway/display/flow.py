"""Lays texts out in lines, each text whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

__all__ = ["flowing"]


def flowing(parts: Iterable[Text], width: int, *, indent: int = 0, gap: int = 2) -> Iterator[Text]:
    """Lines of as many parts as there is room for; no part is torn, unless it is wider than a line.

    Args:
        parts: What to lay out.
        width: Of a line, in cells.
        indent: Cells before each line.
        gap: Cells between two parts.
    """
    line = Text(" " * indent)
    empty = True
    for part in parts:
        if not empty and line.cell_len + gap + part.cell_len > width:
            yield line
            line, empty = Text(" " * indent), True
        line.append(" " * (0 if empty else gap)).append_text(part)
        empty = False
    if not empty:
        yield line
