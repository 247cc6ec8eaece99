"""Conditional requests and byte ranges (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from headway.local.storage.faults import invalid_range

__all__ = ["ByteRange", "not_modified", "requested_range"]

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')

ByteRange = tuple[int, int]
"""The first byte's place, and how many."""


def not_modified(headers: Mapping[str, str], etag: str, last_modified: datetime | None) -> bool:
    """Whether the client's copy is still good.

    Args:
        headers: The request's, names in lower case.
        etag: The current entity tag, with its quotes.
        last_modified: When the content was stored.
    """
    if_none_match = headers.get("if-none-match")
    if if_none_match is not None:
        # With it, If-Modified-Since is ignored.
        return if_none_match.strip() == "*" or etag in _ENTITY_TAG.findall(if_none_match)
    since = _date(headers.get("if-modified-since"))
    return since is not None and last_modified is not None and last_modified.replace(microsecond=0) <= since


def requested_range(
    headers: Mapping[str, str], size: int, etag: str, last_modified: datetime | None
) -> ByteRange | None:
    """The part of the content that the client asks for; ``None`` for all of it.

    Args:
        headers: The request's, names in lower case.
        size: Bytes of the content.
        etag: The current entity tag.
        last_modified: When the content was stored.

    Raises:
        StorageFault: 416; the real service refuses several ranges at once too.
    """
    wanted = headers.get("range")
    if wanted is None or not _same_representation(headers.get("if-range"), etag, last_modified):
        return None
    match = _RANGE.fullmatch(wanted.strip())
    if match is None or size == 0:
        raise invalid_range(size)
    first, last = match[1], match[2]
    if not first:
        if not last or int(last) == 0:
            raise invalid_range(size)
        start = max(0, size - int(last))
        return start, size - start
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if start >= size or (last and int(last) < start):
        raise invalid_range(size)
    return start, end - start + 1


def _same_representation(if_range: str | None, etag: str, last_modified: datetime | None) -> bool:
    if if_range is None:
        return True
    if if_range.startswith('"'):
        return if_range == etag
    moment = _date(if_range)
    return moment is not None and last_modified is not None and last_modified.replace(microsecond=0) == moment


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
