"""Puts the pieces of text on a page into the order in which a person reads them.

Columns are read one after the other; a column of dates or labels beside its entries is no column but a table,
and is read line by line: a date that is torn from its job is lost. The method is a recursive X-Y cut
(Nagy and Seth 1984) over rows of text instead of pixels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Piece", "reading_order"]

_BIN = 2.0
_NARROWEST_GUTTER = 8.0
_FEWEST_ROWS = 4
_MOST_PIECES = 4000
_DEEPEST = 6
_DATE_LIKE = re.compile(
    r"(?:19|20)\d{2}|present|heute|actuel|actualidad|oggi|heden|الآن|現在|至今|\b\d{1,2}[./]\d{2,4}\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text in one line.

    Attributes:
        left, bottom, right, top: Its box in points; up is positive.
        text: What it says.
    """

    left: float
    bottom: float
    right: float
    top: float
    text: str

    @property
    def height(self) -> float:
        """Of the box, in points."""
        return max(self.top - self.bottom, 1.0)

    @property
    def middle(self) -> float:
        """Half way up the box."""
        return (self.top + self.bottom) / 2


Row = list[Piece]


def reading_order(pieces: Sequence[Piece]) -> str:
    """The text of a page, a line for each line that is read.

    Args:
        pieces: In any order.
    """
    rows = _rows(pieces)
    depth = 0 if len(pieces) <= _MOST_PIECES else _DEEPEST
    return "\n".join(_ordered(rows, depth))


def _rows(pieces: Sequence[Piece]) -> list[Row]:
    rows: list[Row] = []
    for piece in sorted(pieces, key=lambda p: -p.middle):
        last = rows[-1] if rows else None
        # Against the row's first piece: a chain of slightly lower ones would merge whole columns.
        if last and abs(last[0].middle - piece.middle) < 0.5 * min(last[0].height, piece.height):
            last.append(piece)
        else:
            rows.append([piece])
    return [sorted(row, key=lambda p: p.left) for row in rows]


def _ordered(rows: list[Row], depth: int) -> list[str]:
    cut = _gutter(rows) if depth < _DEEPEST and len(rows) >= _FEWEST_ROWS else None
    if cut is None:
        return [_line(row) for row in rows]
    first, last, at = cut
    inside = [piece for row in rows[first:last] for piece in row]
    left = _rows([piece for piece in inside if piece.right <= at])
    right = _rows([piece for piece in inside if piece.left >= at])
    return [
        *_ordered(rows[:first], depth + 1),
        *_ordered(left, depth + 1),
        *_ordered(right, depth + 1),
        *_ordered(rows[last:], depth + 1),
    ]


def _gutter(rows: list[Row]) -> tuple[int, int, float] | None:
    """The longest empty strip between two columns: its first row, the row after its last, its middle."""
    left = min(piece.left for row in rows for piece in row)
    right = max(piece.right for row in rows for piece in row)
    strips: dict[tuple[int, int], list[float]] = {}
    place = left + _BIN
    while place < right - _BIN:
        for first, last in _free_runs(rows, place):
            strips.setdefault((first, last), []).append(place)
        place += _BIN
    for (first, last), places in sorted(strips.items(), key=lambda s: s[0][0] - s[0][1]):
        wide = _widest(places)
        if wide[-1] - wide[0] + _BIN < _NARROWEST_GUTTER:
            continue
        at = (wide[0] + wide[-1]) / 2
        if _are_columns(rows[first:last], at):
            return first, last, at
    return None


def _free_runs(rows: list[Row], place: float) -> list[tuple[int, int]]:
    runs = []
    start: int | None = None
    for number, row in enumerate([*rows, None]):
        crossed = row is None or any(piece.left < place < piece.right for piece in row)
        if not crossed and start is None:
            start = number
        elif crossed and start is not None:
            trimmed = _trimmed(rows, start, number, place)
            if trimmed is not None:
                runs.append(trimmed)
            start = None
    return runs


def _trimmed(rows: list[Row], first: int, last: int, place: float) -> tuple[int, int] | None:
    # A heading above both columns that happens to be short belongs to neither: columns begin and end where
    # both sides have text.
    sides = [
        (any(p.right <= place for p in row), any(p.left >= place for p in row)) for row in rows[first:last]
    ]
    lefts = [number for number, (has_left, _) in enumerate(sides) if has_left]
    rights = [number for number, (_, has_right) in enumerate(sides) if has_right]
    if len(lefts) < _FEWEST_ROWS or len(rights) < _FEWEST_ROWS:
        return None
    return first + min(max(lefts[0], 0), rights[0]), last


def _widest(places: list[float]) -> list[float]:
    best: list[float] = []
    run: list[float] = []
    for place in places:
        run = [*run, place] if run and place - run[-1] <= _BIN * 1.5 else [place]
        if len(run) > len(best):
            best = run
    return best


def _are_columns(rows: list[Row], at: float) -> bool:
    sides: tuple[list[str], list[str]] = ([], [])
    shared = 0
    for row in rows:
        before = " ".join(piece.text for piece in row if piece.right <= at)
        after = " ".join(piece.text for piece in row if piece.left >= at)
        for text, side in ((before, sides[0]), (after, sides[1])):
            if text.strip():
                side.append(text)
        shared += bool(before.strip() and after.strip())
    for texts in sides:
        if sum(len(t) < 40 and bool(_DATE_LIKE.search(t)) for t in texts) >= 0.5 * len(texts):
            return False
    aligned = shared >= 0.9 * min(len(sides[0]), len(sides[1]))
    labels = sum(text.rstrip().endswith(":") for text in sides[0])
    return not (aligned and labels >= 0.5 * len(sides[0]))


def _line(row: Row) -> str:
    text = ""
    before: Piece | None = None
    for piece in row:
        if before is not None:
            gap = piece.left - before.right
            height = min(before.height, piece.height)
            text += "    " if gap > 2.5 * height else " " if gap > 0.12 * height else ""
        text += piece.text.strip("\r\n")
        before = piece
    return text.rstrip()
