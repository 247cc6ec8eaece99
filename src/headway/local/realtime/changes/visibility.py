"""Who may see which rows: asked of Postgres in batches, with each subscriber's role and claims.

A function with static SQL is made for each table in the session's temporary schema; one call of it checks
many rows for many subscribers (about 80,000 checks a second), and what it checks is the state of now, as on
the real server.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from headway.local.realtime.changes.catalog import Table, quoted
from headway.local.realtime.changes.payload import Row
from headway.local.realtime.database.sessions import Connection
from headway.local.realtime.wal.pgoutput import Unchanged

__all__ = ["Claims", "Verdict", "VisibilityCheck"]

_log = logging.getLogger("headway.realtime")

Claims = tuple[str, str]
"""A role and its claims as JSON; subscribers with equal ones are checked once."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a batch of rows of one table looks like to its subscribers.

    Args:
        is_rls_enabled: Whether rows were checked at all.
        selectable: The columns that each role may select.
        visible: Per claims, the positions of the rows that they may see; without row level security unused.
    """

    is_rls_enabled: bool
    selectable: dict[str, frozenset[str]]
    visible: dict[Claims, frozenset[int]]

    def may_see(self, claims: Claims, position: int) -> bool:
        """Whether someone may see an inserted or updated row."""
        return not self.is_rls_enabled or position in self.visible.get(claims, frozenset())


class VisibilityCheck:
    """Checks the rows of tables on one connection.

    Args:
        connection: As ``supabase_admin``.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._functions: dict[int, tuple[tuple[object, ...], str]] = {}

    async def judge(
        self, table: Table, rows: Sequence[Row], roles: Sequence[str], claims: Sequence[Claims]
    ) -> Verdict | None:
        """What a batch of rows looks like; ``None`` when the table is gone.

        Policies that raise or take too long let nobody see the rows that they were asked about, and disturb
        no other subscriber.

        Args:
            table: The rows' table.
            rows: Changes; deleted ones are not checked.
            roles: Whose columns are wanted.
            claims: Who wants to see the rows.
        """
        ordered = sorted(set(claims))
        positions, keys = _keys(table, rows)
        try:
            return await self._ask(table, roles, ordered, positions, keys)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
            raise
        except asyncpg.PostgresError as error:
            _log.warning("a policy on %s failed: %s", table.qualified, error)
        verdict = await self._ask(table, roles, [], [], [])
        for one in ordered if verdict is not None else ():
            try:
                alone = await self._ask(table, roles, [one], positions, keys)
            except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
                raise
            except asyncpg.PostgresError:
                continue
            if verdict is not None and alone is not None:
                verdict.visible.update(alone.visible)
        return verdict

    async def _ask(
        self,
        table: Table,
        roles: Sequence[str],
        claims: Sequence[Claims],
        positions: Sequence[int],
        keys: Sequence[list[str]],
    ) -> Verdict | None:
        oid = table.relation.oid
        seen = "null::text[]"
        arguments: list[object] = []
        if claims and positions:
            function = await self._function(table)
            seen = f"pg_temp.{function}({', '.join(f'${n + 3}' for n in range(2 + len(keys)))})"
            arguments = [[role for role, _ in claims], [document for _, document in claims], *keys]
        row = await self._connection.fetchrow(
            "select c.relrowsecurity, pg_temp.selectable(c.oid, $2)::text,"  # noqa: S608 - names of our own making
            f" case when c.relrowsecurity then {seen} end from pg_class as c where c.oid = $1",
            oid,
            list(roles),
            *arguments,
        )
        if row is None:
            return None
        columns = {role: frozenset(names) for role, names in json.loads(row[1]).items()}
        visible = {
            one: frozenset(positions[int(n) - 1] for n in found.split(",") if n)
            for one, found in zip(claims, row[2] or (), strict=False)
        }
        return Verdict(row[0], columns, visible)

    async def _function(self, table: Table) -> str:
        """The name of the function for a table as it is now, made if need be."""
        shape = (table.qualified, *((key.name, key.type_sql) for key in table.keys))
        known = self._functions.get(table.relation.oid)
        if known is not None and known[0] == shape:
            return known[1]
        name = f"see_{table.relation.oid}_{secrets.token_hex(4)}"
        await self._connection.execute(_definition(name, table))
        self._functions[table.relation.oid] = (shape, name)
        return name


def _keys(table: Table, rows: Sequence[Row]) -> tuple[list[int], list[list[str]]]:
    """The positions of rows that can be looked for, and their keys by column."""
    positions: list[int] = []
    keys: list[list[str]] = [[] for _ in table.keys]
    if not table.keys:
        return positions, keys
    for position, row in enumerate(rows):
        new = row.change.new
        if new is None:
            continue
        values = [new[key.position] for key in table.keys]
        if any(value is None or isinstance(value, Unchanged) for value in values):
            continue
        positions.append(position)
        for column, value in zip(keys, values, strict=True):
            assert isinstance(value, bytes)
            column.append(value.decode())
    return positions, keys


def _definition(name: str, table: Table) -> str:
    """The SQL of a table's function.

    Keys are cast before the role changes, since a role need not be able to use a key's type to see a row.
    """
    numbers = range(1, len(table.keys) + 1)
    parameters = "".join(f", given{n} text[]" for n in numbers)
    casts = "".join(
        f"  key{n} constant {key.type_sql}[] := given{n}::{key.type_sql}[];\n"
        for n, key in zip(numbers, table.keys, strict=True)
    )
    arrays = ", ".join(f"key{n}" for n in numbers)
    columns = ", ".join(f"k{n}" for n in numbers)
    matches = " and ".join(
        f"t.{quoted(key.name)} = probe.k{n}" for n, key in zip(numbers, table.keys, strict=True)
    )
    # Table and column names are quoted, but could hold any fixed dollar quote.
    quote = f"$see_{secrets.token_hex(8)}$"
    return f"""
create function pg_temp.{name}(roles text[], claims text[]{parameters}) returns text[]
language plpgsql as {quote}
declare
{casts}  all_seen text[] := '{{}}';
  one text;
begin
  for n in 1 .. cardinality(roles) loop
    perform set_config('role', roles[n], true), set_config('request.jwt.claims', claims[n], true);
    select string_agg(probe.position::text, ',') into one
      from unnest({arrays}) with ordinality as probe ({columns}, position)
     where exists (select from {table.qualified} as t where {matches});
    all_seen := array_append(all_seen, coalesce(one, ''));
  end loop;
  return all_seen;
end
{quote}"""  # noqa: S608 - identifiers are quoted, values are parameters
