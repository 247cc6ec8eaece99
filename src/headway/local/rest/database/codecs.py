"""Sends every parameter to Postgres as text, whatever its type.

A filter's value is text until Postgres knows what it is compared with: ``id=eq.5`` must mean what
``WHERE id = '5'`` means, with the column's own input function, its errors (22P02 and the like) and
Postgres's own choice among overloaded operators. So statements leave the types of parameters open, Postgres
infers them, and the connection sends text for all of them. asyncpg's own codecs want a Python object of the
inferred type instead; its public ``set_type_codec`` replaces them for scalars only, not for arrays, ranges
and domains, which is why this module goes one step below it.

Source: the PostgreSQL documentation, "Extended Query"; asyncpg, ``ConnectionSettings.add_python_codec``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import asyncpg

__all__ = ["TYPES_QUERY", "PgType", "send_text"]


class PgType(NamedTuple):
    """A type that a parameter can have."""

    oid: int
    name: str
    schema: str


TYPES_QUERY: Final = """
    SELECT t.oid, t.typname, n.nspname
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('b', 'd', 'e', 'r', 'm')
       OR t.typtype = 'c' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""

_Codec = tuple[Callable[[Any], Any], Callable[[Any], Any], str]


def _to_bytes(value: str | bytes) -> bytes:
    # A lone surrogate, which JSON can carry, is for Postgres to refuse.
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


def _to_text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


def _same(value: Any) -> Any:
    return value


def _from_hex(value: str) -> bytes:
    return bytes.fromhex(value[2:])


# The binary form of these is their text, so that a body passes in either direction without being decoded;
# jsonb puts the number of its format before it.
_TEXTS: Final[_Codec] = (_to_bytes, _same, "binary")
_SPECIAL: Final[dict[str, _Codec]] = {
    "text": _TEXTS,
    "json": _TEXTS,
    "xml": _TEXTS,
    "jsonb": (lambda value: b"\x01" + _to_bytes(value), lambda value: value[1:], "binary"),
    "bytea": (_to_text, _from_hex, "text"),
    "int4": (_to_text, int, "text"),
    "int8": (_to_text, int, "text"),
}
_DEFAULT: Final[_Codec] = (_to_text, _same, "text")


def send_text(connection: asyncpg.Connection[asyncpg.Record], types: Sequence[PgType]) -> None:
    """Make a connection send and receive all types as text, and text, JSON and XML as bytes.

    Args:
        connection: A new connection, which has not yet prepared a statement.
        types: The types of its database.
    """
    settings = connection._protocol.get_settings()  # type: ignore[attr-defined]
    for oid, name, schema in types:
        special = _SPECIAL.get(name) if schema == "pg_catalog" else None
        encode, decode, form = special or _DEFAULT
        settings.add_python_codec(oid, name, schema, [], "scalar", encode, decode, form)
