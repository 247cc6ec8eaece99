"""What the catalogue says of the tables in the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from headway.local.realtime.changes.values import Encode, TypeInfo, encoder_for
from headway.local.realtime.database.sessions import Connection, Record
from headway.local.realtime.wal.pgoutput import Column, Relation

__all__ = ["PUBLICATION", "ColumnInfo", "Key", "Table", "load_table", "published_tables"]

PUBLICATION = "supabase_realtime"

_COLUMNS = """
select a.attname as name, a.atttypid as type_oid, t.typname as type_name,
       a.attgenerated::text as generated, format_type(a.atttypid, -1) as type_sql,
       exists (select from pg_constraint as c
                where c.conrelid = a.attrelid and c.contype = 'p' and a.attnum = any (c.conkey)) as is_key
  from pg_attribute as a join pg_type as t on t.oid = a.atttypid
 where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
 order by a.attnum
"""
_TYPES = """
with recursive parts (oid) as (
  select unnest($1::oid[])
  union
  select part
    from parts join pg_type as t using (oid), unnest(array[t.typelem, t.typbasetype]) as part
   where part <> 0
)
select t.oid, t.typname as name, t.typtype::text as kind, t.typbasetype as base,
       t.typdelim::text as delimiter,
       case when t.typsubscript = 'array_subscript_handler'::regproc and t.typcategory = 'A' and t.typlen = -1
            then t.typelem else 0 end as element,
       t.oid >= 16384 and exists (
         select from pg_cast as c
          where c.castsource = t.oid and c.casttarget = 'json'::regtype and c.castmethod = 'f'
       ) as casts_to_json
  from parts join pg_type as t using (oid)
"""

_PUBLISHED = """
select c.oid::bigint as oid, n.nspname as schema, c.relname as name
  from pg_publication_tables as p
  join pg_namespace as n on n.nspname = p.schemaname
  join pg_class as c on c.relnamespace = n.oid and c.relname = p.tablename
 where p.pubname = $1
"""
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column as it is now.

    Args:
        is_key: Whether it belongs to the primary key.
        is_generated: Whether Postgres computes and stores it; the log does not hold such values.
    """

    name: str
    type_oid: int
    type_name: str
    type_sql: str
    is_key: bool
    is_generated: bool


@dataclass(frozen=True, slots=True)
class Key:
    """A column of the primary key, with what a query needs to look for it."""

    name: str
    type_sql: str
    position: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the stream: the relation that the log announced, and the catalogue's view of it.

    Args:
        keys: The primary key's columns; empty without one, or when the log lacks one of them.
        foreign_columns: The relation's columns whose values only Postgres can write as JSON.
        generated: The stored generated columns, which the log does not hold.
        key_names: The names of the primary key's columns.
    """

    relation: Relation
    columns: tuple[ColumnInfo, ...]
    keys: tuple[Key, ...]
    foreign_columns: tuple[Column, ...]
    generated: tuple[str, ...]
    key_names: frozenset[str]
    _encoders: dict[str, Encode | None]
    views: dict[object, object] = field(default_factory=dict)
    """What is derived from the table for some subscribers, kept as long as the table is as it is."""

    def encoder(self, column: str) -> Encode | None:
        """How a column's values become JSON; ``None`` where Postgres is asked."""
        return self._encoders[column]

    @property
    def qualified(self) -> str:
        """The quoted name for SQL."""
        return f"{quoted(self.relation.schema)}.{quoted(self.relation.name)}"


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


async def load_table(connection: Connection, relation: Relation) -> Table:
    """What the catalogue says of a relation now.

    Args:
        connection: As ``supabase_admin``.
        relation: From the log.
    """
    columns = tuple(
        ColumnInfo(
            row["name"],
            row["type_oid"],
            row["type_name"],
            row["type_sql"],
            row["is_key"],
            row["generated"] == "s",
        )
        for row in await connection.fetch(_COLUMNS, relation.oid)
    )
    types = _types(await connection.fetch(_TYPES, sorted({c.type_oid for c in relation.columns})))
    positions = {column.name: n for n, column in enumerate(relation.columns)}
    keys = [Key(c.name, c.type_sql, positions[c.name]) for c in columns if c.is_key and c.name in positions]
    key_names = frozenset(c.name for c in columns if c.is_key)
    encoders = {column.name: encoder_for(column.type_oid, types) for column in relation.columns}
    return Table(
        relation=relation,
        columns=columns,
        foreign_columns=tuple(c for c in relation.columns if encoders[c.name] is None),
        _encoders=encoders,
        keys=tuple(keys) if len(keys) == len(key_names) else (),
        generated=tuple(c.name for c in columns if c.is_generated and c.name not in positions),
        key_names=key_names,
    )


def _types(rows: Sequence[Record]) -> dict[int, TypeInfo]:
    return {
        row["oid"]: TypeInfo(
            row["oid"],
            row["name"],
            row["kind"],
            row["element"],
            row["base"],
            row["delimiter"],
            row["casts_to_json"],
        )
        for row in rows
    }


async def published_tables(connection: Connection) -> dict[int, tuple[str, str]]:
    """The publication's tables by oid, as schema and name.

    Args:
        connection: As ``supabase_admin``.
    """
    for attempt in range(_ATTEMPTS):
        try:
            rows = await connection.fetch(_PUBLISHED, PUBLICATION)
        except asyncpg.InternalServerError:
            # The view fails when a table is dropped while it looks.
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return {row["oid"]: (row["schema"], row["name"]) for row in rows}
    raise AssertionError("unreachable")
