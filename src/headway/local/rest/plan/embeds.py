"""Finds the relationship behind an embed.

Source: PostgREST's documentation, "Resource Embedding" and "Foreign Key Joins on Multiple Foreign Key
Relationships".
"""

from __future__ import annotations

from headway.local.rest.identifiers import QName
from headway.local.rest.plan.hints import ambiguous_relationship, no_relationship
from headway.local.rest.plan.model import JoinCondition
from headway.local.rest.schema.model import ComputedRelationship, Relation, Relationship, SchemaCache

__all__ = ["find_relationship", "join_conditions"]


def find_relationship(cache: SchemaCache, origin: QName, target: str, hint: str | None) -> Relation:
    """The one relationship that an embed means.

    Args:
        cache: The schema cache.
        origin: The table the embed is in.
        target: A table, view, computed relationship, or a foreign key's name or column.
        hint: A foreign key's name or column, or a junction.

    Raises:
        RestError: PGRST200 for none, PGRST201 for several.
    """
    candidates = [
        relation
        for relation in cache.relationships.get((origin, origin.schema), ())
        if _matches(relation, target, hint)
    ]
    if not candidates:
        raise no_relationship(cache, origin, target, hint)
    if len(candidates) > 1:
        raise ambiguous_relationship(origin.name, target, candidates)
    return candidates[0]


def _matches(relation: Relation, target: str, hint: str | None) -> bool:
    if isinstance(relation, ComputedRelationship):
        return target == relation.function.name
    by_name = target == relation.foreign_table.name
    if relation.is_self:
        # One foreign key to the same table is two relationships; the table's name means the children, the
        # column's name the parent.
        if hint is None:
            return (by_name and relation.kind == "o2m") or (
                relation.kind == "m2o" and _is_column(relation, target)
            )
        return by_name and relation.kind == "o2m" and _is_foreign_column(relation, hint)
    if hint is None:
        by_key = not relation.foreign_table_is_view and (
            _is_constraint(relation, target) or _is_column(relation, target)
        )
        return by_name or by_key
    return by_name and (
        _is_constraint(relation, hint)
        or _is_column(relation, hint)
        or _is_foreign_column(relation, hint)
        or (relation.junction is not None and hint == relation.junction.table.name)
    )


def _is_constraint(relation: Relationship, name: str) -> bool:
    return relation.kind != "m2m" and relation.constraint == name


def _is_column(relation: Relationship, name: str) -> bool:
    return len(relation.columns) == 1 and relation.columns[0][0] == name


def _is_foreign_column(relation: Relationship, name: str) -> bool:
    return len(relation.columns) == 1 and relation.columns[0][1] == name


def join_conditions(relation: Relation, alias: str | None, parent_alias: str | None) -> list[JoinCondition]:
    """The equalities that a relationship means.

    Args:
        relation: The relationship.
        alias: The alias of the embedded table, if it has one.
        parent_alias: The alias of the table it is embedded in, if it has one.
    """
    if isinstance(relation, ComputedRelationship):
        return []
    parent = QName("", parent_alias) if parent_alias else relation.table
    if junction := relation.junction:
        return [
            *(
                JoinCondition((junction.table, between), (relation.foreign_table, column))
                for column, between in junction.target_columns
            ),
            *(
                JoinCondition((junction.table, between), (parent, column))
                for column, between in junction.source_columns
            ),
        ]
    own = QName("", alias) if alias else relation.foreign_table
    return [JoinCondition((own, there), (parent, here)) for here, there in relation.columns]
