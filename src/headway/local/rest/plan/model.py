"""What a request means for the database: the values that SQL is composed from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from headway.local.rest.identifiers import QName
from headway.local.rest.request.ast import Aggregate, Join, JsonStep, Operation
from headway.local.rest.request.payload import Payload
from headway.local.rest.request.ranges import EVERYTHING, Range
from headway.local.rest.schema.model import Parameter, Relation, Routine

__all__ = [
    "SOURCE",
    "CallPlan",
    "Condition",
    "ConditionTree",
    "DeletePlan",
    "EmbedNull",
    "InsertPlan",
    "JoinCondition",
    "JsonEmbed",
    "MutatePlan",
    "Order",
    "PlannedField",
    "ReadPlan",
    "RelationSelect",
    "SelectTerm",
    "Spread",
    "SpreadColumn",
    "ToManySpread",
    "UpdatePlan",
]

SOURCE = QName("", "pgrst_source")
"""The common table expression that holds what a mutation or a call returned."""


@dataclass(frozen=True, slots=True)
class PlannedField:
    """A field whose type is known as far as it is needed.

    Args:
        name: The column.
        path: The path into it.
        to_json: Whether the path needs the column converted to JSON first.
        type: The declared type; empty when unknown.
        text_search: For text search: make a tsvector, in this language.
        transform: A function to pass the value through.
        default: The column's default.
        whole_row: Whether it stands for the row, as an argument of ``count``.
    """

    name: str
    path: tuple[JsonStep, ...] = ()
    to_json: bool = False
    type: str = ""
    text_search: tuple[str | None] | None = None
    transform: str | None = None
    default: str | None = None
    whole_row: bool = False


@dataclass(frozen=True, slots=True)
class SelectTerm:
    """One selected field."""

    field: PlannedField
    aggregate: Aggregate | None = None
    aggregate_cast: str | None = None
    cast: str | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a field."""

    field: PlannedField
    negated: bool
    operation: Operation


@dataclass(frozen=True, slots=True)
class EmbedNull:
    """Whether an embed is there: ``rel=is.null``, or, ``negated``, ``rel=not.is.null``."""

    negated: bool
    alias: str


@dataclass(frozen=True, slots=True)
class ConditionTree:
    """Conditions joined by AND or OR."""

    negated: bool
    operator: Literal["AND", "OR"]
    terms: tuple[Where, ...]


Where: TypeAlias = Condition | EmbedNull | ConditionTree


@dataclass(frozen=True, slots=True)
class Order:
    """One order term; with ``relation``, on a column of that embed."""

    field: PlannedField
    direction: str | None
    nulls: str | None
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class JoinCondition:
    """Equality of two columns, each of a table or an alias."""

    left: tuple[QName, str]
    right: tuple[QName, str]


@dataclass(frozen=True, slots=True)
class SpreadColumn:
    """A column that a spread embed lends to its parent."""

    name: str
    aggregate: Aggregate | None = None
    aggregate_cast: str | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class JsonEmbed:
    """An embed that becomes one JSON value of its parent."""

    alias: str
    name: str
    to_one: bool
    is_empty: bool


@dataclass(frozen=True, slots=True)
class Spread:
    """An embed whose columns become columns of its parent."""

    alias: str
    columns: tuple[SpreadColumn, ...]


RelationSelect: TypeAlias = JsonEmbed | Spread


@dataclass(frozen=True, slots=True)
class ToManySpread:
    """What a spread over many rows selects and sorts by, beside its columns.

    Args:
        extra: Columns selected for sorting only, each of an embed when it has a name.
        order: The order of the elements.
    """

    extra: tuple[tuple[str | None, SelectTerm], ...] = ()
    order: tuple[Order, ...] = ()


@dataclass(slots=True)
class ReadPlan:
    """A table to read, with the embeds below it.

    Args:
        source: What to read from.
        relation: The name it was asked for by.
        depth: How many embeds are above it.
        source_alias: The alias in FROM.
        parent_alias: What the row it is embedded in is called there.
        select: The fields.
        where: The conditions, all of which must hold.
        order: The order.
        range: The rows.
        alias: The name the client gave it.
        hint: Which of several relationships to take.
        join: Whether rows without it are left out.
        spread: Whether its columns become its parent's, and how.
        relationship: How it belongs to its parent.
        join_conditions: The same, as equalities.
        aggregate_alias: The alias of its lateral subquery.
        relation_select: What its embeds contribute.
        children: Its embeds.
        renamed_filter: Whether a filter named it by its table although it has an alias.
    """

    source: QName
    relation: str
    depth: int = 0
    source_alias: str | None = None
    parent_alias: str = ""
    select: list[SelectTerm] = field(default_factory=list)
    where: list[Where] = field(default_factory=list)
    order: list[Order] = field(default_factory=list)
    range: Range = EVERYTHING
    alias: str | None = None
    hint: str | None = None
    join: Join | None = None
    spread: Literal["one"] | ToManySpread | None = None
    relationship: Relation | None = None
    join_conditions: list[JoinCondition] = field(default_factory=list)
    aggregate_alias: str = ""
    relation_select: list[RelationSelect] = field(default_factory=list)
    children: list[ReadPlan] = field(default_factory=list)
    renamed_filter: bool = False

    @property
    def name(self) -> str:
        """The name by which the client knows it."""
        return self.alias or self.relation


@dataclass(frozen=True, slots=True)
class InsertPlan:
    """Rows to insert.

    Args:
        table: The table.
        columns: The columns that the payload fills.
        payload: The rows.
        returning: The columns to give back; none at all when empty.
        primary_key: The table's primary key.
        conflict: What to do about rows that exist, and the columns that tell.
        put_conditions: For PUT: what the row must satisfy.
        defaults: Whether missing values become the column's default.
    """

    table: QName
    columns: tuple[PlannedField, ...]
    payload: Payload
    returning: tuple[str, ...]
    primary_key: tuple[str, ...]
    conflict: tuple[Literal["merge-duplicates", "ignore-duplicates"], tuple[str, ...]] | None = None
    put_conditions: tuple[Where, ...] = ()
    defaults: bool = False


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """Rows to change."""

    table: QName
    columns: tuple[PlannedField, ...]
    payload: Payload
    where: tuple[Where, ...]
    returning: tuple[str, ...]
    defaults: bool = False


@dataclass(frozen=True, slots=True)
class DeletePlan:
    """Rows to delete."""

    table: QName
    where: tuple[Where, ...]
    returning: tuple[str, ...]


MutatePlan: TypeAlias = InsertPlan | UpdatePlan | DeletePlan


@dataclass(frozen=True, slots=True)
class CallPlan:
    """A function to call.

    Args:
        routine: The function.
        parameters: The parameters that get an argument.
        payload: Arguments as one JSON document, or one raw value.
        arguments: Arguments as text, by name; several for a variadic parameter.
        returning: The columns that are needed of what it returns.
    """

    routine: Routine
    parameters: tuple[Parameter, ...]
    payload: Payload | None
    arguments: dict[str, str | tuple[str, ...]]
    returning: tuple[str, ...]

    @property
    def single_unnamed(self) -> bool:
        """Whether its one parameter has no name and takes everything."""
        parameters = self.routine.parameters
        return len(parameters) == 1 and not parameters[0].name
