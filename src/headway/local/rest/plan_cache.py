"""Remembers what requests mean, so that one that differs only in its values is not planned again.

An app sends the same few shapes of requests over and over: the same columns, filters and order, other values.
The values of plain filters (``id=eq.5``) and JSON documents with the same keys decide nothing about a plan;
they only become parameters. So a request is planned once with placeholders in their place, and its plan is
kept under what is left: method, path, the rest of the query string, and the headers that planning reads. A
later request of that shape only puts its own values where the placeholders ended up.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from headway.local.rest.database.settings import RestConfig
from headway.local.rest.errors import RestError
from headway.local.rest.plan.outcome import Execute, Planned
from headway.local.rest.planning import plan_request
from headway.local.rest.request.grammar import parse_columns
from headway.local.rest.request.http import HttpRequest
from headway.local.rest.request.media_types import JSON, parse_media_type
from headway.local.rest.request.payload import Payload, parse_payload
from headway.local.rest.request.query_string import RESERVED_ANYWHERE, decode
from headway.local.rest.schema.model import SchemaCache
from headway.local.rest.sql.writer import Statement, Value

__all__ = ["PlanCache"]

_SIZE: Final = 512
_LARGEST_QUERY: Final = 4096
_HEADERS: Final = frozenset(
    {"accept", "prefer", "range", "content-type", "accept-profile", "content-profile"}
)
_READS: Final = ("GET", "HEAD")
_WRITES: Final = ("POST", "PATCH", "DELETE")
_PLAIN: Final = re.compile(rb"(?:not\.)?(?:eq|neq|gte?|lte?|cs|cd|ov|i?match)\.")
_RESERVED: Final = frozenset(name.encode() for name in RESERVED_ANYWHERE)
_DOCUMENT: Final = b"placeholder of a document"
_MARK: Final = f"\x01{secrets.token_hex(8)}:"
"""Begins placeholders; nobody outside knows it."""

Shape: TypeAlias = tuple[bytes | tuple[bytes], ...]
"""The parts of a query string: as they are, or, in a tuple, without the value that follows."""


def _split(query: bytes) -> tuple[Shape, list[bytes]]:
    """A query string's shape, and the values that were taken out of it."""
    shape: list[bytes | tuple[bytes]] = []
    values: list[bytes] = []
    for part in query.replace(b";", b"&").split(b"&"):
        name, equals, value = part.partition(b"=")
        operator = _PLAIN.match(value) if equals else None
        if operator is None or decode(name).rpartition(b".")[2] in _RESERVED:
            shape.append(part)
        else:
            shape.append((name + b"=" + operator[0],))
            values.append(value[operator.end() :])
    return tuple(shape), values


@dataclass(frozen=True, slots=True)
class _Template:
    """A plan, and where its statements' parameters are values of the request.

    Args:
        planned: The plan, with placeholders.
        places: For each statement: positions and the number of the value; -1 is the document.
    """

    planned: Execute
    places: tuple[tuple[tuple[int, int], ...], ...]

    def fill(self, query: bytes, values: Sequence[bytes], document: bytes | None) -> Execute:
        """The plan of a request of the same shape."""
        texts = [decode(value).decode("utf-8", "replace") for value in values]
        statement = _fill(self.planned.statement, self.places[0], texts, document)
        count_plan = self.planned.count_plan
        if count_plan is not None:
            count_plan = _fill(count_plan, self.places[1], texts, document)
        return self.planned.with_values(statement, count_plan, query)


def _fill(
    statement: Statement,
    places: tuple[tuple[int, int], ...],
    texts: Sequence[str],
    document: bytes | None,
) -> Statement:
    if not places:
        return statement
    parameters: list[Value] = list(statement.parameters)
    for position, number in places:
        parameters[position] = document if number < 0 else texts[number]
    return Statement(statement.sql, tuple(parameters))


class PlanCache:
    """Plans requests for one state of the database.

    Args:
        config: The configuration.
        cache: The schema cache.
    """

    def __init__(self, config: RestConfig, cache: SchemaCache) -> None:
        self._config = config
        self._cache = cache
        self._templates: OrderedDict[Any, _Template] = OrderedDict()

    def __len__(self) -> int:
        return len(self._templates)

    def plan(self, request: HttpRequest, body: bytes) -> Planned:
        """What a request means.

        Args:
            request: The request line and headers.
            body: The request's body.

        Raises:
            RestError: it cannot be answered.
        """
        planned = self._by_shape(request, body)
        if planned is None:
            # Everything that is refused comes here too, so that messages show what the client wrote.
            return plan_request(request, body, self._config, self._cache)
        return planned

    def _by_shape(self, request: HttpRequest, body: bytes) -> Execute | None:
        if len(request.query) > _LARGEST_QUERY or request.method not in (*_READS, *_WRITES):
            return None
        payload = None
        if request.method in ("POST", "PATCH"):
            payload = _json_payload(request, body)
            if payload is None:
                return None
        shape, values = _split(request.query)
        headers = tuple(header for header in request.headers if header[0] in _HEADERS)
        keys = None if payload is None else (payload.keys, payload.is_object)
        key = (request.method, request.path, shape, headers, keys)
        template = self._templates.get(key)
        if template is None:
            template = self._learn(request, shape, payload)
            if template is None:
                return None
            self._templates[key] = template
            if len(self._templates) > _SIZE:
                self._templates.popitem(last=False)
        else:
            self._templates.move_to_end(key)
        return template.fill(request.query, values, None if payload is None else payload.data)

    def _learn(self, request: HttpRequest, shape: Shape, payload: Payload | None) -> _Template | None:
        parts: list[bytes] = []
        numbers: dict[Value, int] = {}
        for part in shape:
            if isinstance(part, tuple):
                mark = f"{_MARK}{len(numbers)}"
                numbers[mark] = len(numbers)
                parts.append(part[0] + mark.encode())
            else:
                parts.append(part)
        document = b"" if payload is None else replace(payload, data=_DOCUMENT)
        marked = replace(request, query=b"&".join(parts))
        try:
            planned = plan_request(marked, document, self._config, self._cache)
        except RestError:
            return None
        if not isinstance(planned, Execute):
            return None
        numbers[_DOCUMENT] = -1
        statements = [planned.statement, *([planned.count_plan] if planned.count_plan else [])]
        places = tuple(
            tuple(
                (position, numbers[value])
                for position, value in enumerate(statement.parameters)
                if value in numbers
            )
            for statement in statements
        )
        return _Template(planned, places)


def _json_payload(request: HttpRequest, body: bytes) -> Payload | None:
    """The JSON document of a request, if that is what it has."""
    content_type = request.header("content-type")
    if content_type is not None and parse_media_type(content_type) != JSON:
        return None
    try:
        columns = _columns(request.query)
        return parse_payload(body, JSON, columns, rpc=request.path.startswith("/rpc/"))
    except RestError:
        return None


def _columns(query: bytes) -> frozenset[str] | None:
    for part in query.replace(b";", b"&").split(b"&"):
        name, equals, value = part.partition(b"=")
        if equals and decode(name) == b"columns":
            return frozenset(parse_columns("columns", decode(value).decode("utf-8", "replace")))
    return None
