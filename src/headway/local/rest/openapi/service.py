"""Answers at the root: a description of what the caller's role may use.

On hosted projects only a secret key gets it, because a description tells about the schema more than most
apps want to tell.

Source: PostgREST's documentation, "OpenAPI"; the Supabase changelog, "Removing access to OpenAPI spec via the
anon key" (2026-02-17).
"""

from __future__ import annotations

from typing import Final

import orjson

from headway.local.identity import Identity
from headway.local.rest.database.schema_watch import State
from headway.local.rest.database.transaction import DatabasePool, Transaction
from headway.local.rest.identifiers import QName
from headway.local.rest.openapi.document import openapi_document
from headway.local.rest.plan.outcome import Describe
from headway.local.rest.request.media_types import OPENAPI
from headway.local.rest.response import Response
from headway.local.rest.schema.cache import parse_routines
from headway.local.rest.schema.catalog import routines_query
from headway.local.rest.sql.writer import Statement, array_literal

__all__ = ["describe"]

_ADMITTED: Final = "service_role"
_FORBIDDEN: Final = {
    "message": "Access to schema is forbidden",
    "hint": "Accessing the schema via the Data API is only allowed using a secret API key.",
}
_TABLES: Final = """
    SELECT coalesce(json_agg(c.relname), '[]')::json
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1::text AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
      AND (pg_has_role(c.relowner, 'USAGE')
           OR has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
           OR has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))
"""
_COMMENT: Final = """
    SELECT pg_catalog.obj_description(n.oid, 'pg_namespace')
    FROM pg_catalog.pg_namespace n WHERE n.nspname = $1::text
"""


async def describe(
    planned: Describe,
    pool: DatabasePool,
    transaction: Transaction,
    identity: Identity,
    state: State,
    public_url: str,
) -> Response:
    """The description of a schema.

    Args:
        planned: Which schema.
        pool: Asks the database what the role may use.
        transaction: The frame of the questions.
        identity: The caller.
        state: The schema cache.
        public_url: Where clients reach this service.

    Raises:
        RestError: of the database.
    """
    if identity.role != _ADMITTED:
        body = orjson.dumps(_FORBIDDEN)
        headers = [("Content-Type", "application/json; charset=utf-8"), ("Content-Length", str(len(body)))]
        return Response(401, headers, body)
    follow = state.config.openapi == "follow-privileges"
    schemas = array_literal([planned.schema])
    statements = [Statement(_COMMENT, (planned.schema,))]
    if follow:
        statements.append(Statement(_TABLES, (planned.schema,)))
        statements.append(Statement(routines_query(only_executable=True), (schemas,)))
    results = await pool.run(transaction, statements, lambda _: None)
    comment = results[0][0][0] if results[0] else None
    tables = [table for table in state.cache.tables.values() if table.name.schema == planned.schema]
    routines = {name: found for name, found in state.cache.routines.items() if name.schema == planned.schema}
    if follow:
        allowed = set(orjson.loads(results[1][0][0]))
        tables = [table for table in tables if table.name.name in allowed]
        executable: set[QName] = set(parse_routines(orjson.loads(results[2][0][0])))
        routines = {name: found for name, found in routines.items() if name in executable}
    document = openapi_document(
        state.cache,
        tables,
        [overload for overloads in routines.values() for overload in overloads],
        None if comment is None else bytes(comment).decode(),
        public_url,
    )
    body = b"" if planned.head else orjson.dumps(document)
    headers = [("Content-Type", OPENAPI.content_type)]
    if not planned.head:
        headers.insert(0, ("Content-Length", str(len(body))))
    if planned.profile is not None:
        headers.append(("Content-Profile", planned.profile))
    return Response(200, headers, body)
