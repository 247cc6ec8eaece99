"""Turns a CV's text into lines: without the typesetter's leftovers, columns one after the other."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from headway.sandbox.answers.cv.dates import find_span
from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.headings import heading_of
from headway.sandbox.answers.cv.vocabulary import pattern

__all__ = ["Line", "read_lines"]

_BULLET = re.compile(r"^\s*(?:[•●▪■◦○‣⁃∙·*➢➤►▸✓✔§]|o(?=\s)|[-–—](?=\s)|\uf0b7|\d{1,2}\)(?=\s))\s*(?=\S)")
_PAGE = re.compile(
    r"^\s*[-–—|]*\s*(?:(?:page|seite|pagina|página|strona|sida|side|pag\.?|p\.)\s*)?\d{1,3}"
    r"(?:\s*(?:of|/|von|de|sur|di|van|z|av|af|\|)\s*\d{1,3})?\s*[-–—|]*\s*$",
    re.IGNORECASE,
)
_PAGE_WORD = re.compile(r"page|seite|p[aá]gina|strona|sida|side|pag|/|\bof\b|von|\bde\b|sur", re.IGNORECASE)
_LONGEST_LINE = 500
_MOST_LINES = 6_000
_SPACED = re.compile(r"^(?:[^\W_] ){3,}[^\W_]$")
_CELLS = re.compile(r"^\s*\|\s*(.*?)\s*\|\s*$")
# An address that a narrow column has torn at one of its hyphens.
_TORN_ADDRESS = re.compile(r"((?:https?://|www\.|linkedin\.com/)[^\s|]{1,120}-)\n(?=[a-z0-9])")
_RULE = re.compile(r"^[\s_=\-–—*~#.|+]{3,}$")
_MARKUP = re.compile(r"\*\*|__|`|^#{1,6}\s*|^\s*>\s+")
# A document is data. Lines that speak to a machine are not about the person, and nobody's job.
_INSTRUCTION = pattern("instructions")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a CV.

    Attributes:
        text: Without its bullet.
        bullet: Whether it had one.
        after_blank: Whether an empty line stands before it.
    """

    text: str
    bullet: bool = False
    after_blank: bool = False


def read_lines(text: str) -> list[Line]:
    """The lines of a CV in reading order.

    Args:
        text: As extracted from the document.
    """
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\t", "    ").replace("\f", "\n").replace("\u00a0", " ").replace("\u200b", "")
    text = re.sub("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\u00ad]", "", text)
    text = _TORN_ADDRESS.sub(r"\1", text)
    raw = _columns_apart(
        [piece for line in text.split("\n") for piece in _bounded(line.rstrip())][:_MOST_LINES]
    )
    repeated = _repeated(raw)
    lines: list[Line] = []
    blank = True
    for each in raw:
        line = _CELLS.sub(r"\1", _MARKUP.sub("", each).rstrip())
        if not line.strip() or _RULE.match(line):
            blank = True
            continue
        if _is_page_mark(line) or line.strip() in repeated or _INSTRUCTION.search(fold(line)):
            continue
        bullet = _BULLET.match(line)
        content = _together((line[bullet.end() :] if bullet else line).strip())
        if content:
            lines.append(Line(content, bullet is not None, blank))
            blank = False
    return lines


def _bounded(line: str) -> Iterator[str]:
    """A line in pieces that no pattern takes long for; only endless prose has more than one."""
    while len(line) > _LONGEST_LINE:
        cut = line.rfind(" ", _LONGEST_LINE // 2, _LONGEST_LINE)
        cut = cut if cut > 0 else _LONGEST_LINE
        yield line[:cut].rstrip()
        line = line[cut:].lstrip()
    yield line


def _together(text: str) -> str:
    """A line without the space between its letters: ``E X P E R I E N C E``."""
    if not _SPACED.match(re.sub(r"\s{2,}", " ", text)):
        return text
    return " ".join(word.replace(" ", "") for word in re.split(r"\s{2,}", text))


def _is_page_mark(line: str) -> bool:
    if not _PAGE.match(line):
        return False
    # A bare number is a page's, unless it is a year.
    return bool(_PAGE_WORD.search(line)) or not re.fullmatch(r"\s*(?:19|20)\d\d\s*", line)


def _repeated(lines: list[str]) -> frozenset[str]:
    """What stands on top or at the foot of every page: the same line again and again, apart from others."""
    counts = Counter(line.strip() for line in lines if len(line.strip()) > 8)
    pages = sum(1 for line in lines if _is_page_mark(line) and line.strip())
    return frozenset(
        text
        for text, count in counts.items()
        if count >= 3 and count >= pages > 1 and heading_of(text) is None and find_span(text) is None
    )


def _columns_apart(lines: list[str]) -> list[str]:
    """Two columns that were read across, put one after the other."""
    starts: Counter[int] = Counter()
    for line in lines:
        for gap in re.finditer(r"(?<=\S)\s{3,}(?=\S)", line):
            starts[gap.end()] += 1
    if not starts:
        return lines
    place, count = max(starts.items(), key=lambda item: (item[1], -item[0]))
    if count < 5 or count < sum(1 for line in lines if line.strip()) * 0.25:
        return lines
    cells = [_cells(line, place) for line in lines]
    both = [(left, right) for left, right in cells if left and right]
    columns = list(zip(*both, strict=True))
    if any(_is_beside(column) for column in columns):
        return lines
    if not all(any(heading_of(cell) for cell in column) for column in columns):
        return lines  # columns of a CV have headings, cells of a table have none
    first = next(number for number, (left, right) in enumerate(cells) if left and right)
    return [
        *lines[:first],
        "",
        *(left for left, right in cells[first:] if left or not right),
        "",
        *(right for left, right in cells[first:] if right or not left),
    ]


def _cells(line: str, place: int) -> tuple[str, str]:
    """A line's part in the left column and its part in the right one."""
    if len(line) > place and not line[place - 2 : place].isspace():
        return "", line.strip()  # it runs across: part of the text, not of the margin
    return line[:place].strip(), line[place:].strip()


def _is_beside(column: tuple[str, ...]) -> bool:
    """Whether the cells are dates or labels beside what they belong to: then it is a table."""
    dated = sum(1 for cell in column if len(cell) < 40 and find_span(cell) is not None)
    labels = sum(1 for cell in column if cell.endswith(":"))
    return max(dated, labels) > len(column) * 0.5
