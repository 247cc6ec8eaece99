"""The types that ``select=column::type`` may name.

Source: the PostgreSQL documentation, "Data Types": these names are spelled by the grammar, so that quoting
would change or break them; every other type is an identifier and is quoted.
"""

from __future__ import annotations

from headway.local.rest.errors import RestError
from headway.local.rest.identifiers import quote

__all__ = ["cast_type"]

_SPELLED_BY_GRAMMAR = frozenset(
    {
        "bigint",
        "bit",
        "bit varying",
        "boolean",
        "char",
        "char varying",
        "character",
        "character varying",
        "dec",
        "decimal",
        "double precision",
        "float",
        "int",
        "integer",
        "interval",
        "national char",
        "national char varying",
        "national character",
        "national character varying",
        "nchar",
        "nchar varying",
        "numeric",
        "real",
        "smallint",
        "time",
        "time with time zone",
        "time without time zone",
        "timestamp",
        "timestamp with time zone",
        "timestamp without time zone",
        "varchar",
    }
)


def cast_type(name: str) -> str:
    """A type's name as SQL.

    Args:
        name: What the client wrote: letters, digits, ``_``, ``$`` and spaces.

    Raises:
        RestError: 42704, several words that are no type.
    """
    folded = " ".join(name.lower().split())
    if folded in _SPELLED_BY_GRAMMAR:
        return folded
    if " " in folded or not folded:
        raise RestError(400, "42704", f'type "{folded}" does not exist')
    return quote(folded)
