"""Which rows of a result are asked for, and what is said about those delivered.

Source: PostgREST's documentation, "Pagination and Count"; RFC 9110, section 14.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from headway.local.rest.errors import inverted_range_error, negative_limit_error, put_limit_error

__all__ = ["EVERYTHING", "NOTHING", "Range", "content_range", "page_status", "top_level_range"]


class Range(NamedTuple):
    """Rows from ``first`` to ``last``, both included and counted from 0; open at the end without ``last``."""

    first: int
    last: int | None

    @property
    def is_empty(self) -> bool:
        """Whether it holds no row."""
        return self.last is not None and self.last < self.first

    @property
    def limit(self) -> int | None:
        """How many rows it holds."""
        return None if self.last is None else self.last - self.first + 1

    def intersect(self, other: Range) -> Range:
        """The rows in both; an empty range stays as it is."""
        if self.is_empty:
            return self
        if other.is_empty:
            return other
        ends = [r.last for r in (self, other) if r.last is not None]
        return Range(max(self.first, other.first), min(ends, default=None))

    def at_most(self, rows: int | None) -> Range:
        """The first rows of it; ``limit=0`` stays what it is."""
        if rows is None or self == NOTHING:
            return self
        return self.intersect(Range(self.first, self.first + rows - 1))


EVERYTHING = Range(0, None)
NOTHING = Range(0, -1)
"""``limit=0``: the one empty range that may be asked for."""

_HEADER = re.compile(r"([0-9]{1,30})-([0-9]{0,30})")


def top_level_range(method: str, ranges: Mapping[tuple[str, ...], Range], header: str | None) -> Range:
    """The rows asked for by ``limit``, ``offset`` and, on GET only, the ``Range`` header.

    Args:
        method: The HTTP method.
        ranges: ``limit`` and ``offset`` by path.
        header: The ``Range`` header.

    Raises:
        RestError: PGRST103 or PGRST114.
    """
    by_header = _parse_header(header) if method == "GET" and header else EVERYTHING
    by_query = ranges.get((), EVERYTHING)
    if by_query.last == -1:
        wanted = NOTHING
    else:
        wanted = by_header.intersect(by_query)
        if wanted.is_empty:
            raise inverted_range_error() if by_header.is_empty else negative_limit_error()
    if method == "PUT" and wanted != EVERYTHING:
        raise put_limit_error()
    return wanted


def _parse_header(header: str) -> Range:
    match = _HEADER.fullmatch(header)
    if match is None:
        return EVERYTHING
    return Range(int(match[1]), int(match[2]) if match[2] else None)


def content_range(first: int, last: int, total: int | None) -> str:
    """The ``Content-Range`` of a page.

    Args:
        first: The first row's number.
        last: The last row's number; smaller than ``first`` for an empty page.
        total: How many rows there are, if they were counted.
    """
    rows = f"{first}-{last}" if total != 0 and first <= last else "*"
    return f"{rows}/{'*' if total is None else total}"


def page_status(first: int, last: int, total: int | None) -> int:
    """The status of a page.

    Args:
        first: The first row's number.
        last: The last row's number.
        total: How many rows there are, if they were counted.
    """
    if total is None:
        return 200
    if first > total:
        return 416
    return 206 if 1 + last - first < total else 200
