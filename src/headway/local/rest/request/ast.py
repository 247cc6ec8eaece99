"""What a query string says, before anything is known about the database.

Source: PostgREST's documentation, "URL grammar" and "Tables and Views".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "Aggregate",
    "Condition",
    "Embed",
    "Field",
    "Filter",
    "FullText",
    "In",
    "Is",
    "IsDistinct",
    "Join",
    "JsonStep",
    "Logic",
    "Operation",
    "OrderTerm",
    "Plain",
    "Quantified",
    "SelectField",
    "SelectItem",
]

Aggregate: TypeAlias = Literal["sum", "avg", "max", "min", "count"]
Join: TypeAlias = Literal["inner", "left"]


@dataclass(frozen=True, slots=True)
class JsonStep:
    """``->key`` or ``->>key``; an index is kept as signed text."""

    as_text: bool
    operand: str
    is_index: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A column, or a path into it."""

    name: str
    path: tuple[JsonStep, ...] = ()


@dataclass(frozen=True, slots=True)
class SelectField:
    """``alias:column->path::cast.aggregate()::aggregate_cast``."""

    field: Field
    aggregate: Aggregate | None = None
    aggregate_cast: str | None = None
    cast: str | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Embed:
    """``alias:relation!hint!inner(items)`` or, spread, ``...relation!hint(items)``."""

    relation: str
    items: tuple[SelectItem, ...]
    alias: str | None = None
    hint: str | None = None
    join: Join | None = None
    spread: bool = False


SelectItem: TypeAlias = SelectField | Embed


@dataclass(frozen=True, slots=True)
class Plain:
    """An operator on one value that knows no ``any``/``all``; ``operator`` is SQL from a fixed table."""

    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Quantified:
    """An operator that can compare with any or all of a list; ``operator`` is SQL from a fixed table."""

    operator: str
    quantifier: Literal["any", "all"] | None
    value: str


@dataclass(frozen=True, slots=True)
class In:
    """Membership in a list."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Is:
    """``IS`` with one of the words that SQL allows there."""

    what: Literal["NULL", "NOT NULL", "TRUE", "FALSE", "UNKNOWN"]


@dataclass(frozen=True, slots=True)
class IsDistinct:
    """``IS DISTINCT FROM``."""

    value: str


@dataclass(frozen=True, slots=True)
class FullText:
    """A text search; ``function`` is the name of a built-in that makes a tsquery."""

    function: str
    language: str | None
    value: str


Operation: TypeAlias = Plain | Quantified | In | Is | IsDistinct | FullText


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one field."""

    field: Field
    negated: bool
    operation: Operation


@dataclass(frozen=True, slots=True)
class Logic:
    """``and(...)``, ``or(...)``, each possibly negated."""

    negated: bool
    operator: Literal["AND", "OR"]
    terms: tuple[Condition, ...]


Condition: TypeAlias = Filter | Logic


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """``column.desc.nullslast``, or ``relation(column).desc`` when ``relation`` is given."""

    field: Field
    direction: Literal["ASC", "DESC"] | None = None
    nulls: Literal["NULLS FIRST", "NULLS LAST"] | None = None
    relation: str | None = None
