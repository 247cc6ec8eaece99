"""What is known about the exposed part of the database.

Source: PostgREST's documentation, "Schema Cache".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from headway.local.rest.identifiers import QName

__all__ = [
    "Column",
    "ComputedRelationship",
    "ForeignKey",
    "Junction",
    "MediaHandler",
    "Parameter",
    "Relation",
    "Relationship",
    "ReturnType",
    "Routine",
    "SchemaCache",
    "Table",
]

Pairs: TypeAlias = tuple[tuple[str, str], ...]
Kind: TypeAlias = Literal["o2m", "m2o", "o2o", "m2m"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table or view.

    Args:
        name: Its name.
        description: Its comment.
        nullable: Whether it accepts null.
        base_type: Its type, or the one below its domain, without length.
        nominal_type: Its type as declared.
        max_length: For character types: the length.
        default: The default's SQL.
        enum: The labels of its enumeration.
    """

    name: str
    description: str | None
    nullable: bool
    base_type: str
    nominal_type: str
    max_length: int | None
    default: str | None
    enum: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view, and which statements it takes, whatever the caller's rights."""

    name: QName
    description: str | None
    is_view: bool
    insertable: bool
    updatable: bool
    deletable: bool
    primary_key: tuple[str, ...]
    columns: Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key as the catalog has it."""

    table: QName
    foreign_table: QName
    is_self: bool
    constraint: str
    columns: Pairs
    is_unique: bool


@dataclass(frozen=True, slots=True)
class Junction:
    """The table in the middle of a many-to-many relationship.

    Args:
        table: The table.
        source_constraint: Its foreign key to the source.
        target_constraint: Its foreign key to the target.
        source_columns: Pairs of a source column and the junction's column.
        target_columns: Pairs of a target column and the junction's column.
    """

    table: QName
    source_constraint: str
    target_constraint: str
    source_columns: Pairs
    target_columns: Pairs


@dataclass(frozen=True, slots=True)
class Relationship:
    """How rows of one table or view belong to rows of another.

    Args:
        table: Where it starts.
        foreign_table: Where it leads.
        is_self: Whether both are the same.
        kind: Its cardinality, read from ``table``.
        constraint: The foreign key behind it; empty for ``m2m``.
        columns: Pairs of a column here and one there; empty for ``m2m``.
        junction: For ``m2m``: the table between.
        is_parent: For ``o2o``: whether the foreign key is on the other side.
        table_is_view: Whether ``table`` is a view.
        foreign_table_is_view: Whether ``foreign_table`` is a view.
    """

    table: QName
    foreign_table: QName
    is_self: bool
    kind: Kind
    constraint: str
    columns: Pairs
    junction: Junction | None = None
    is_parent: bool = False
    table_is_view: bool = False
    foreign_table_is_view: bool = False

    @property
    def to_one(self) -> bool:
        """Whether there is at most one row on the other side."""
        return self.kind in ("m2o", "o2o")


@dataclass(frozen=True, slots=True)
class ComputedRelationship:
    """A relationship that a function of a row defines."""

    function: QName
    table: QName
    foreign_table: QName
    to_one: bool


Relation: TypeAlias = Relationship | ComputedRelationship


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function.

    Args:
        name: Its name; empty when it has none.
        type: Its type.
        cast_type: The same, without a length that would truncate.
        required: Whether it has no default.
        variadic: Whether it takes the rest of the arguments.
    """

    name: str
    type: str
    cast_type: str
    required: bool
    variadic: bool


@dataclass(frozen=True, slots=True)
class ReturnType:
    """What a function returns."""

    name: QName
    is_set: bool
    is_composite: bool


@dataclass(frozen=True, slots=True)
class Routine:
    """A function that can be called."""

    name: QName
    description: str | None
    parameters: tuple[Parameter, ...]
    returns: ReturnType
    volatility: Literal["v", "s", "i"]
    is_variadic: bool
    isolation: str | None
    settings: tuple[tuple[str, str], ...]
    unqualified_write: Literal["UPDATE", "DELETE"] | None = None
    """The statement without WHERE that safeupdate would refuse when this function runs."""

    @property
    def returns_scalar(self) -> bool:
        """Whether it returns one value that is no row."""
        return not self.returns.is_set and not self.returns.is_composite

    @property
    def returns_set_of_scalars(self) -> bool:
        """Whether it returns values that are no rows."""
        return self.returns.is_set and not self.returns.is_composite

    @property
    def returns_void(self) -> bool:
        """Whether it returns nothing."""
        return not self.returns.is_set and self.returns.name == QName("pg_catalog", "void")

    @property
    def table_name(self) -> str | None:
        """The name of the row type that it returns."""
        return self.returns.name.name if self.returns.is_composite else None


@dataclass(frozen=True, slots=True)
class MediaHandler:
    """A function that turns rows, or any value, into a media type.

    Args:
        function: The aggregate, or the domain to cast to.
        target: The row type it is made for; ``None`` for any.
        media_type: The media type's name.
        content_type: What is sent; differs for ``*/*``.
    """

    function: QName
    target: QName | None
    media_type: str
    content_type: str


@dataclass(frozen=True, slots=True)
class SchemaCache:
    """Everything that requests are planned with.

    Args:
        schemas: The exposed schemas, the default one first.
        tables: Tables and views of these.
        relationships: By table and the foreign table's schema.
        routines: By name; overloads, the one with the fewest parameters first.
        representations: Casting functions of domains, by source and target type.
        media_handlers: By row type (``None`` for any) and media type.
        version: Grows with every load.
    """

    schemas: tuple[str, ...]
    tables: Mapping[QName, Table]
    relationships: Mapping[tuple[QName, str], Sequence[Relation]]
    routines: Mapping[QName, Sequence[Routine]]
    representations: Mapping[tuple[str, str], str]
    media_handlers: Mapping[tuple[QName | None, str], MediaHandler]
    version: int = field(default=0)
