"""Writes the call of a function.

Source: PostgREST's documentation, "Functions as RPC".
"""

from __future__ import annotations

from headway.local.rest.identifiers import QName, quote
from headway.local.rest.plan.model import CallPlan, PlannedField
from headway.local.rest.schema.model import Parameter
from headway.local.rest.sql.fields import column
from headway.local.rest.sql.payload import write_payload_rows
from headway.local.rest.sql.writer import Writer, array_literal

__all__ = ["write_call"]

_CALL = QName("", "pgrst_call")


def write_call(w: Writer, plan: CallPlan) -> None:
    """A SELECT of what the function returns; scalars as the column ``pgrst_scalar``."""
    routine = plan.routine
    scalar = routine.returns_scalar or routine.returns_set_of_scalars
    w.add("SELECT ")
    if scalar:
        w.add("pgrst_call.pgrst_scalar")
    elif plan.returning:
        w.join(", ", plan.returning, lambda name: w.add(column(_CALL, name)))
    else:
        w.add("*")
    w.add(" FROM ")
    from_json = bool(plan.parameters) and not plan.single_unnamed and plan.payload is not None
    if from_json:
        assert plan.payload is not None
        fields = tuple(PlannedField(p.name, type=p.cast_type) for p in plan.parameters)
        write_payload_rows(w, plan.payload, fields, one_row=True)
        w.add(", LATERAL ")
    w.add("(SELECT " if scalar else "", routine.name.sql, "(")
    if plan.single_unnamed:
        _write_unnamed(w, plan)
    else:
        w.join(", ", plan.parameters, lambda parameter: _write_argument(w, plan, parameter, from_json))
    w.add(") pgrst_scalar) pgrst_call" if scalar else ") pgrst_call")


def _write_unnamed(w: Writer, plan: CallPlan) -> None:
    parameter = plan.routine.parameters[0]
    data = plan.payload.data if plan.payload is not None else None
    w.bind("\\x" + data.hex() if data is not None and parameter.type == "bytea" else data)
    w.add("::", parameter.type)


def _write_argument(w: Writer, plan: CallPlan, parameter: Parameter, from_json: bool) -> None:
    if parameter.variadic:
        w.add("VARIADIC ")
    w.add(quote(parameter.name), " := ")
    if from_json:
        w.add(column(QName("", "pgrst_body"), parameter.name))
        return
    value = plan.arguments.get(parameter.name)
    w.bind(array_literal(value) if isinstance(value, tuple) else value)
    w.add("::", parameter.cast_type)
