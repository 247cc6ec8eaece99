"""Joins the characters on a PDF page to runs of text, each in one line."""

from __future__ import annotations

import ctypes
import statistics
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

import pypdfium2
import pypdfium2.raw as pdfium

from workers.reading.layout import Piece

__all__ = ["pieces_of"]

# Beyond this many heights between two characters, they belong to different columns.
_WIDEST_GAP = 1.6
# What pdfium makes of a hyphen at the end of a line; older ones and newer ones.
_HYPHENS_AT_LINE_END = (0xFFFE, 0x0002)
_HIGHEST = 0x10FFFF
_GUESSED_SPACE = "\0"
# Of a line's height: how far apart letters are whose word is set wide, as in H E A D I N G S.
_WIDE = 0.06
# Of the gap between such letters.
_BETWEEN_WORDS = 2.2
# Bullets of the fonts Symbol and Wingdings, which word processors write into PDFs as private characters.
_SYMBOLS = {
    "\uf0b7": "•", "\uf0a7": "•", "\uf0d8": "•", "\uf076": "•", "\uf0a8": "•", "\uf06e": "•", "\uf0fc": "✓",
    "\uf0e0": "→",
}  # fmt: skip
_MIRROR = str.maketrans("()[]", ")(][")


@dataclass
class _Run:
    left: float
    bottom: float
    right: float
    top: float
    characters: list[str] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    last: tuple[float, float] | None = None

    def takes(self, left: float, bottom: float, right: float, top: float) -> bool:
        height = max(self.top - self.bottom, 1.0)
        same_line = min(self.top, top) - max(self.bottom, bottom) > 0.5 * min(height, max(top - bottom, 1.0))
        # To either side: right-to-left text runs against the boxes.
        gap = max(left - self.right, self.left - right)
        return same_line and gap < _WIDEST_GAP * height

    def add(self, character: str, left: float, bottom: float, right: float, top: float) -> None:
        self.characters.append(character)
        if self.last is not None:
            self.gaps.append(max(left - self.last[1], self.last[0] - right))
        self.last = (left, right)
        self.left, self.bottom = min(self.left, left), min(self.bottom, bottom)
        self.right, self.top = max(self.right, right), max(self.top, top)


def pieces_of(textpage: pypdfium2.PdfTextPage) -> Iterator[Piece]:
    """The runs of text on a page, in the order of the file.

    Args:
        textpage: An open page of text.
    """
    run: _Run | None = None
    box = pdfium.FS_RECTF()
    for number in range(textpage.count_chars()):
        code = pdfium.FPDFText_GetUnicode(textpage, number)
        character = "-" if code in _HYPHENS_AT_LINE_END else chr(code) if 0 < code <= _HIGHEST else ""
        if character in ("\r", "\n") or not pdfium.FPDFText_GetLooseCharBox(
            textpage, number, ctypes.byref(box)
        ):
            if character in ("\r", "\n") and pdfium.FPDFText_IsGenerated(textpage, number) == 1:
                yield from _piece(run)
                run = None
            continue
        if character.isspace():
            if run is not None:
                guessed = pdfium.FPDFText_IsGenerated(textpage, number) == 1
                run.characters.append(_GUESSED_SPACE if guessed else " ")
            continue
        sides = (box.left, box.bottom, box.right, box.top)
        if run is None or not run.takes(*sides):
            yield from _piece(run)
            run = _Run(*sides)
        run.add(character, *sides)
    yield from _piece(run)


def _is_mirrored(text: str) -> bool:
    # In right-to-left text the file holds the brackets as they are drawn: what opens looks as if it closed.
    first = next((c for c in text if c in "()[]"), None)
    return first in (")", "]") and any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)


def _spaced(run: _Run) -> str:
    """The text of a run, without the spaces that were guessed between the letters of a word set wide."""
    usual = statistics.median(run.gaps) if run.gaps else 0.0
    if _GUESSED_SPACE not in run.characters or usual < _WIDE * (run.top - run.bottom):
        return "".join(run.characters).replace(_GUESSED_SPACE, " ")
    gaps = iter([*run.gaps, 0.0])
    gap = 0.0
    text: list[str] = []
    for character in run.characters:
        if character == _GUESSED_SPACE:
            text.append(" " if gap > _BETWEEN_WORDS * usual else "")
        else:
            text.append(character)
            gap = gap if character == " " else next(gaps)
    return "".join(text)


def _piece(run: _Run | None) -> Iterator[Piece]:
    if run is None:
        return
    # Compatibility forms: ligatures and Arabic presentation forms become the letters that they show.
    text = unicodedata.normalize("NFKC", _spaced(run))
    text = " ".join(text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore").split())
    # Only where it stands apart: in a font without a map to characters, the same code is a letter of a word.
    if text[:1] in _SYMBOLS and text[1:2] in ("", " "):
        text = _SYMBOLS[text[0]] + text[1:]
    if _is_mirrored(text):
        text = text.translate(_MIRROR)
    if text:
        yield Piece(run.left, run.bottom, run.right, run.top, text)
