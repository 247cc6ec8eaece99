"""The query string of a request, parsed.

Source: PostgREST's documentation, "URL grammar"; WHATWG URL, "application/x-www-form-urlencoded parsing",
which PostgREST follows save that ``;`` separates like ``&``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_from_bytes, unquote_to_bytes

from headway.local.rest.request.ast import Condition, Filter, OrderTerm, SelectItem
from headway.local.rest.request.grammar import (
    parse_columns,
    parse_logic,
    parse_logic_path,
    parse_operation,
    parse_order,
    parse_path,
    parse_select,
)
from headway.local.rest.request.ranges import EVERYTHING, Range

__all__ = [
    "RESERVED_ANYWHERE",
    "Path",
    "QueryParameters",
    "canonical",
    "decode",
    "parse_query_string",
    "split_query_string",
]

Path = tuple[str, ...]
"""The embeds from the root to where something applies."""

_RESERVED = frozenset({"select", "columns", "on_conflict"})
RESERVED_ANYWHERE = frozenset({"order", "limit", "offset", "and", "or"})


@dataclass(frozen=True, slots=True)
class QueryParameters:
    """What a query string asks for.

    Args:
        select: The items of ``select``, ``*`` when it is absent.
        filters: Conditions on single fields, with the embeds they apply to.
        logic: ``and``/``or`` trees, likewise.
        order: Order terms, likewise; for one path the first one given counts.
        ranges: ``limit`` and ``offset``, joined per path.
        arguments: On RPC reads: parameters that are not filters, in order.
        filter_names: The names of all filter parameters as they were given.
        columns: ``columns``, or ``None``.
        on_conflict: ``on_conflict``, or ``None``.
    """

    select: tuple[SelectItem, ...]
    filters: Sequence[tuple[Path, Filter]]
    logic: Sequence[tuple[Path, Condition]]
    order: Sequence[tuple[Path, tuple[OrderTerm, ...]]]
    ranges: Mapping[Path, Range]
    arguments: Sequence[tuple[str, str]]
    filter_names: frozenset[str]
    columns: frozenset[str] | None
    on_conflict: tuple[str, ...] | None


def split_query_string(raw: bytes) -> list[tuple[bytes, bytes | None]]:
    """Names and values, percent-decoded; the value is ``None`` where there is no ``=``.

    Args:
        raw: The query string without its ``?``.
    """
    pairs: list[tuple[bytes, bytes | None]] = []
    for part in raw.replace(b";", b"&").split(b"&"):
        if not part:
            continue
        name, equals, value = part.partition(b"=")
        pairs.append((decode(name), decode(value) if equals else None))
    return pairs


def decode(text: bytes) -> bytes:
    """A name or value without its percent and plus escapes."""
    text = text.replace(b"+", b" ")
    return unquote_to_bytes(text) if b"%" in text else text


@lru_cache(maxsize=256)
def canonical(raw: bytes) -> str:
    """The query string sorted by name, equal names joined by commas: what Content-Location shows.

    Args:
        raw: The query string.
    """
    pairs = split_query_string(raw)
    merged: dict[bytes, list[str]] = {}
    for name, value in sorted(pairs, key=lambda pair: pair[0]):
        merged.setdefault(name, []).append(quote_from_bytes(value or b"", safe="-_.~"))
    return "&".join(f"{quote_from_bytes(name, safe='-_.~')}={','.join(v)}" for name, v in merged.items())


def parse_query_string(pairs: Sequence[tuple[bytes, bytes | None]], *, arguments: bool) -> QueryParameters:
    """The meaning of a split query string.

    Args:
        pairs: As ``split_query_string`` gives them; bytes that are no UTF-8 are replaced.
        arguments: Whether a value that is no filter is an argument of a function rather than an error.

    Raises:
        RestError: PGRST100.
    """
    select: str | None = None
    columns: str | None = None
    on_conflict: str | None = None
    filters: list[tuple[Path, Filter]] = []
    logic: list[tuple[Path, Condition]] = []
    order: list[tuple[Path, tuple[OrderTerm, ...]]] = []
    limits: dict[str, str] = {}
    offsets: dict[str, str] = {}
    given: list[tuple[str, str]] = []
    names: set[str] = set()
    for raw_name, raw_value in pairs:
        name = raw_name.decode("utf-8", "replace")
        value = None if raw_value is None else raw_value.decode("utf-8", "replace")
        if name in _RESERVED:
            if name == "select" and select is None:
                select = value if value is not None else "*"
            elif name == "columns" and columns is None:
                columns = value
            elif name == "on_conflict" and on_conflict is None:
                on_conflict = value
            continue
        if value is None:
            continue
        prefix, _, last = name.rpartition(".")
        if last not in RESERVED_ANYWHERE:
            names.add(name)
            path, field = parse_path(name)
            operation = parse_operation(value, optional=arguments)
            if operation is None:
                given.append((field.name, value))
            else:
                filters.append((path, Filter(field, *operation)))
        elif last == "order":
            order.append((parse_path(name)[0], parse_order(value)))
        elif last == "limit":
            limits[prefix] = value
        elif last == "offset":
            offsets[prefix] = value
        else:
            path, operator = parse_logic_path(name)
            logic.append((path, parse_logic(operator, value)))
    return QueryParameters(
        select=parse_select("*" if select is None else select),
        filters=filters,
        logic=logic,
        order=order,
        ranges=_ranges(limits, offsets),
        arguments=given,
        filter_names=frozenset(names),
        columns=None if columns is None else frozenset(parse_columns("columns", columns)),
        on_conflict=None if on_conflict is None else parse_columns("on_conflict", on_conflict),
    )


def _ranges(limits: Mapping[str, str], offsets: Mapping[str, str]) -> dict[Path, Range]:
    ranges: dict[Path, Range] = {}
    for prefix in [*limits, *(p for p in offsets if p not in limits)]:
        limit, offset = _integer(limits.get(prefix)), _integer(offsets.get(prefix))
        if prefix in limits and prefix in offsets:
            size = 0 if limit is None else limit
            start = 0 if offset is None else offset
            span = Range(start, start + size - 1)
        elif prefix in limits:
            span = EVERYTHING if limit is None else Range(0, limit - 1)
        else:
            span = EVERYTHING if offset is None else Range(offset, None)
        path = parse_path(f"{prefix}.limit")[0] if prefix else ()
        ranges[path] = span
    return ranges


def _integer(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if re.fullmatch(r"-?[0-9]{1,30}", text) else None
