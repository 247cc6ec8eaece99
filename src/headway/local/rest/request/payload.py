"""The body of a request.

Source: PostgREST's documentation, "Resource Representation", "Bulk Insert" and "Functions as RPC".
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

import orjson

from headway.local.rest.errors import body_error
from headway.local.rest.request.media_types import MediaType

__all__ = ["Payload", "parse_payload"]


@dataclass(frozen=True, slots=True)
class Payload:
    """A body in the form in which the database receives it.

    Args:
        kind: ``json`` for a JSON document, ``form`` for arguments of a function, ``raw`` for one value.
        data: The document, or the value.
        keys: The columns or arguments that it fills.
        is_object: Whether the document is one object, rather than an array of them.
        form: With ``kind="form"``: names and values in order.
    """

    kind: Literal["json", "form", "raw"]
    data: bytes
    keys: frozenset[str] = frozenset()
    is_object: bool = False
    form: tuple[tuple[str, str], ...] = ()


_WHITESPACE = b" \t\r\n"
_RAW_TYPES = ("text/plain", "text/xml", "application/octet-stream")


def parse_payload(
    body: bytes, content_type: MediaType, columns: frozenset[str] | None, *, rpc: bool
) -> Payload:
    """The body of an insert, an update or a call.

    Args:
        body: The bytes received.
        content_type: Their type.
        columns: The ``columns`` parameter.
        rpc: Whether a function is called.

    Raises:
        RestError: PGRST102.
    """
    name = content_type.name
    if name == "application/json":
        if columns is not None:
            return Payload("json", body, columns, _looks_like_object(body))
        if rpc and not body:
            return Payload("json", b"{}", is_object=True)
        return _uniform(_decode_json(body), body, "All object keys must match")
    if name == "text/csv":
        rows = _csv_rows(body)
        return _uniform(rows, orjson.dumps(rows), "All lines must have same number of fields")
    if name == "application/x-www-form-urlencoded":
        form = tuple(_form_fields(body))
        if rpc:
            return Payload("form", body, frozenset(field for field, _ in form), form=form)
        document = dict(reversed(form))
        return Payload("json", orjson.dumps(document), frozenset(document), is_object=True)
    if rpc and name in _RAW_TYPES:
        return Payload("raw", body)
    raise body_error(f"Content-Type not acceptable: {content_type}")


def _looks_like_object(body: bytes) -> bool:
    return body.lstrip(_WHITESPACE)[:1] == b"{"


def _decode_json(body: bytes) -> Any:
    # orjson refuses integers beyond 64 bits and lone surrogates, which are JSON all the same; json does not
    # refuse NaN and Infinity, which are none.
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_int=float)
    except (ValueError, RecursionError):
        raise body_error("Empty or invalid json") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _uniform(document: Any, raw: bytes, complaint: str) -> Payload:
    if isinstance(document, dict):
        return Payload("json", raw, frozenset(document), is_object=True)
    if not isinstance(document, list) or not document:
        return Payload("json", b"[]")
    first = document[0]
    if not isinstance(first, dict):
        raise body_error(complaint)
    keys = first.keys()
    if not all(isinstance(row, dict) and row.keys() == keys for row in document):
        raise body_error(complaint)
    return Payload("json", raw, frozenset(keys))


def _csv_rows(body: bytes) -> list[dict[str, str | None]]:
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8"), newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise body_error(f"Invalid CSV: {error}") from None
    lines = [line for line in lines if line]
    if not lines:
        raise body_error("Invalid CSV: there is no header line")
    header = lines[0]
    if any(len(line) != len(header) for line in lines[1:]):
        raise body_error("All lines must have same number of fields")
    return [
        {name: None if cell == "NULL" else cell for name, cell in zip(header, line, strict=True)}
        for line in lines[1:]
    ]


def _form_fields(body: bytes) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for part in body.replace(b";", b"&").split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            fields.append((_form_text(name), _form_text(value)))
    return fields


def _form_text(raw: bytes) -> str:
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "replace")
