"""Values of rows as JSON, from the text that the log holds.

The forms are those of wal2json followed by ``to_jsonb``, which the real server's walrus applies: numbers that
JSON cannot write are null, a ``bytea`` is its hexadecimal digits, times are ISO 8601, arrays and composites
nest.

Source: supabase/walrus ``sql/``; supabase/realtime migrations ``20260218120000`` (bytea); wal2json's README.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import orjson

__all__ = ["Encode", "TypeInfo", "encoder_for"]

Encode = Callable[[bytes], bytes]

_NUMBERS = {21, 23, 20, 700, 701, 1700}  # int2 int4 int8 float4 float8 numeric
_BOOL, _BYTEA, _JSON, _JSONB = 16, 17, 114, 3802
_DATE, _TIMESTAMP, _TIMESTAMPTZ = 1082, 1114, 1184
_FIRST_USER_OID = 16384
_ZONE = re.compile(r"([+-]\d\d)(?=$| )")
_MAX_DEPTH = 6


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """What the catalogue says of a type.

    Args:
        kind: ``pg_type.typtype``.
        element: The element type of a true array, else 0.
        base: The base type of a domain, else 0.
        delimiter: Between the elements of an array of this type.
        casts_to_json: Whether a cast to json exists, which ``to_jsonb`` then uses.
    """

    oid: int
    name: str
    kind: Literal["b", "c", "d", "e", "p", "r", "m"]
    element: int = 0
    base: int = 0
    delimiter: str = ","
    casts_to_json: bool = False


def encoder_for(oid: int, types: dict[int, TypeInfo]) -> Encode | None:
    """How values of a column's type become JSON; ``None`` when only Postgres knows.

    Args:
        oid: The column's type.
        types: Every type that it is made of.
    """
    if oid == _BYTEA:
        return _hex_digits
    if oid in _NUMBERS:
        return _number
    return _nested_encoder(oid, types, 0)


def _nested_encoder(oid: int, types: dict[int, TypeInfo], depth: int) -> Encode | None:
    info = types.get(oid)
    if info is None or info.casts_to_json or info.kind == "c" or depth > _MAX_DEPTH:
        return None
    if info.kind == "d":
        return _nested_encoder(info.base, types, depth + 1)
    if oid in _NUMBERS:
        return _number_or_text
    if oid == _BOOL:
        return _bool
    if oid in (_JSON, _JSONB):
        return _verbatim
    if oid in (_DATE, _TIMESTAMP):
        return _timestamp
    if oid == _TIMESTAMPTZ:
        return _timestamp_with_zone
    if info.element:
        return _array_encoder(info.element, types, depth)
    return _text


def _array_encoder(element: int, types: dict[int, TypeInfo], depth: int) -> Encode | None:
    encode = _nested_encoder(element, types, depth + 1)
    if encode is None:
        return None
    delimiter = types[element].delimiter

    def encode_array(text: bytes) -> bytes:
        return _array(text.decode(), delimiter, encode)

    return encode_array


def _verbatim(text: bytes) -> bytes:
    return text


def _text(text: bytes) -> bytes:
    return orjson.dumps(text.decode())


def _bool(text: bytes) -> bytes:
    return b"true" if text == b"t" else b"false"


def _is_finite(text: bytes) -> bool:
    return text[-1:].isdigit()  # neither NaN nor Infinity


def _number(text: bytes) -> bytes:
    return text if _is_finite(text) else b"null"


def _number_or_text(text: bytes) -> bytes:
    return text if _is_finite(text) else _text(text)


def _hex_digits(text: bytes) -> bytes:
    return b'"%b"' % text[2:]


def _timestamp(text: bytes) -> bytes:
    # "2024-01-02 03:04:05.6 BC": only the first blank is between date and time.
    if text[:1].isdigit() and b":" in text:
        text = text.replace(b" ", b"T", 1)
    return b'"%b"' % text


def _timestamp_with_zone(text: bytes) -> bytes:
    if text[-3:] == b"+00":  # always, but for infinity and before Christ
        return b'"%b:00"' % text.replace(b" ", b"T", 1)
    return _ZONE.sub(r"\1:00", _timestamp(text)[1:-1].decode(), count=1).join('""').encode()


def _array(text: str, delimiter: str, encode: Encode) -> bytes:
    """An array literal as JSON; explicit bounds before ``=`` say nothing that JSON could."""
    position = text.index("{")
    document, end = _array_at(text, position, delimiter, encode)
    if end != len(text):
        raise ValueError("the array literal goes on after its end")
    return document


def _array_at(text: str, position: int, delimiter: str, encode: Encode) -> tuple[bytes, int]:
    items: list[bytes] = []
    position += 1
    while text[position] != "}":
        if text[position] == "{":
            item, position = _array_at(text, position, delimiter, encode)
        elif text[position] == '"':
            value, position = _quoted_at(text, position + 1)
            item = encode(value.encode())
        else:
            end = position
            while text[end] not in (delimiter, "}"):
                end += 1
            value, position = text[position:end], end
            item = b"null" if value.upper() == "NULL" else encode(value.encode())
        items.append(item)
        if text[position] == delimiter:
            position += 1
    return b"[%b]" % b",".join(items), position + 1


def _quoted_at(text: str, position: int) -> tuple[str, int]:
    parts: list[str] = []
    while True:
        end = position
        while text[end] not in '"\\':
            end += 1
        parts.append(text[position:end])
        if text[end] == '"':
            return "".join(parts), end + 1
        parts.append(text[end + 1])
        position = end + 2
