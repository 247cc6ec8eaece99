"""Turns a JSON payload into rows, inside the database.

Source: PostgREST's documentation, "Insert", "Specifying Columns" and "Bulk Insert with Default Values".
"""

from __future__ import annotations

from collections.abc import Sequence

from headway.local.rest.identifiers import quote
from headway.local.rest.plan.model import PlannedField
from headway.local.rest.request.payload import Payload
from headway.local.rest.sql.writer import Writer

__all__ = ["write_payload_rows"]


def write_payload_rows(
    w: Writer,
    payload: Payload,
    columns: Sequence[PlannedField],
    *,
    defaults: bool = False,
    one_row: bool = False,
) -> None:
    """FROM items that end in ``pgrst_body``, which has the columns and a row for each object.

    Args:
        w: Where to write.
        payload: The JSON.
        columns: The columns, with their types.
        defaults: Whether what an object lacks becomes the column's default rather than null.
        one_row: Whether only the first row counts.
    """
    json = "jsonb" if defaults else "json"
    source = "pgrst_json_defs.val" if defaults else "pgrst_payload.json_data"
    w.add("(SELECT ").bind(payload.data).add(f"::{json} AS json_data) pgrst_payload, ")
    if defaults:
        _write_defaults(w, payload, columns)
    w.add("LATERAL (SELECT ")
    w.join(", ", columns, lambda field: _write_parsed(w, field))
    w.add(" FROM ")
    if columns:
        kind = "to_record" if payload.is_object else "to_recordset"
        w.add(f"{json}_{kind}({source}) AS _(")
        w.join(", ", columns, lambda field: w.add(quote(field.name), " ", field.type))
        w.add(") ")
        if one_row:
            w.add("LIMIT 1")
    elif payload.is_object:
        w.add("(values(1)) _ ")
    else:
        w.add(f"{json}_array_elements({source}) _ ")
    w.add(") pgrst_body ")


def _write_defaults(w: Writer, payload: Payload, columns: Sequence[PlannedField]) -> None:
    def write_object() -> None:
        w.add("jsonb_build_object(")
        with_default = [field for field in columns if field.default is not None]
        # The default is an expression that the database itself printed.
        w.join(", ", with_default, lambda field: w.bind(field.name).add("::text, ", field.default or "NULL"))
        w.add(")")

    if payload.is_object:
        w.add("LATERAL (SELECT ")
        write_object()
        w.add(" || pgrst_payload.json_data AS val) pgrst_json_defs, ")
    else:
        w.add("LATERAL (SELECT jsonb_agg(")
        write_object()
        w.add(" || elem) AS val FROM jsonb_array_elements(pgrst_payload.json_data) elem) pgrst_json_defs, ")


def _write_parsed(w: Writer, field: PlannedField) -> None:
    name = quote(field.name)
    if field.transform is None:
        w.add(name)
    else:
        w.add(field.transform, "(", name, ") AS ", name)
