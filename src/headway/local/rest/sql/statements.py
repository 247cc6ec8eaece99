"""Writes the one statement that answers a request.

Its single row has the columns ``total`` (all rows, if they were counted), ``page`` (rows in the body),
``location`` (primary key of the one inserted row), ``body``, ``headers`` and ``status`` (what the database
left for the response), and ``inserted`` (rows that an upsert did not merely update).
"""

from __future__ import annotations

from headway.local.rest.plan.model import CallPlan, InsertPlan, MutatePlan, ReadPlan
from headway.local.rest.request.media_types import MediaType
from headway.local.rest.request.preferences import Preferences
from headway.local.rest.request.ranges import EVERYTHING, Range
from headway.local.rest.sql.call import write_call
from headway.local.rest.sql.handlers import BodyFormat, body_expression
from headway.local.rest.sql.mutate import INSERTED, write_mutation
from headway.local.rest.sql.read import write_count, write_read
from headway.local.rest.sql.writer import Statement, Writer, array_literal

__all__ = ["call_statement", "count_plan_statement", "mutate_statement", "read_statement"]

_RESPONSE = (
    "nullif(current_setting('response.headers', true), '') AS headers, "
    "nullif(current_setting('response.status', true), '') AS status"
)
_PAGE = "pg_catalog.count(*)"


def _explain(w: Writer, media_type: MediaType) -> None:
    if media_type.plan is not None:
        options = "".join(f", {option.upper()}" for option in media_type.plan_options)
        w.add(f"EXPLAIN (FORMAT {media_type.plan.upper()}{options}) ")


def _write_total(
    w: Writer, plan: ReadPlan, preferences: Preferences, max_rows: int | None, span: Range, page: str
) -> str:
    """Writes the counting CTE, if one is needed, and gives the expression for the total."""
    if preferences.count not in ("exact", "estimated"):
        return "null::bigint"
    if max_rows is None and span == EVERYTHING:
        return page
    w.add(", pgrst_source_count AS (")
    # An estimate needs to know exactly only whether the limit is passed.
    limit = max_rows + 1 if preferences.count == "estimated" and max_rows is not None else None
    write_count(w, plan, limit)
    w.add(")")
    return "(SELECT pg_catalog.count(*) FROM pgrst_source_count)"


def read_statement(
    plan: ReadPlan,
    preferences: Preferences,
    max_rows: int | None,
    span: Range,
    body: BodyFormat,
    media_type: MediaType,
) -> Statement:
    """The statement of a GET or HEAD of a table.

    Args:
        plan: What to read.
        preferences: The client's preferences.
        max_rows: The most rows of a page.
        span: The rows asked for.
        body: The format of the body.
        media_type: The type of the response; an explain plan explains instead.
    """
    w = Writer()
    _explain(w, media_type)
    w.add("WITH pgrst_source AS (")
    write_read(w, plan)
    w.add(")")
    total = _write_total(w, plan, preferences, max_rows, span, _PAGE)
    w.add(f" SELECT {total} AS total, {_PAGE} AS page, NULL::text AS location, ")
    w.add(body_expression(body), f" AS body, {_RESPONSE}, NULL::int AS inserted ")
    w.add("FROM (SELECT * FROM pgrst_source) _postgrest_t")
    return w.statement()


def mutate_statement(
    plan: ReadPlan,
    mutation: MutatePlan,
    preferences: Preferences,
    body: BodyFormat,
    media_type: MediaType,
) -> Statement:
    """The statement of a POST, PATCH, PUT or DELETE of a table.

    Args:
        plan: What to show of what was written.
        mutation: What to write.
        preferences: The client's preferences.
        body: The format of the body.
        media_type: The type of the response; an explain plan explains instead.
    """
    w = Writer()
    _explain(w, media_type)
    w.add("WITH pgrst_source AS (")
    write_mutation(w, mutation)
    w.add(f") SELECT NULL::bigint AS total, {_PAGE} AS page, ")
    if isinstance(mutation, InsertPlan) and preferences.returning == "headers-only":
        _write_location(w, mutation)
    else:
        w.add("NULL::text")
    counts = isinstance(mutation, InsertPlan) and (
        mutation.put_conditions or preferences.resolution == "merge-duplicates"
    )
    w.add(" AS location, ", body_expression(body), f" AS body, {_RESPONSE}, ")
    w.add(INSERTED if counts else "NULL::int", " AS inserted FROM (")
    if body.kind == "none":
        w.add("SELECT * FROM pgrst_source")
    else:
        write_read(w, plan)
    w.add(") _postgrest_t")
    return w.statement()


def _write_location(w: Writer, plan: InsertPlan) -> None:
    w.add(f"CASE WHEN {_PAGE} = 1 THEN (SELECT json_agg(json_build_array(pair.key, ")
    w.add("coalesce('eq.' || pair.value, 'is.null')))::text FROM (")
    w.add("SELECT row_to_json(pgrst_row) AS json FROM pgrst_source AS pgrst_row LIMIT 1) first_row ")
    w.add("CROSS JOIN json_each_text(first_row.json) AS pair WHERE pair.key = ANY (")
    w.bind(array_literal(plan.primary_key)).add("::text[])) END")


def call_statement(
    plan: ReadPlan,
    call: CallPlan,
    preferences: Preferences,
    max_rows: int | None,
    span: Range,
    body: BodyFormat,
    media_type: MediaType,
) -> Statement:
    """The statement of a function call.

    Args:
        plan: What to show of what the function returned.
        call: The call.
        preferences: The client's preferences.
        max_rows: The most rows of a page.
        span: The rows asked for.
        body: The format of the body.
        media_type: The type of the response; an explain plan explains instead.
    """
    page = _PAGE if call.routine.returns.is_set else "1::bigint"
    w = Writer()
    _explain(w, media_type)
    w.add("WITH pgrst_source AS (")
    write_call(w, call)
    w.add(")")
    total = _write_total(w, plan, preferences, max_rows, span, page)
    w.add(f" SELECT {total} AS total, {page} AS page, NULL::text AS location, ")
    w.add(body_expression(body, call.routine), f" AS body, {_RESPONSE}, NULL::int AS inserted FROM (")
    write_read(w, plan)
    w.add(") _postgrest_t")
    return w.statement()


def count_plan_statement(plan: ReadPlan) -> Statement:
    """The statement that asks the planner how many rows there are.

    Args:
        plan: What would be read.
    """
    w = Writer()
    w.add("EXPLAIN (FORMAT JSON) ")
    write_count(w, plan)
    return w.statement()
