"""Plans what a request writes to a table.

Source: PostgREST's documentation, "Insert", "Update", "Upsert" and "Delete".
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from headway.local.rest.errors import put_filters_error
from headway.local.rest.identifiers import QName
from headway.local.rest.plan.fields import FieldResolver
from headway.local.rest.plan.model import DeletePlan, InsertPlan, MutatePlan, ReadPlan, UpdatePlan
from headway.local.rest.plan.read import needed_columns
from headway.local.rest.request.ast import Quantified
from headway.local.rest.request.payload import Payload
from headway.local.rest.request.preferences import Preferences
from headway.local.rest.request.query_string import QueryParameters
from headway.local.rest.schema.model import SchemaCache

__all__ = ["Verb", "plan_mutation"]

Verb: TypeAlias = Literal["POST", "PATCH", "PUT", "DELETE"]


def plan_mutation(
    cache: SchemaCache,
    table: QName,
    verb: Verb,
    query: QueryParameters,
    payload: Payload | None,
    preferences: Preferences,
    read: ReadPlan,
) -> MutatePlan:
    """The plan of a write.

    Args:
        cache: The schema cache.
        table: A table that the cache knows.
        verb: The HTTP method.
        query: The query string.
        payload: The rows; ``None`` only for DELETE.
        preferences: The client's preferences.
        read: What is to be shown of the written rows.

    Raises:
        RestError: PGRST105 or PGRST204.
    """
    resolver = FieldResolver(cache, table)
    primary_key = cache.tables[table].primary_key
    returned = preferences.returning in ("representation", "headers-only")
    returning = needed_columns(read, primary_key) if returned else ()
    where = tuple(
        resolver.condition(condition) for path, condition in [*query.filters, *query.logic] if not path
    )
    if verb == "DELETE":
        return DeletePlan(table, where, returning)
    assert payload is not None
    if verb == "PUT":
        _check_put(query, primary_key)
    columns = tuple(resolver.payload_column(name) for name in sorted(payload.keys))
    defaults = preferences.missing == "default"
    if verb == "PATCH":
        return UpdatePlan(table, columns, payload, where, returning, defaults)
    if verb == "PUT":
        return InsertPlan(
            table,
            columns,
            payload,
            returning,
            primary_key,
            conflict=("merge-duplicates", primary_key),
            put_conditions=where,
        )
    target = primary_key if query.on_conflict is None else query.on_conflict
    conflict = None if preferences.resolution is None else (preferences.resolution, target)
    return InsertPlan(table, columns, payload, returning, primary_key, conflict, defaults=defaults)


def _check_put(query: QueryParameters, primary_key: tuple[str, ...]) -> None:
    equalities = all(
        not condition.negated
        and isinstance(condition.operation, Quantified)
        and (condition.operation.operator, condition.operation.quantifier) == ("=", None)
        for path, condition in query.filters
        if not path
    )
    if query.logic or not primary_key or query.filter_names != frozenset(primary_key) or not equalities:
        raise put_filters_error()
