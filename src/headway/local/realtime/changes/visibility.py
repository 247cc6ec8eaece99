"""Who may see which rows: asked of Postgres in batches, with each subscriber's role and claims.

A function with static SQL is made for each table in the session's temporary schema; one call of it checks
many rows for many subscribers (about 80,000 checks a second), and what it checks is the state of now, as on
the real server.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncpg
import orjson

from headway.local.realtime.changes.catalog import Table, quoted
from headway.local.realtime.changes.payload import Row
from headway.local.realtime.database.sessions import Connection

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
        self, table: Table, rows: Sequence[Row], roles: Sequence[str], claims: Iterable[Claims]
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
        question = _Question(table, rows, roles)
        # By role, since a change of role costs the plan of the function's query.
        ordered = sorted(claims)
        try:
            return await self._ask(question, ordered)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
            raise
        except asyncpg.PostgresError as error:
            _log.warning("a policy on %s failed: %s", table.qualified, error)
        verdict = await self._ask(question, [])
        for one in ordered if verdict is not None else ():
            try:
                alone = await self._ask(question, [one])
            except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
                raise
            except asyncpg.PostgresError:
                continue
            if verdict is not None and alone is not None:
                verdict.visible.update(alone.visible)
        return verdict

    async def _ask(self, question: _Question, claims: Sequence[Claims]) -> Verdict | None:
        table = question.table
        function = await self._function(table)
        parameters = ", ".join(f"${n + 1}" for n in range(5 + len(table.keys)))
        row = await self._connection.fetchrow(
            f"select * from pg_temp.{function}({parameters})",  # noqa: S608 - a name of our own making
            table.relation.oid,
            question.xids,
            question.roles,
            [role for role, _ in claims],
            [document for _, document in claims],
            *question.keys,
        )
        if row is None or row["is_rls_enabled"] is None:
            return None
        everything = frozenset(column.name for column in table.columns)
        selectable = {
            role: everything if names is None else frozenset(names)
            for role, names in orjson.loads(row["selectable"]).items()
        }
        visible = {
            one: frozenset(question.positions[int(n) - 1] for n in seen.split(",") if n)
            for one, seen in zip(claims, row["seen"], strict=False)
        }
        return Verdict(row["is_rls_enabled"], selectable, visible)

    async def _function(self, table: Table) -> str:
        """The name of the function for a table as it is now, made if need be."""
        shape = (table.qualified, *((key.name, key.type_sql) for key in table.keys))
        known = self._functions.get(table.relation.oid)
        if known is not None and known[0] == shape:
            return known[1]
        name = f"judge_{table.relation.oid}_{secrets.token_hex(4)}"
        await self._connection.execute(_definition(name, table))
        self._functions[table.relation.oid] = (shape, name)
        return name


class _Question:
    """What is asked of one table's function, the claims aside."""

    __slots__ = ("keys", "positions", "roles", "table", "xids")

    def __init__(self, table: Table, rows: Sequence[Row], roles: Sequence[str]) -> None:
        self.table = table
        self.roles = list(roles)
        self.xids = list({row.change.transaction.xid for row in rows})
        self.positions: list[int] = []
        self.keys: list[list[str]] = [[] for _ in table.keys]
        for position, row in enumerate(rows if table.keys else ()):
            new = row.change.new
            values = () if new is None else [new[key.position] for key in table.keys]
            if values and all(isinstance(value, bytes) for value in values):
                self.positions.append(position)
                for column, value in zip(self.keys, values, strict=True):
                    assert isinstance(value, bytes)
                    column.append(value.decode())


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
    look = f"""
  for n in 1 .. cardinality(claim_roles) loop
    perform set_config('role', claim_roles[n], true), set_config('request.jwt.claims', claims[n], true);
    select string_agg(probe.position::text, ',') into one
      from unnest({arrays}) with ordinality as probe ({columns}, position)
     where exists (select from {table.qualified} as t where {matches});
    seen := array_append(seen, coalesce(one, ''));
  end loop;"""  # noqa: S608 - identifiers are quoted, values are parameters
    # Table and column names are quoted, but could hold any fixed dollar quote.
    quote = f"$judge_{secrets.token_hex(8)}$"
    return f"""
create function pg_temp.{name}(
  entity oid, xids bigint[], roles text[], claim_roles text[], claims text[]{parameters},
  out is_rls_enabled boolean, out selectable text, out seen text[]
) returns record
language plpgsql as {quote}
declare
{casts}  one text;
begin
  perform pg_temp.await_visible(xids);
  seen := '{{}}';
  select c.relrowsecurity into is_rls_enabled from pg_catalog.pg_class as c where c.oid = entity;
  if is_rls_enabled is null then
    return;
  end if;
  selectable := pg_temp.selectable(entity, roles)::text;
  if not is_rls_enabled then
    return;
  end if;{look if table.keys else ""}
end
{quote}"""  # noqa: S608 - identifiers are quoted, values are parameters
