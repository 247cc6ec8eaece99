"""Writes the SELECT of a read plan, and the one that counts its rows.

Each embed is a lateral subquery: a to-one embed joins its one row, a to-many embed its rows as one array.

Source: PostgREST's documentation, "Resource Embedding".
"""

from __future__ import annotations

from headway.local.rest.identifiers import QName, quote
from headway.local.rest.plan.model import (
    Condition,
    ConditionTree,
    EmbedNull,
    JoinCondition,
    JsonEmbed,
    PlannedField,
    ReadPlan,
    RelationSelect,
    SelectTerm,
    Spread,
    SpreadColumn,
    ToManySpread,
    Where,
)
from headway.local.rest.request.ranges import EVERYTHING, Range
from headway.local.rest.schema.model import ComputedRelationship, Relationship
from headway.local.rest.sql.fields import (
    column,
    spread_column_name,
    write_condition,
    write_field,
    write_order,
    write_select_term,
    write_spread_column,
    write_tree,
    write_where,
)
from headway.local.rest.sql.writer import Writer

__all__ = ["write_count", "write_read"]

_ALL_COLUMNS = SelectTerm(PlannedField("*"))


def _table(plan: ReadPlan) -> QName:
    """What the plan's columns are qualified with."""
    return QName("", plan.source_alias) if plan.source_alias else plan.source


def write_read(w: Writer, plan: ReadPlan) -> None:
    """The SELECT of a plan."""
    table = _table(plan)
    w.add("SELECT ")
    _write_select_list(w, plan, table)
    _write_from(w, plan)
    children = {child.aggregate_alias: child for child in plan.children}
    for embed in plan.relation_select:
        _write_join(w, embed, children[embed.alias])
    if plan.where or plan.join_conditions:
        w.add(" WHERE ")
        terms: list[Where | JoinCondition] = [*plan.where, *plan.join_conditions]
        w.join(" AND ", terms, lambda term: _write_term(w, table, term))
    _write_group(w, plan, table)
    write_order(w, table, plan.order)
    _write_range(w, plan.range)


def _write_term(w: Writer, table: QName, term: Where | JoinCondition) -> None:
    if isinstance(term, JoinCondition):
        w.add(column(*term.left), " = ", column(*term.right))
    else:
        write_where(w, table, term)


def _write_select_list(w: Writer, plan: ReadPlan, table: QName) -> None:
    written = 0

    def separate() -> None:
        nonlocal written
        if written:
            w.add(", ")
        written += 1

    # A join without output still needs its columns, for its parent to tell whether it is there.
    for term in plan.select if plan.select or plan.children else [_ALL_COLUMNS]:
        separate()
        write_select_term(w, table, term)
    if isinstance(plan.spread, ToManySpread):
        for relation, term in plan.spread.extra:
            separate()
            alias = next((c.aggregate_alias for c in plan.children if c.aggregate_alias == relation), None)
            write_select_term(w, QName("", alias) if alias else table, term)
    for embed in plan.relation_select:
        if isinstance(embed, JsonEmbed):
            if not embed.is_empty:
                separate()
                _write_json_embed(w, embed)
        else:
            for spread in embed.columns:
                separate()
                write_spread_column(w, embed.alias, spread)


def _write_json_embed(w: Writer, embed: JsonEmbed) -> None:
    alias = quote(embed.alias)
    if embed.to_one:
        w.add("row_to_json(", alias, ".*)::jsonb AS ", quote(embed.name))
    else:
        w.add("COALESCE( ", alias, ".", alias, ", '[]') AS ", quote(embed.name))


def _write_from(w: Writer, plan: ReadPlan) -> None:
    relationship = plan.relationship
    w.add(" FROM ")
    if isinstance(relationship, ComputedRelationship):
        # The cast picks the overload for this row type.
        w.add(relationship.function.sql, "(", quote(plan.parent_alias), "::", relationship.table.sql, ")")
    else:
        w.add(plan.source.sql)
    if plan.source_alias:
        w.add(" AS ", quote(plan.source_alias))
    if isinstance(relationship, Relationship) and relationship.junction:
        w.add(", ", relationship.junction.table.sql)


def _write_join(w: Writer, embed: RelationSelect, plan: ReadPlan) -> None:
    inner = plan.join == "inner"
    alias = quote(embed.alias)
    w.add(" INNER" if inner else " LEFT", " JOIN LATERAL ( ")
    to_many_spread = plan.spread if isinstance(plan.spread, ToManySpread) else None
    if (isinstance(embed, JsonEmbed) and embed.to_one) or (isinstance(embed, Spread) and not to_many_spread):
        write_read(w, plan)
        w.add(" ) AS ", alias, " ON TRUE")
        return
    w.add("SELECT json_agg(", alias, ")::jsonb AS ", alias)
    if isinstance(embed, Spread) and to_many_spread:
        for spread in embed.columns:
            w.add(", ")
            _write_aggregated(w, embed.alias, spread, to_many_spread)
    w.add(" FROM (")
    write_read(w, plan)
    w.add(" ) AS ", alias, " ) AS ", alias, " ON ")
    w.add(alias, " IS NOT NULL") if inner else w.add("TRUE")


def _write_aggregated(w: Writer, alias: str, spread: SpreadColumn, many: ToManySpread) -> None:
    w.add("COALESCE(json_agg(", spread_column_name(alias, spread.name))
    write_order(w, QName("", alias), many.order)
    w.add("), '[]')::jsonb AS ", quote(spread.alias or spread.name))


def _write_group(w: Writer, plan: ReadPlan, table: QName) -> None:
    spreads = [embed for embed in plan.relation_select if isinstance(embed, Spread)]
    aggregated = any(term.aggregate for term in plan.select) or any(
        spread.aggregate for embed in spreads for spread in embed.columns
    )
    if not aggregated:
        return
    written = 0

    def separate() -> None:
        nonlocal written
        w.add(", " if written else " GROUP BY ")
        written += 1

    for term in plan.select:
        if term.aggregate is None:
            separate()
            if term.alias is not None:
                w.add(quote(term.alias))
            else:
                write_field(w, table, term.field)
    for embed in plan.relation_select:
        if isinstance(embed, JsonEmbed):
            if not embed.is_empty:
                separate()
                w.add(quote(embed.name))
        else:
            for spread in embed.columns:
                if spread.aggregate is None:
                    separate()
                    w.add(spread_column_name(embed.alias, spread.alias or spread.name))


def _write_range(w: Writer, span: Range) -> None:
    if span == EVERYTHING:
        return
    w.add(" LIMIT ")
    if span.limit is None:
        w.add("ALL")
    else:
        w.bind(str(span.limit))
    w.add(" OFFSET ").bind(str(span.first))


def write_count(w: Writer, plan: ReadPlan, limit: int | None = None) -> None:
    """A SELECT with one row for each row of the plan's root, whatever page was asked for.

    Args:
        w: Where to write.
        plan: The plan's root.
        limit: The most rows to look at.
    """
    table = _table(plan)
    w.add("SELECT 1")
    _write_from(w, plan)
    inner = [child for child in plan.children if child.join == "inner"]
    terms: list[Where | JoinCondition | ReadPlan] = [*plan.where, *plan.join_conditions, *inner]
    if terms:
        w.add(" WHERE ")
        w.join(" AND ", terms, lambda term: _write_count_term(w, plan, table, term))
    if limit is not None:
        w.add(" LIMIT ").bind(str(limit))


def _write_count_term(
    w: Writer, plan: ReadPlan, table: QName, term: Where | JoinCondition | ReadPlan
) -> None:
    if isinstance(term, ReadPlan):
        w.add("EXISTS (")
        write_count(w, term)
        w.add(")")
    elif isinstance(term, JoinCondition):
        _write_term(w, table, term)
    elif isinstance(term, ConditionTree):
        write_tree(w, term, lambda inner: _write_count_term(w, plan, table, inner))
    elif isinstance(term, EmbedNull):
        w.add("EXISTS (" if term.negated else "NOT EXISTS (")
        write_count(w, next(child for child in plan.children if child.aggregate_alias == term.alias))
        w.add(")")
    else:
        assert isinstance(term, Condition)
        write_condition(w, table, term)
