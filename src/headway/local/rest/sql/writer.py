"""Composes a statement from fixed SQL, quoted identifiers and bound parameters.

Nothing that a client sends becomes SQL text: names go through ``identifiers.quote``, casts through
``sql.casts``, and every value through ``Writer.bind``. So equal requests with other values have equal text,
and are prepared once per connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias, TypeVar

__all__ = ["Statement", "Value", "Writer", "array_literal"]

Value: TypeAlias = str | bytes | None
"""A parameter as Postgres's own input function of its type reads it; ``bytes`` are sent as they are."""

_T = TypeVar("_T")


class Statement(NamedTuple):
    """SQL and its parameters."""

    sql: str
    parameters: tuple[Value, ...]


class Writer:
    """Collects a statement from left to right."""

    __slots__ = ("_parameters", "_parts")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._parameters: list[Value] = []

    def add(self, *parts: str) -> Writer:
        """Append fixed SQL or quoted names."""
        self._parts += parts
        return self

    def bind(self, value: Value) -> Writer:
        """Append a parameter; its type is what Postgres infers from where it stands."""
        self._parameters.append(value)
        self._parts.append(f"${len(self._parameters)}")
        return self

    def join(self, separator: str, items: Iterable[_T], write: Callable[[_T], object]) -> Writer:
        """Append items, each written by ``write``, with a separator between them."""
        for number, item in enumerate(items):
            if number:
                self._parts.append(separator)
            write(item)
        return self

    def statement(self) -> Statement:
        """What has been collected."""
        return Statement("".join(self._parts), tuple(self._parameters))


def array_literal(values: Iterable[str]) -> str:
    """Values as the text of a one-dimensional array, so that Postgres can infer the elements' type.

    Args:
        values: The elements; none is null.
    """
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"
