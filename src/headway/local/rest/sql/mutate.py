"""Writes INSERT, UPDATE and DELETE.

Source: PostgREST's documentation, "Insert", "Update", "Upsert" and "Delete".
"""

from __future__ import annotations

from headway.local.rest.identifiers import QName, quote
from headway.local.rest.plan.model import DeletePlan, InsertPlan, MutatePlan, UpdatePlan
from headway.local.rest.sql.fields import column, write_conditions
from headway.local.rest.sql.payload import write_payload_rows
from headway.local.rest.sql.writer import Writer

__all__ = ["INSERTED", "write_mutation"]

_BODY = QName("", "pgrst_body")
INSERTED = "nullif(current_setting('pgrst.inserted', true), '')::int"
"""How many rows an upsert inserted rather than updated."""

_COUNT_INSERT = f"set_config('pgrst.inserted', (coalesce({INSERTED}, 0) + 1)::text, true) <> '0'"
_COUNT_UPDATE = f"set_config('pgrst.inserted', (coalesce({INSERTED}, 0) - 1)::text, true) <> '-1'"


def write_mutation(w: Writer, plan: MutatePlan) -> None:
    """The statement that changes rows, with what it returns."""
    if isinstance(plan, InsertPlan):
        _write_insert(w, plan)
    elif isinstance(plan, UpdatePlan):
        _write_update(w, plan)
    else:
        _write_delete(w, plan)


def _write_insert(w: Writer, plan: InsertPlan) -> None:
    w.add("INSERT INTO ", plan.table.sql)
    if plan.columns:
        w.add("(")
        w.join(", ", plan.columns, lambda field: w.add(quote(field.name)))
        w.add(")")
    w.add(" SELECT ")
    w.join(", ", plan.columns, lambda field: w.add(column(_BODY, field.name)))
    w.add(" FROM ")
    write_payload_rows(w, plan.payload, plan.columns, defaults=plan.defaults)
    merges = plan.conflict is not None and plan.conflict[0] == "merge-duplicates"
    # Each row that reaches the table counts up, and each that turns out to exist counts down again.
    if plan.put_conditions:
        w.add("WHERE ", _COUNT_INSERT, " AND ")
        write_conditions(w, _BODY, plan.put_conditions)
        w.add(" ")
    elif merges:
        w.add("WHERE ", _COUNT_INSERT, " ")
    if plan.conflict is not None and plan.conflict[1]:
        _write_conflict(w, plan, merges=merges)
    _write_returning(w, plan.table, plan.returning)


def _write_conflict(w: Writer, plan: InsertPlan, *, merges: bool) -> None:
    assert plan.conflict is not None
    w.add(" ON CONFLICT(")
    w.join(", ", plan.conflict[1], lambda name: w.add(quote(name)))
    w.add(") ")
    if not merges or not plan.columns:
        w.add("DO NOTHING ")
        return
    w.add("DO UPDATE SET ")
    w.join(", ", plan.columns, lambda field: w.add(quote(field.name), " = EXCLUDED.", quote(field.name)))
    w.add(" WHERE ", _COUNT_UPDATE, " ")


def _write_update(w: Writer, plan: UpdatePlan) -> None:
    if not plan.columns:
        # Nothing to set: an empty result with the right columns.
        w.add("SELECT ")
        if plan.returning:
            w.join(", ", plan.returning, lambda name: w.add(column(QName("", plan.table.name), name)))
        else:
            w.add("NULL")
        w.add(" FROM ", plan.table.sql, " WHERE false")
        return
    w.add("UPDATE ", plan.table.sql, " SET ")
    w.join(", ", plan.columns, lambda field: w.add(quote(field.name), " = ", column(_BODY, field.name)))
    w.add(" FROM ")
    write_payload_rows(w, plan.payload, plan.columns, defaults=plan.defaults)
    _write_where(w, plan)
    _write_returning(w, plan.table, plan.returning)


def _write_delete(w: Writer, plan: DeletePlan) -> None:
    w.add("DELETE FROM ", plan.table.sql, " ")
    _write_where(w, plan)
    _write_returning(w, plan.table, plan.returning)


def _write_where(w: Writer, plan: UpdatePlan | DeletePlan) -> None:
    if plan.where:
        w.add("WHERE ")
        write_conditions(w, plan.table, plan.where)
        w.add(" ")


def _write_returning(w: Writer, table: QName, names: tuple[str, ...]) -> None:
    # Without columns still one row each, to be counted.
    w.add("RETURNING ")
    if names:
        w.join(", ", names, lambda name: w.add(column(table, name)))
    else:
        w.add("1")
