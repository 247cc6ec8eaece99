"""From the rows of a statement to an HTTP response.

Source: PostgREST's documentation, "Pagination and Count", "Prefer Header" and "Response Headers".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from headway.local.rest.errors import (
    RestError,
    max_affected_error,
    out_of_range_error,
    put_mismatch_error,
    response_headers_error,
    response_status_error,
    singular_error,
)
from headway.local.rest.plan.outcome import Execute
from headway.local.rest.request.query_string import canonical
from headway.local.rest.request.ranges import content_range, page_status
from headway.local.rest.version import VERSION

__all__ = ["Response", "answer", "check_rows", "error_response", "render"]

Headers = list[tuple[str, str]]

_VARY = "Accept, Prefer, Range"
_WARNING = (
    "Embedded resource was referenced by relation name even though it has an alias. This is deprecated and "
    "will stop working in a future release."
)
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
"""Headers that the database may not choose: a wrong one breaks the connection."""
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Response:
    """A finished response."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class _Row:
    """The row of a statement; see ``sql.statements``."""

    total: int | None
    page: int
    location: Any
    body: bytes
    headers: bytes | None
    status: bytes | None
    inserted: int | None

    @classmethod
    def of(cls, rows: Sequence[Any]) -> _Row:
        total, page, location, body, headers, status, inserted = rows[0]
        return cls(
            total=total,
            page=page,
            location=None if location is None else orjson.loads(location),
            body=_bytes(body),
            headers=headers,
            status=status,
            inserted=inserted,
        )


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode()


def check_rows(planned: Execute, results: Sequence[Sequence[Any]]) -> None:
    """Raise where the rows are not what the client asked for, so that nothing of it stays.

    Args:
        planned: What was run.
        results: The rows of its statements.

    Raises:
        RestError: PGRST115, PGRST116 or PGRST124.
    """
    if planned.media_type.plan is not None:
        return
    row_count = results[0][0][1]
    if planned.kind == "PUT":
        if row_count != 1:
            raise put_mismatch_error()
        return
    if planned.media_type.is_object and row_count != 1:
        raise singular_error(row_count)
    limit = planned.preferences.max_affected
    if planned.preferences.strict and limit is not None and row_count > limit:
        raise max_affected_error(row_count)


def answer(planned: Execute, results: Sequence[Sequence[Any]], max_rows: int | None) -> Response:
    """The response to a request that succeeded.

    Args:
        planned: What was run.
        results: The rows of its statements.
        max_rows: The most rows of a response.

    Raises:
        RestError: the database left something unusable for the response.
    """
    if planned.media_type.plan is not None:
        body = b"".join(_bytes(row[0]) + b"\n" for row in results[0])
        return Response(200, [*_content(planned, body), ("Vary", _VARY)], body)
    row = _Row.of(results[0])
    if planned.kind in ("read", "call"):
        status, headers, body = _page(planned, row, _total(planned, row, results, max_rows))
    else:
        status, headers, body = _written(planned, row)
    if row.status is not None:
        status = _chosen_status(row.status)
    if row.headers is not None:
        headers = _with_chosen(headers, row.headers)
    if planned.renamed:
        headers.append(("Warning", _warning(planned)))
    if not any(name.lower() == "vary" for name, _ in headers):
        headers.append(("Vary", _VARY))
    return Response(status, headers, b"" if planned.head else body)


def _total(planned: Execute, row: _Row, results: Sequence[Sequence[Any]], max_rows: int | None) -> int | None:
    if planned.count_plan is None:
        return row.total
    estimate = int(orjson.loads(results[1][0][0])[0]["Plan"]["Plan Rows"])
    if planned.preferences.count == "planned":
        return estimate
    if row.total is not None and (max_rows is None or row.total > max_rows):
        return max(row.total, estimate)
    return row.total


def _applied(planned: Execute) -> Headers:
    return [] if planned.applied is None else [("Preference-Applied", planned.applied)]


def _content(planned: Execute, body: bytes) -> Headers:
    headers = [("Content-Type", planned.content_type)]
    if not planned.head:
        headers.insert(0, ("Content-Length", str(len(body))))
    if planned.schema is not None:
        headers.append(("Content-Profile", planned.schema))
    return headers


def _page(planned: Execute, row: _Row, total: int | None) -> tuple[int, Headers, bytes]:
    first = planned.range.first
    last = first + row.page - 1
    headers: Headers = [("Content-Range", content_range(first, last, total))]
    if planned.kind == "read":
        shown = canonical(planned.query)
        location = _ascii(planned.location)
        headers.append(("Content-Location", f"{location}?{shown}" if shown else location))
    if planned.routine is not None and planned.routine.returns_void:
        return 204, headers + _applied(planned), b""
    status, body = page_status(first, last, total), row.body
    if status == 416:
        body = orjson.dumps(out_of_range_error(first, total or 0).body)
    return status, headers + _content(planned, body) + _applied(planned), body


def _written(planned: Execute, row: _Row) -> tuple[int, Headers, bytes]:
    kind, returning = planned.kind, planned.preferences.returning
    represented = returning == "representation"
    headers: Headers = []
    if kind == "POST" and row.location:
        pairs = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in row.location)
        headers.append(("Location", f"{_ascii(planned.location)}?{pairs}"))
    total = row.page if planned.preferences.count in ("exact", "estimated") else None
    if kind == "PATCH":
        headers.append(("Content-Range", content_range(0, row.page - 1, total)))
    elif kind in ("POST", "DELETE"):
        headers.append(("Content-Range", content_range(1, 0, total)))
    headers += _applied(planned)
    body = row.body if represented else b""
    if represented:
        headers += _content(planned, body)
    elif kind == "POST":
        headers.append(("Content-Length", "0"))
    return _written_status(planned, row, represented=represented), headers, body


def _written_status(planned: Execute, row: _Row, *, represented: bool) -> int:
    if planned.kind == "POST":
        merges = planned.preferences.resolution == "merge-duplicates"
        return 200 if merges and (row.inserted or 0) <= 0 else 201
    if not represented:
        return 204
    return 201 if planned.kind == "PUT" and (row.inserted or 0) > 0 else 200


def _chosen_status(raw: bytes) -> int:
    text = raw.decode("utf-8", "replace")
    if not re.fullmatch(r"[0-9]{3}", text) or not 200 <= int(text) <= 599:
        raise response_status_error()
    return int(text)


def _with_chosen(headers: Headers, raw: bytes) -> Headers:
    """The headers with those that the database chose, which replace ours of the same name."""
    chosen: Headers = []
    try:
        entries = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise response_headers_error() from None
    if not isinstance(entries, list):
        raise response_headers_error()
    for entry in entries:
        if not isinstance(entry, dict) or len(entry) != 1:
            raise response_headers_error()
        name, value = next(iter(entry.items()))
        if not isinstance(value, str):
            raise response_headers_error()
        if name.lower() not in _FRAMING:
            if not _is_sendable(name, value):
                raise response_headers_error()
            chosen.append((name, value))
    names = {name.lower() for name, _ in chosen}
    return [(name, value) for name, value in headers if name.lower() not in names] + chosen


def _is_sendable(name: str, value: str) -> bool:
    return bool(
        name.lower() not in _FRAMING
        and _FIELD_NAME.fullmatch(name)
        and not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value)
    )


def _warning(planned: Execute) -> str:
    changes = ", ".join(f"`{relation}` to `{alias}`" for relation, alias in planned.renamed)
    text = f"{_WARNING} Update {changes} in query string filters, orders or limits."
    return f'299 PostgRESTv{VERSION} "{_ascii(text)}"'


def _ascii(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", lambda match: quote(match[0]), text)


def error_response(error: RestError, *, verbose: bool = True) -> Response:
    """The response that says what went wrong.

    Args:
        error: What.
        verbose: Whether details and hint are shown.
    """
    shown = error.body if verbose else {"code": error.code, "message": error.message}
    body = orjson.dumps(shown)
    headers = [
        ("Content-Type", "application/json; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Proxy-Status", f"PostgREST; error={_ascii(error.code)}"),
    ]
    for name, value in error.headers:
        if _is_sendable(name, value):
            headers.append((name, value))
    if error.status == 503:
        headers.append(("Retry-After", "1"))
    return Response(error.status, headers, body)


def render(response: Response) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two ASGI messages of a response.

    Args:
        response: The response.
    """
    raw = [
        (name.lower().encode("latin-1"), value.encode("utf-8", "replace")) for name, value in response.headers
    ]
    start = {"type": "http.response.start", "status": response.status, "headers": raw}
    return start, {"type": "http.response.body", "body": response.body}
