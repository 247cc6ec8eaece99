"""Plans what a request reads, or shows of what it wrote.

Source: PostgREST's documentation, "Resource Embedding" and "Tables and Views".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from headway.local.rest.errors import (
    aggregates_error,
    not_embedded_error,
    related_order_error,
    target_name_error,
)
from headway.local.rest.identifiers import QName
from headway.local.rest.plan.embeds import find_relationship, join_conditions
from headway.local.rest.plan.fields import FieldResolver
from headway.local.rest.plan.model import (
    SOURCE,
    Condition,
    ConditionTree,
    EmbedNull,
    JsonEmbed,
    ReadPlan,
    SelectTerm,
    Spread,
    ToManySpread,
    Where,
)
from headway.local.rest.plan.spreads import hoist_aggregates, plan_spread_orders, spread_columns
from headway.local.rest.request.ast import Embed, Is, SelectField
from headway.local.rest.request.query_string import Path, QueryParameters
from headway.local.rest.request.ranges import Range
from headway.local.rest.schema.model import ComputedRelationship, Relationship, SchemaCache

__all__ = ["ReadOptions", "plan_read", "renamed_filters"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What decides about a read beside its query string.

    Args:
        from_source: Whether the root is what a mutation or call returned, rather than the table.
        filters_at_root: Whether filters at the root apply here, rather than to the mutation.
        ranges: Whether ranges apply.
        top_level_range: The rows asked for at the root.
        max_rows: The most rows of any level.
        aggregates: Whether aggregates are allowed.
        target_names: Whether filters may name an aliased embed by its table.
    """

    from_source: bool
    filters_at_root: bool
    ranges: bool
    top_level_range: Range
    max_rows: int | None
    aggregates: bool
    target_names: bool = True


def plan_read(cache: SchemaCache, table: QName, query: QueryParameters, options: ReadOptions) -> ReadPlan:
    """The plan of a read.

    Args:
        cache: The schema cache.
        table: The table, or the row type of a function's result.
        query: The query string.
        options: What else decides.

    Raises:
        RestError: the query asks for what the schema does not have.
    """
    resolver = FieldResolver(cache, table)
    root = ReadPlan(table, table.name)
    _add_items(root, query.select, resolver)
    _apply(root, query, options, resolver)
    if options.from_source:
        root.source, root.source_alias = SOURCE, table.name
    _relate_children(root, cache, table.schema)
    _expand_stars(root, resolver, inherited=False)
    _name_fields(root)
    _resolve_related_orders(root)
    _resolve_embed_nulls(root)
    _select_embeds(root)
    if not options.aggregates:
        _refuse_aggregates(root)
    hoist_aggregates(root)
    plan_spread_orders(root)
    if options.ranges:
        _cap(root, options.max_rows)
    return root


def renamed_filters(plan: ReadPlan) -> list[tuple[str, str]]:
    """The embeds that filters name by table although they have an alias: table and alias.

    Args:
        plan: The plan's root.
    """
    own = [(plan.relation, plan.alias)] if plan.renamed_filter and plan.alias else []
    return [*own, *(found for child in plan.children for found in renamed_filters(child))]


def _add_items(plan: ReadPlan, items: tuple[SelectField | Embed, ...], resolver: FieldResolver) -> None:
    for item in items:
        if isinstance(item, SelectField):
            plan.select.append(
                SelectTerm(
                    resolver.output(item.field), item.aggregate, item.aggregate_cast, item.cast, item.alias
                )
            )
            continue
        source = QName(resolver.table.schema, item.relation)
        child = ReadPlan(
            source,
            item.relation,
            depth=plan.depth + 1,
            alias=item.alias,
            hint=item.hint,
            join=item.join,
            spread="one" if item.spread else None,
        )
        _add_items(child, item.items, resolver.on(source))
        plan.children.append(child)


def _apply(root: ReadPlan, query: QueryParameters, options: ReadOptions, resolver: FieldResolver) -> None:
    def at(path: Path, change: Callable[[ReadPlan, FieldResolver], None]) -> None:
        plan = _descend(root, path, options.target_names)
        change(plan, resolver.on(plan.source))

    for path, condition in [*query.logic, *query.filters]:
        if path or options.filters_at_root:
            at(path, lambda plan, fields, c=condition: plan.where.append(fields.condition(c)))  # type: ignore[misc]
    ordered: set[Path] = set()
    for path, terms in query.order:
        if path not in ordered:
            ordered.add(path)
            at(path, lambda plan, fields, t=terms: plan.order.extend(map(fields.order, t)))  # type: ignore[misc]
    if options.ranges:
        root.range = options.top_level_range
        for path, span in query.ranges.items():
            if path:
                at(path, lambda plan, _, s=span: setattr(plan, "range", s))  # type: ignore[misc]


def _descend(plan: ReadPlan, path: Path, target_names: bool) -> ReadPlan:
    for name in path:
        found = next((c for c in plan.children if c.name == name), None)
        if found is None:
            found = next((c for c in plan.children if c.relation == name), None)
            if found is None:
                raise not_embedded_error(name)
            if not target_names:
                raise target_name_error(name, found.name)
            found.renamed_filter = True
        plan = found
    return plan


def _relate_children(parent: ReadPlan, cache: SchemaCache, schema: str) -> None:
    for child in parent.children:
        # Only the root's alias stands for a table: it is the name of what the mutation or call returned.
        at_root = parent.depth == 0 and parent.source_alias
        origin = QName(schema, parent.source_alias if at_root and parent.source_alias else parent.source.name)
        relationship = find_relationship(cache, origin, child.relation, child.hint)
        child.relationship = relationship
        child.source = relationship.foreign_table
        child.parent_alias = parent.source_alias or relationship.table.name
        child.aggregate_alias = f"{relationship.table.name}_{child.name}_{child.depth}"
        junction = relationship.junction if isinstance(relationship, Relationship) else None
        if junction is None:
            child.source_alias = f"{relationship.foreign_table.name}_{child.depth}"
        child.join_conditions = join_conditions(relationship, child.source_alias, parent.source_alias)
        if child.spread and not relationship.to_one:
            child.spread = ToManySpread()
        _relate_children(child, cache, schema)


def _expand_stars(plan: ReadPlan, resolver: FieldResolver, *, inherited: bool) -> None:
    """Replaces ``*`` by the columns where their names are needed: to group by, to spread, to transform."""
    grouped = (
        inherited or any(term.aggregate for term in plan.select) or isinstance(plan.spread, ToManySpread)
    )
    table = QName(resolver.table.schema, plan.source_alias or "") if plan.source == SOURCE else plan.source
    fields = resolver.on(table)
    stars = [t for t in plan.select if t.field.name == "*" and not t.field.path]
    counted_in_spread = plan.spread is not None and any(t.aggregate == "count" for t in stars)
    if (any(t.aggregate is None for t in stars) or counted_in_spread) and (
        grouped or fields.has_representations()
    ):
        expanded: list[SelectTerm] = []
        for term in plan.select:
            if term not in stars:
                expanded.append(term)
            elif term.aggregate is None:
                expanded += [replace(term, field=field) for field in fields.output_columns()]
            elif plan.spread is not None and term.aggregate == "count":
                expanded.append(replace(term, field=replace(term.field, whole_row=True)))
            else:
                expanded.append(term)
        plan.select = expanded
    for child in plan.children:
        _expand_stars(child, resolver, inherited=grouped)


def _name_fields(plan: ReadPlan) -> None:
    plan.select = [_named(term, in_spread=plan.spread is not None) for term in plan.select]
    for child in plan.children:
        _name_fields(child)


def _named(term: SelectTerm, *, in_spread: bool) -> SelectTerm:
    if term.alias is not None:
        return term
    if term.aggregate is not None:
        return replace(term, alias=term.aggregate) if in_spread else term
    if term.field.path:
        keys = [step.operand for step in term.field.path if not step.is_index]
        last = term.field.path[-1]
        name = last.operand if not last.is_index else (keys[-1] if keys else term.field.name)
        return replace(term, alias=name)
    if term.field.transform is not None:
        return replace(term, alias=term.field.name)
    return term


def _resolve_related_orders(plan: ReadPlan) -> None:
    for index, order in enumerate(plan.order):
        if order.relation is None:
            continue
        child = next((c for c in plan.children if c.name == order.relation), None)
        if child is None:
            raise not_embedded_error(order.relation)
        if child.relationship is None or not child.relationship.to_one:
            raise related_order_error(plan.source.name, child.name)
        plan.order[index] = replace(order, relation=child.aggregate_alias)
    for child in plan.children:
        _resolve_related_orders(child)


def _resolve_embed_nulls(plan: ReadPlan) -> None:
    by_name = {child.name: child for child in reversed(plan.children)}

    def resolve(where: Where) -> Where:
        if isinstance(where, ConditionTree):
            return replace(where, terms=tuple(map(resolve, where.terms)))
        if (
            isinstance(where, Condition)
            and where.operation == Is("NULL")
            and not where.field.path
            and where.field.name in by_name
        ):
            return EmbedNull(where.negated, by_name[where.field.name].aggregate_alias)
        return where

    plan.where = [resolve(where) for where in plan.where]
    for child in plan.children:
        _resolve_embed_nulls(child)


def _select_embeds(plan: ReadPlan) -> None:
    for child in plan.children:
        _select_embeds(child)
    for child in plan.children:
        if child.spread is not None:
            plan.relation_select.append(Spread(child.aggregate_alias, spread_columns(child)))
        elif child.relationship is not None:
            plan.relation_select.append(
                JsonEmbed(
                    child.aggregate_alias, child.name, child.relationship.to_one, _selects_nothing(child)
                )
            )


def _selects_nothing(plan: ReadPlan) -> bool:
    return not plan.select and all(map(_selects_nothing, plan.children))


def _refuse_aggregates(plan: ReadPlan) -> None:
    if any(term.aggregate for term in plan.select):
        raise aggregates_error()
    for child in plan.children:
        _refuse_aggregates(child)


def _cap(plan: ReadPlan, max_rows: int | None) -> None:
    plan.range = plan.range.at_most(max_rows)
    for child in plan.children:
        _cap(child, max_rows)


def needed_columns(plan: ReadPlan, primary_key: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The columns that a mutation or call must give back for the plan to be read from it.

    Args:
        plan: The plan's root.
        primary_key: The columns that are always needed.
    """
    selected = [term.field.name for term in plan.select]
    computed = any(isinstance(child.relationship, ComputedRelationship) for child in plan.children)
    if "*" in selected or computed:
        return ("*",)
    joined: list[str] = []
    for child in plan.children:
        if isinstance(child.relationship, Relationship):
            junction = child.relationship.junction
            pairs = junction.source_columns if junction else child.relationship.columns
            joined += [here for here, _ in pairs]
    return tuple(dict.fromkeys([*selected, *joined, *primary_key]))
