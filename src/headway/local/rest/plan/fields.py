"""Finds out what a field's name means for a table.

Source: PostgREST's documentation, "Domain Representations", "JSON Columns" and "Full-Text Search".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from headway.local.rest.errors import column_error
from headway.local.rest.identifiers import QName
from headway.local.rest.plan.model import Condition, ConditionTree, Order, PlannedField, Where
from headway.local.rest.request import ast
from headway.local.rest.schema.model import Column, SchemaCache, Table

__all__ = ["FieldResolver"]


@dataclass(frozen=True, slots=True)
class FieldResolver:
    """Resolves the fields of one table.

    Args:
        cache: The schema cache.
        table: The table; it may be unknown, as a function's result is, and its fields are then untyped.
    """

    cache: SchemaCache
    table: QName

    def on(self, table: QName) -> FieldResolver:
        """The same for another table."""
        return replace(self, table=table)

    @property
    def _known(self) -> Table | None:
        return self.cache.tables.get(self.table)

    def _field(self, field: ast.Field, text_search: tuple[str | None] | None = None) -> PlannedField:
        table = self._known
        column = table.columns.get(field.name) if table else None
        if column is None:
            return PlannedField(field.name, field.path, to_json=True)
        if column.base_type == "tsvector":
            text_search = None
        is_json = column.nominal_type in ("json", "jsonb")
        return PlannedField(
            field.name,
            field.path,
            to_json=not is_json,
            type=column.nominal_type,
            text_search=text_search,
            default=column.default,
        )

    def _through(self, field: PlannedField, source: str, target: str) -> PlannedField:
        function = self.cache.representations.get((source, target))
        return field if function is None else replace(field, type=source, transform=function)

    def _through_text(self, field: PlannedField) -> PlannedField:
        return self._through(field, "text", field.type)

    def output(self, field: ast.Field) -> PlannedField:
        """A field of ``select``."""
        planned = self._field(field)
        return self._through(planned, planned.type, "json")

    def output_columns(self) -> list[PlannedField]:
        """Every column, as ``select=*`` would have them."""
        table = self._known
        return [self.output(ast.Field(name)) for name in table.columns] if table else []

    def has_representations(self) -> bool:
        """Whether some column is not shown as it is stored."""
        table = self._known
        return table is not None and any(
            (column.nominal_type, "json") in self.cache.representations for column in table.columns.values()
        )

    def order(self, term: ast.OrderTerm) -> Order:
        """An order term."""
        if term.relation is not None:
            field = PlannedField(term.field.name, term.field.path)
            return Order(field, term.direction, term.nulls, term.relation)
        return Order(self._field(term.field), term.direction, term.nulls)

    def condition(self, condition: ast.Condition) -> Where:
        """A filter, or a tree of them."""
        if isinstance(condition, ast.Logic):
            terms = tuple(self.condition(term) for term in condition.terms)
            return ConditionTree(condition.negated, condition.operator, terms)
        operation = condition.operation
        search = (operation.language,) if isinstance(operation, ast.FullText) else None
        planned = self._through_text(self._field(condition.field, search))
        return Condition(planned, condition.negated, operation)

    def payload_column(self, name: str) -> PlannedField:
        """A column that a payload fills.

        Args:
            name: The column's name.

        Raises:
            RestError: PGRST204.
        """
        table = self._known
        column: Column | None = table.columns.get(name) if table else None
        if column is None:
            raise column_error(self.table.name, name)
        planned = PlannedField(column.name, type=column.nominal_type, default=column.default)
        return self._through(planned, "json", column.nominal_type)
