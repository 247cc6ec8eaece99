"""Writes fields, conditions and order.

Source: PostgREST's documentation, "Tables and Views".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headway.local.rest.identifiers import QName, quote
from headway.local.rest.plan.model import (
    Condition,
    ConditionTree,
    EmbedNull,
    Order,
    PlannedField,
    SelectTerm,
    SpreadColumn,
    Where,
)
from headway.local.rest.request.ast import FullText, In, Is, IsDistinct, JsonStep, Plain, Quantified
from headway.local.rest.sql.casts import cast_type
from headway.local.rest.sql.writer import Writer, array_literal

__all__ = [
    "column",
    "spread_column_name",
    "write_condition",
    "write_conditions",
    "write_field",
    "write_order",
    "write_select_term",
    "write_spread_column",
]


def column(table: QName, name: str) -> str:
    """A column of a table or alias; ``*`` is all of them."""
    return f"{table.sql}.*" if name == "*" else f"{table.sql}.{quote(name)}"


def write_field(w: Writer, table: QName, field: PlannedField) -> None:
    """A field as an expression."""
    if field.text_search is not None:
        w.add("to_tsvector(")
        _write_language(w, field.text_search[0])
    if field.whole_row:
        w.add(quote(table.name))
    elif not field.path:
        w.add(column(table, field.name))
    else:
        name = column(table, field.name)
        w.add(f"to_jsonb({name})" if field.to_json else name)
        _write_path(w, field.path)
    if field.text_search is not None:
        w.add(")")


def _write_path(w: Writer, path: Iterable[JsonStep]) -> None:
    for step in path:
        w.add("->>" if step.as_text else "->").bind(step.operand)
        w.add("::int" if step.is_index else "::text")


def _write_language(w: Writer, language: str | None) -> None:
    if language is not None:
        w.bind(language).add("::regconfig, ")


def write_select_term(w: Writer, table: QName, term: SelectTerm) -> None:
    """A field of the select list."""
    if term.aggregate is not None and term.aggregate_cast is not None:
        w.add("CAST( ")
    if term.aggregate is not None:
        w.add(term.aggregate.upper(), "(")
    if term.cast is not None:
        w.add("CAST( ")
    if term.field.transform is not None:
        w.add(term.field.transform, "(")
    if term.field.name == "*" and term.aggregate is not None and not term.field.whole_row:
        # count(*), which counts rows; count(t.*) would not count a row of nulls only.
        w.add("*")
    else:
        write_field(w, table, term.field)
    if term.field.transform is not None:
        w.add(")")
    if term.cast is not None:
        w.add(" AS ", cast_type(term.cast), " )")
    _close_aggregate(w, term.aggregate, term.aggregate_cast)
    if term.alias is not None:
        w.add(" AS ", quote(term.alias))


def _close_aggregate(w: Writer, aggregate: str | None, cast: str | None) -> None:
    if aggregate is not None:
        w.add(")")
        if cast is not None:
            w.add(" AS ", cast_type(cast), " )")


def spread_column_name(alias: str, name: str) -> str:
    """A column of a spread's subquery."""
    return column(QName("", alias), name)


def write_spread_column(w: Writer, alias: str, spread: SpreadColumn) -> None:
    """A column that a spread lends to the select list."""
    if spread.aggregate is not None and spread.aggregate_cast is not None:
        w.add("CAST( ")
    if spread.aggregate is not None:
        w.add(spread.aggregate.upper(), "(")
    w.add(spread_column_name(alias, spread.name))
    _close_aggregate(w, spread.aggregate, spread.aggregate_cast)
    if spread.alias is not None:
        w.add(" AS ", quote(spread.alias))


def write_conditions(w: Writer, table: QName, conditions: Sequence[Where]) -> None:
    """Conditions that must all hold."""
    w.join(" AND ", conditions, lambda condition: write_where(w, table, condition))


def write_where(w: Writer, table: QName, where: Where) -> None:
    """One condition, or a tree of them."""
    if isinstance(where, Condition):
        write_condition(w, table, where)
    elif isinstance(where, EmbedNull):
        # IS [NOT] DISTINCT FROM, because a row whose columns are all null IS NULL too.
        distinct = "IS DISTINCT FROM" if where.negated else "IS NOT DISTINCT FROM"
        w.add(quote(where.alias), f" {distinct} NULL")
    else:
        write_tree(w, where, lambda term: write_where(w, table, term))


def write_tree(w: Writer, tree: ConditionTree, write: object) -> None:
    """A tree whose terms are written by ``write``."""
    w.add("NOT (" if tree.negated else "(")
    w.join(f" {tree.operator} ", tree.terms, write)  # type: ignore[arg-type]
    w.add(")")


def write_condition(w: Writer, table: QName, condition: Condition) -> None:
    """One condition."""
    if condition.negated:
        w.add("NOT ")
    write_field(w, table, condition.field)
    operation, transform = condition.operation, condition.field.transform
    if isinstance(operation, Quantified):
        _write_quantified(w, operation, transform)
    elif isinstance(operation, Plain):
        w.add(f" {operation.operator} ")
        _write_value(w, operation.value, transform)
    elif isinstance(operation, Is):
        w.add(" IS ", operation.what)
    elif isinstance(operation, In):
        _write_in(w, operation, transform)
    elif isinstance(operation, IsDistinct):
        w.add(" IS DISTINCT FROM ").bind(operation.value)
    else:
        assert isinstance(operation, FullText)
        w.add(" @@ ", operation.function, "(")
        _write_language(w, operation.language)
        w.bind(operation.value).add("::text)")


def _write_value(w: Writer, value: str, transform: str | None) -> None:
    if transform is None:
        w.bind(value)
    else:
        w.add(transform, "(").bind(value).add(")")


def _write_quantified(w: Writer, operation: Quantified, transform: str | None) -> None:
    w.add(f" {operation.operator} ")
    value = operation.value
    if operation.operator in ("like", "ilike"):
        value, transform = value.replace("*", "%"), None
    if operation.quantifier is not None:
        w.add(operation.quantifier.upper(), "(")
    _write_value(w, value, transform)
    if operation.quantifier is not None:
        w.add(")")


def _write_in(w: Writer, operation: In, transform: str | None) -> None:
    # = ANY, because IN () is no SQL, and because the number of values must not change the statement's text.
    w.add(" = ANY (")
    values = () if operation.values == ("",) else operation.values
    if transform is None:
        w.bind(array_literal(values))
    else:
        w.add("SELECT ", transform, "(unnest(").bind(array_literal(values)).add("::text[]))")
    w.add(")")


def write_order(w: Writer, table: QName, order: Sequence[Order]) -> None:
    """ORDER BY, if there is an order."""
    if not order:
        return
    w.add(" ORDER BY ")
    w.join(", ", order, lambda term: _write_order_term(w, table, term))


def _write_order_term(w: Writer, table: QName, term: Order) -> None:
    write_field(w, table if term.relation is None else QName("", term.relation), term.field)
    if term.direction is not None:
        w.add(f" {term.direction}")
    if term.nulls is not None:
        w.add(f" {term.nulls}")
