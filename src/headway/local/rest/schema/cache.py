"""Reads the schema cache from the database.

Source: PostgREST's documentation, "Schema Cache".
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from headway.local.rest.identifiers import QName
from headway.local.rest.safeupdate import Verb, find_unqualified_writes
from headway.local.rest.schema import catalog
from headway.local.rest.schema.model import (
    Column,
    ComputedRelationship,
    ForeignKey,
    MediaHandler,
    Parameter,
    ReturnType,
    Routine,
    SchemaCache,
    Table,
)
from headway.local.rest.schema.relationships import derive_relationships, with_view_keys
from headway.local.rest.schema.views import find_view_keys

__all__ = ["load_schema_cache", "parse_routines"]

Rows: TypeAlias = list[dict[str, Any]]
Fetch: TypeAlias = Callable[..., Awaitable[Any]]
"""Runs a catalog query with its parameters and gives its one value, JSON."""

HOISTED_SETTINGS = ("statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation")


async def load_schema_cache(
    fetch: Fetch,
    schemas: Sequence[str],
    extra_search_path: Sequence[str],
    *,
    hoisted: Sequence[str] = HOISTED_SETTINGS,
    version: int = 0,
) -> SchemaCache:
    """The schema cache of the database as it is now.

    Args:
        fetch: Runs a catalog query, always in the same transaction, with an empty search path.
        schemas: The exposed schemas, the default one first.
        extra_search_path: Further schemas whose views may stand between exposed views and tables.
        hoisted: Settings of functions that apply to the whole transaction, as prefixes.
        version: The number this cache bears.
    """
    exposed = list(schemas)
    tables = orjson.loads(await fetch(catalog.TABLES, exposed))
    views = orjson.loads(await fetch(catalog.VIEWS, [*schemas, *extra_search_path]))
    keys = orjson.loads(await fetch(catalog.KEYS))
    foreign_keys = orjson.loads(await fetch(catalog.FOREIGN_KEYS))
    computed = orjson.loads(await fetch(catalog.COMPUTED_RELATIONSHIPS))
    routines = orjson.loads(await fetch(catalog.ROUTINES, exposed))
    sources = orjson.loads(await fetch(catalog.FUNCTION_SOURCES))
    representations = orjson.loads(await fetch(catalog.REPRESENTATIONS))
    handlers = orjson.loads(await fetch(catalog.MEDIA_HANDLERS, exposed))

    def build() -> SchemaCache:
        view_keys = find_view_keys(views, keys, schemas)
        by_name = with_view_keys({table.name: table for table in map(_table, tables)}, view_keys)
        primary_keys = {
            QName(key["schema"], key["name"]): tuple(name for _, name in key["columns"])
            for key in keys
            if key["kind"] == "p"
        } | {name: table.primary_key for name, table in by_name.items()}
        return SchemaCache(
            schemas=tuple(schemas),
            tables=by_name,
            relationships=derive_relationships(
                map(_foreign_key, foreign_keys), view_keys, primary_keys, map(_computed, computed), schemas
            ),
            routines=parse_routines(routines, hoisted, find_unqualified_writes(sources)),
            representations={(r["source"], r["target"]): r["function"] for r in representations},
            media_handlers={(h.target, h.media_type): h for h in map(_handler, handlers)},
            version=version,
        )

    # Parse trees of many views take tens of milliseconds, which requests should not wait for.
    return await asyncio.to_thread(build)


def _table(row: dict[str, Any]) -> Table:
    columns = {
        column["name"]: Column(
            name=column["name"],
            description=column["description"],
            nullable=column["nullable"],
            base_type=column["base_type"],
            nominal_type=column["nominal_type"],
            max_length=column["max_length"],
            default=column["default"],
            enum=tuple(column["enum"]),
        )
        for column in row["columns"]
    }
    return Table(
        name=QName(row["schema"], row["name"]),
        description=row["description"],
        is_view=row["is_view"],
        insertable=row["insertable"],
        updatable=row["updatable"],
        deletable=row["deletable"],
        primary_key=tuple(row["primary_key"]),
        columns=columns,
    )


def _foreign_key(row: dict[str, Any]) -> ForeignKey:
    return ForeignKey(
        QName(row["schema"], row["name"]),
        QName(row["foreign_schema"], row["foreign_name"]),
        row["is_self"],
        row["constraint"],
        tuple((here, there) for here, there in row["columns"]),
        row["is_unique"],
    )


def _computed(row: dict[str, Any]) -> ComputedRelationship:
    return ComputedRelationship(
        QName(row["function_schema"], row["function_name"]),
        QName(row["schema"], row["name"]),
        QName(row["foreign_schema"], row["foreign_name"]),
        row["to_one"],
    )


def _handler(row: dict[str, Any]) -> MediaHandler:
    target = None if row["target_schema"] is None else QName(row["target_schema"], row["target_name"])
    return MediaHandler(QName(row["schema"], row["name"]), target, row["media_type"], row["content_type"])


def parse_routines(
    rows: Rows, hoisted: Sequence[str] = HOISTED_SETTINGS, unqualified: Mapping[int, Verb] | None = None
) -> dict[QName, list[Routine]]:
    """Functions by name; overloads with few parameters first.

    Args:
        rows: Rows of ``catalog.ROUTINES``.
        hoisted: Settings that apply to the whole transaction, as prefixes.
        unqualified: By OID: the statement that safeupdate refuses.
    """
    routines: defaultdict[QName, list[Routine]] = defaultdict(list)
    for row in rows:
        settings = dict(entry.split("=", 1) for entry in row["config"])
        isolation = settings.get("default_transaction_isolation")
        routine = Routine(
            name=QName(row["schema"], row["name"]),
            description=row["description"],
            parameters=tuple(Parameter(**parameter) for parameter in row["parameters"]),
            returns=ReturnType(
                QName(row["return_schema"], row["return_name"]), row["returns_set"], row["returns_composite"]
            ),
            volatility=row["volatility"],
            is_variadic=row["is_variadic"],
            isolation=isolation,
            settings=tuple(
                (name, value)
                for name, value in settings.items()
                if any(re.match(pattern, name) for pattern in hoisted)
            ),
            unqualified_write=(unqualified or {}).get(row["oid"]),
        )
        routines[routine.name].append(routine)
    for overloads in routines.values():
        overloads.sort(key=lambda routine: (len(routine.parameters), [p.type for p in routine.parameters]))
    return dict(routines)
