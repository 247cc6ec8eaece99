"""Finds the bullets of lists that are drawn as dots, as browsers print them: no letter stands for those."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import pypdfium2
import pypdfium2.raw as pdfium

from workers.reading.layout import Piece

__all__ = ["with_bullets"]

_MOST_OBJECTS = 5000
_MOST_DOTS = 1000
_LARGEST = 6.0
_ROUND = 1.25
# Of the text's height: a dot is smaller than a letter, and stands no further from it than an indent is wide.
_LARGEST_PART = 0.4
_FURTHEST = 2.5

_BULLETS = frozenset("•●▪■○-–*")

Dot = tuple[float, float, float]


def with_bullets(pieces: Sequence[Piece], page: pypdfium2.PdfPage) -> list[Piece]:
    """The pieces of a page, with a bullet before each that a dot is drawn before.

    Args:
        pieces: In any order.
        page: What they stand on.
    """
    ordered = sorted(pieces, key=lambda piece: piece.middle)
    middles = [piece.middle for piece in ordered]
    for right, middle, size in islice(_dots(page), _MOST_DOTS):
        near = range(bisect_left(middles, middle - 2 * size), bisect_left(middles, middle + 2 * size))
        right_of_it = [place for place in near if ordered[place].left >= right]
        if not right_of_it:
            continue
        place = min(right_of_it, key=lambda place: ordered[place].left)
        piece = ordered[place]
        near_enough = piece.left - right <= _FURTHEST * piece.height
        if near_enough and size <= _LARGEST_PART * piece.height and piece.text[:1] not in _BULLETS:
            ordered[place] = replace(piece, text=f"• {piece.text}")
    return ordered


def _dots(page: pypdfium2.PdfPage) -> Iterator[Dot]:
    """The right side, the middle and the size of whatever is drawn as small as a dot, and as round."""
    for drawn in islice(page.get_objects(filter=(pdfium.FPDF_PAGEOBJ_PATH,), max_depth=1), _MOST_OBJECTS):
        try:
            left, bottom, right, top = drawn.get_bounds()
        except pypdfium2.PdfiumError:
            continue
        width, height = right - left, top - bottom
        if 0 < width <= _LARGEST and 0 < height <= _LARGEST and 1 / _ROUND <= width / height <= _ROUND:
            yield right, (top + bottom) / 2, max(width, height)
