"""Relationships between tables and views, derived from foreign keys.

Source: PostgREST's documentation, "Resource Embedding": many-to-one follows a foreign key, one-to-one one
whose columns are unique, one-to-many its inverse, many-to-many a table whose primary key holds two of them;
views have the relationships of the tables whose keys they show; a function of a row overrides a relationship.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from headway.local.rest.identifiers import QName
from headway.local.rest.schema.model import (
    ComputedRelationship,
    ForeignKey,
    Junction,
    Pairs,
    Relation,
    Relationship,
    Table,
)
from headway.local.rest.schema.views import ViewKey

__all__ = ["derive_relationships", "with_view_keys"]

_KIND_ORDER = {"o2m": 0, "m2o": 1, "o2o": 2, "m2m": 3}


def derive_relationships(
    foreign_keys: Iterable[ForeignKey],
    view_keys: Sequence[ViewKey],
    primary_keys: Mapping[QName, tuple[str, ...]],
    computed: Iterable[ComputedRelationship],
    schemas: Iterable[str],
) -> dict[tuple[QName, str], list[Relation]]:
    """Every relationship between exposed tables and views, by its table and the foreign table's schema.

    Args:
        foreign_keys: All foreign keys.
        view_keys: The keys that views show.
        primary_keys: The primary keys of all tables and views, exposed or not.
        computed: Functions of a row.
        schemas: The exposed schemas.
    """
    forward = _forward(foreign_keys)
    forward += _through_views(forward, view_keys)
    found: list[Relationship] = [*forward, *_many_to_many(forward, primary_keys)]
    found += [_inverse(relationship) for relationship in forward]
    by_pair: defaultdict[tuple[QName, QName], list[Relation]] = defaultdict(list)
    for relationship in found:
        by_pair[relationship.table, relationship.foreign_table].append(relationship)
    for function in computed:
        by_pair[function.table, function.function] = [function]
    exposed = frozenset(schemas)
    result: defaultdict[tuple[QName, str], list[Relation]] = defaultdict(list)
    for (table, foreign), relations in by_pair.items():
        if table.schema in exposed:
            # That a table has relationships, even if none is visible, decides about hints.
            visible = result[table, foreign.schema]
            visible += [relation for relation in relations if _is_visible(relation, exposed)]
    for relations in result.values():
        relations.sort(key=_order)
    return dict(result)


def with_view_keys(tables: Mapping[QName, Table], view_keys: Iterable[ViewKey]) -> dict[QName, Table]:
    """The tables, with the primary keys of views filled in.

    Args:
        tables: Tables and views.
        view_keys: The keys that views show.
    """
    primary: defaultdict[QName, list[str]] = defaultdict(list)
    for key in view_keys:
        if key.kind == "p":
            primary[key.view] += [names[0] for _, names in key.columns]
    return {
        name: replace(table, primary_key=tuple(primary[name])) if name in primary else table
        for name, table in tables.items()
    }


def _forward(foreign_keys: Iterable[ForeignKey]) -> list[Relationship]:
    return [
        Relationship(
            key.table,
            key.foreign_table,
            key.is_self,
            "o2o" if key.is_unique else "m2o",
            key.constraint,
            key.columns,
        )
        for key in foreign_keys
    ]


def _through_views(forward: Sequence[Relationship], keys: Iterable[ViewKey]) -> list[Relationship]:
    by_key: defaultdict[tuple[QName, str, str], list[ViewKey]] = defaultdict(list)
    for key in keys:
        by_key[key.table, key.constraint, key.kind].append(key)
    found: list[Relationship] = []
    for base in forward:
        here = [c for c, _ in base.columns]
        there = [f for _, f in base.columns]
        sources = [(v.view, c) for v in by_key[base.table, base.constraint, "f"] for c in v.choices()]
        targets = [
            (v.view, c)
            for v in by_key[base.foreign_table, base.constraint, "referenced"]
            for c in v.choices()
        ]
        for view, columns in sources:
            pairs = _pairs(columns, there)
            found.append(replace(base, table=view, is_self=False, columns=pairs, table_is_view=True))
        for view, columns in targets:
            pairs = _pairs(here, columns)
            found.append(
                replace(base, foreign_table=view, is_self=False, columns=pairs, foreign_table_is_view=True)
            )
        for source, source_columns in sources:
            for target, target_columns in targets:
                found.append(
                    replace(
                        base,
                        table=source,
                        foreign_table=target,
                        is_self=source == target,
                        columns=_pairs(source_columns, target_columns),
                        table_is_view=True,
                        foreign_table_is_view=True,
                    )
                )
    return found


def _pairs(left: Iterable[str], right: Iterable[str]) -> Pairs:
    return tuple(zip(left, right, strict=True))


def _swap(pairs: Pairs) -> Pairs:
    return tuple((there, here) for here, there in pairs)


def _inverse(base: Relationship) -> Relationship:
    return replace(
        base,
        table=base.foreign_table,
        foreign_table=base.table,
        kind="o2m" if base.kind == "m2o" else "o2o",
        columns=_swap(base.columns),
        is_parent=base.kind == "o2o",
        table_is_view=base.foreign_table_is_view,
        foreign_table_is_view=base.table_is_view,
    )


def _many_to_many(
    forward: Iterable[Relationship], primary_keys: Mapping[QName, tuple[str, ...]]
) -> list[Relationship]:
    by_table: defaultdict[QName, list[Relationship]] = defaultdict(list)
    for relationship in forward:
        if relationship.kind == "m2o":
            by_table[relationship.table].append(relationship)
    found: list[Relationship] = []
    for table, legs in by_table.items():
        key = frozenset(primary_keys.get(table, ()))
        inside = [leg for leg in legs if key.issuperset(here for here, _ in leg.columns)]
        for source in inside:
            for target in inside:
                if source.constraint == target.constraint:
                    continue
                junction = Junction(
                    table,
                    source.constraint,
                    target.constraint,
                    _swap(source.columns),
                    _swap(target.columns),
                )
                found.append(
                    Relationship(
                        source.foreign_table,
                        target.foreign_table,
                        source.foreign_table == target.foreign_table,
                        "m2m",
                        "",
                        (),
                        junction=junction,
                        table_is_view=source.foreign_table_is_view,
                        foreign_table_is_view=target.foreign_table_is_view,
                    )
                )
    return found


def _is_visible(relation: Relation, exposed: frozenset[str]) -> bool:
    if relation.foreign_table.schema not in exposed:
        return False
    junction = relation.junction if isinstance(relation, Relationship) else None
    return junction is None or junction.table.schema in exposed


def _order(relation: Relation) -> tuple[object, ...]:
    # The order in which an ambiguity lists its candidates.
    if isinstance(relation, ComputedRelationship):
        return (1, relation.function, relation.table, relation.foreign_table)
    junction = relation.junction
    return (
        0,
        relation.table,
        relation.foreign_table,
        relation.is_self,
        _KIND_ORDER[relation.kind],
        (junction.table, junction.source_constraint, junction.target_constraint) if junction else (),
        relation.constraint,
        relation.columns,
        relation.is_parent,
        relation.table_is_view,
        relation.foreign_table_is_view,
    )
