"""Writes what turns rows into the body of a response.

Source: PostgREST's documentation, "Resource Representation" and "Media Type Handlers".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headway.local.rest.schema.model import MediaHandler, Routine

__all__ = ["BodyFormat", "body_expression"]


@dataclass(frozen=True, slots=True)
class BodyFormat:
    """How rows become a body.

    Args:
        kind: ``none`` for no body at all.
        strip_nulls: For JSON: leave out keys that are null.
        handler: For ``custom``: the function.
    """

    kind: Literal["none", "array", "object", "csv", "geojson", "custom"]
    strip_nulls: bool = False
    handler: MediaHandler | None = None


_CSV = """(SELECT coalesce(string_agg(header.name, ','), '')
FROM json_object_keys(json_agg(_postgrest_t)->0) AS header(name)) || E'\\n' ||
coalesce(string_agg(substring(_postgrest_t::text, 2, length(_postgrest_t::text) - 2), E'\\n'), '')"""

_GEOJSON = """json_build_object('type', 'FeatureCollection', 'features',
coalesce(json_agg(ST_AsGeoJSON(_postgrest_t)::json), '[]'))"""


def body_expression(body: BodyFormat, routine: Routine | None = None) -> str:
    """The SQL that aggregates the rows ``_postgrest_t`` into a body.

    Args:
        body: The format.
        routine: The function that was called, if one was.
    """
    scalar = routine is not None and routine.returns_scalar
    if body.kind == "none":
        return "''::text"
    if body.kind == "csv":
        return _CSV
    if body.kind == "geojson":
        return _GEOJSON
    if body.kind == "custom":
        assert body.handler is not None
        function = body.handler.function.sql
        if scalar:
            return f"{function}(_postgrest_t.pgrst_scalar)"
        target = body.handler.target
        return f"{function}(_postgrest_t{'' if target is None else f'::{target.sql}'})"
    scalars = routine is not None and routine.returns_set_of_scalars and body.kind == "array"
    value = "_postgrest_t.pgrst_scalar" if scalar or scalars else "_postgrest_t"
    single = body.kind == "object" or (routine is not None and not routine.returns.is_set)
    rows = f"json_agg({value})->0" if single else f"json_agg({value})"
    if body.strip_nulls:
        rows = f"json_strip_nulls({rows})"
    return f"coalesce({rows}, '{'null' if single else '[]'}')"
