"""Plans embeds whose columns become columns of their parent.

Aggregates over a to-one spread belong to the level that the spread ends in, because only there the rows to
aggregate meet: they are lifted up to it. Over a to-many spread each column becomes one array, so that its
order has to be stated inside the aggregation, by columns selected for that purpose.

Source: PostgREST's documentation, "Spread embedded resource" and "Aggregate Functions".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from headway.local.rest.errors import not_implemented_error
from headway.local.rest.plan.model import (
    JsonEmbed,
    Order,
    PlannedField,
    ReadPlan,
    SelectTerm,
    Spread,
    SpreadColumn,
    ToManySpread,
)

__all__ = ["hoist_aggregates", "plan_spread_orders", "spread_columns"]

Lifted: TypeAlias = Mapping[tuple[str, str], SelectTerm]
"""By the subquery's alias and the column's name there: the aggregate to apply above."""


def spread_columns(plan: ReadPlan) -> tuple[SpreadColumn, ...]:
    """The columns that a spread lends to its parent.

    Args:
        plan: The spread embed; its own embeds are already selected.
    """
    columns = [SpreadColumn(term.alias or term.field.name) for term in plan.select]
    for embed in plan.relation_select:
        if isinstance(embed, JsonEmbed):
            columns.append(SpreadColumn(embed.name))
        else:
            columns += embed.columns
    return tuple(columns)


def hoist_aggregates(plan: ReadPlan) -> None:
    """Lift aggregates out of to-one spreads, in place.

    Args:
        plan: The plan's root.
    """
    _hoist(plan)


def _hoist(plan: ReadPlan) -> dict[tuple[str, str], SelectTerm]:
    from_below: dict[tuple[str, str], SelectTerm] = {}
    for child in plan.children:
        from_below |= _hoist(child)
    if plan.spread != "one":
        plan.relation_select = [
            _with_aggregates(embed, from_below) if isinstance(embed, Spread) else embed
            for embed in plan.relation_select
        ]
        return {}
    lifted: dict[tuple[str, str], SelectTerm] = {}
    kept: list[SelectTerm] = []
    for term in plan.select:
        if term.aggregate is None:
            kept.append(term)
            continue
        kept.append(replace(term, aggregate=None, aggregate_cast=None))
        lifted[plan.aggregate_alias, term.alias or term.field.name] = term
    plan.select = kept
    lifted |= {(plan.aggregate_alias, name): term for (_, name), term in from_below.items()}
    return lifted


def _with_aggregates(spread: Spread, lifted: Lifted) -> Spread:
    def lift(column: SpreadColumn) -> SpreadColumn:
        term = lifted.get((spread.alias, column.name))
        if term is None:
            return column
        return replace(column, aggregate=term.aggregate, aggregate_cast=term.aggregate_cast, alias=term.alias)

    return replace(spread, columns=tuple(map(lift, spread.columns)))


def plan_spread_orders(plan: ReadPlan) -> None:
    """Move the order of to-many spreads into their aggregation, in place.

    Args:
        plan: The plan's root.

    Raises:
        RestError: PGRST127, an aggregate inside such a spread.
    """
    if isinstance(plan.spread, ToManySpread):
        lifted = any(
            column.aggregate
            for embed in plan.relation_select
            if isinstance(embed, Spread)
            for column in embed.columns
        )
        if lifted or any(term.aggregate for term in plan.select):
            raise not_implemented_error(
                "Aggregates are not implemented for one-to-many or many-to-many spreads."
            )
        extra: list[tuple[str | None, SelectTerm]] = []
        orders: list[Order] = []
        for number, order in enumerate(plan.order, 1):
            alias = f"{plan.aggregate_alias}_{order.field.name}_{number}"
            extra.append((order.relation, SelectTerm(order.field, alias=alias)))
            orders.append(Order(PlannedField(alias), order.direction, order.nulls))
        plan.order = []
        plan.spread = ToManySpread(tuple(extra), tuple(orders))
    for child in plan.children:
        plan_spread_orders(child)
