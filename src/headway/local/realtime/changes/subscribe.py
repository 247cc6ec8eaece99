"""Turns what a channel asked for into attachments to tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import asyncpg

from headway.local.realtime.changes.bindings import Attachment, Binding
from headway.local.realtime.changes.filters import BindingInvalid
from headway.local.realtime.changes.predicates import Predicate, build_predicate
from headway.local.realtime.database.sessions import Connection

__all__ = ["attach", "check_bindings"]

_FIRST_FORBIDDEN = """
select name from unnest($3::text[]) as name
 where not exists (
   select from pg_attribute as a
    where a.attrelid = $1 and a.attname = name and a.attnum > 0 and not a.attisdropped
      and has_column_privilege($2, a.attrelid, a.attnum, 'SELECT'))
 limit 1
"""


async def check_bindings(
    connection: Connection, bindings: Iterable[Binding], published: Mapping[int, tuple[str, str]]
) -> list[tuple[int, Attachment]]:
    """Attach bindings to every published table that they ask for.

    Args:
        connection: As ``supabase_admin``.
        bindings: All of one channel.
        published: The publication's tables by oid.

    Raises:
        BindingInvalid: one asks for no published table, or for what its role may not filter or select by.
    """
    attachments = []
    for binding in bindings:
        tables = [oid for oid, (schema, table) in published.items() if binding.concerns(schema, table)]
        if not tables:
            raise BindingInvalid(
                "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for "
                f"the given connect parameters: [{binding.wanted.described()}]"
            )
        for oid in tables:
            attachments.append((oid, await attach(connection, binding, oid)))
    return attachments


async def attach(connection: Connection, binding: Binding, oid: int) -> Attachment:
    """One binding as it applies to one table.

    Args:
        connection: As ``supabase_admin``.
        binding: The binding.
        oid: The table's.

    Raises:
        BindingInvalid: see ``check_bindings``.
    """
    wanted, role = binding.wanted, binding.channel.identity.role
    predicates: list[Predicate] = []
    try:
        # As the real server stores the role with the subscription, an unknown one fails here.
        await connection.fetchval("select quote_ident($1)::regrole::oid", role)
        for condition in wanted.filters:
            row = await connection.fetchrow(
                "select c.type_oid, c.written, t.typtype = 'e' as is_enum"
                " from pg_temp.check_filter($1, $2, $3, $4, $5) as c join pg_type as t on t.oid = c.type_oid",
                oid,
                role,
                condition.column,
                condition.op,
                condition.value,
            )
            assert row is not None
            predicates.append(build_predicate(condition, row["type_oid"], row["written"], row["is_enum"]))
        if wanted.select:
            forbidden = await connection.fetchval(_FIRST_FORBIDDEN, oid, role, list(wanted.select))
            if forbidden is not None:
                raise _failed(binding, f"ERROR P0001 (raise_exception) invalid column for select {forbidden}")
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
        raise
    except asyncpg.PostgresError as error:
        code = error.sqlstate or "XX000"
        condition_name = "raise_exception" if code == "P0001" else type(error).__name__
        raise _failed(binding, f"ERROR {code} ({condition_name}) {error.args[0]}") from None
    return Attachment(binding, tuple(predicates))


def _failed(binding: Binding, exception: str) -> BindingInvalid:
    return BindingInvalid(
        "Unable to subscribe to changes with given parameters. An exception happened so please check your "
        f"connect parameters: [{binding.wanted.described()}]. Exception: {exception}"
    )
