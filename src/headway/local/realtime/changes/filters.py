"""What a binding asks for: schema, table, filter and columns, parsed as the real server parses them.

Source: supabase/realtime ``lib/extensions/postgres_cdc_rls/subscriptions.ex``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["OPERATORS", "BindingInvalid", "Filter", "Wanted", "parse_binding", "parse_filter"]

OPERATORS = frozenset(
    ("eq", "neq", "lt", "lte", "gt", "gte", "in", "like", "ilike", "is", "match", "imatch", "isdistinct")
)


class BindingInvalid(Exception):
    """A binding cannot be served; the message is for the client, who need not try again."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition of a filter.

    Args:
        column: Its column.
        op: One of ``OPERATORS``.
        value: Its value as text; that of ``in`` is an array literal.
        negated: Whether ``not.`` stood before it.
    """

    column: str
    op: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """A parsed binding.

    Args:
        event: ``*``, ``INSERT``, ``UPDATE`` or ``DELETE``.
        schema: ``*`` for any.
        table: ``*`` for any.
        filters: All have to hold.
        select: The columns to send; ``None`` for all.
    """

    event: str
    schema: str
    table: str
    filters: tuple[Filter, ...] = ()
    select: tuple[str, ...] | None = None

    def described(self) -> str:
        """The binding as the real server prints it in its messages."""
        filters = ", ".join(
            f"{{{_inspect(f.column)}, {_inspect(f.op)}, {_inspect(f.value)}, {str(f.negated).lower()}}}"
            for f in self.filters
        )
        select = "nil" if self.select is None else _inspect(list(self.select))
        return (
            f"event: {self.event}, schema: {self.schema}, table: {self.table}, "
            f"filters: [{filters}], select: {select}"
        )


def parse_binding(params: dict[str, Any]) -> Wanted:
    """One binding of a join's ``postgres_changes``.

    Args:
        params: As the client wrote it.

    Raises:
        BindingInvalid: it cannot be served.
    """
    select = _parse_select(params)
    schema, table, text = params.get("schema"), params.get("table"), params.get("filter")
    filters: tuple[Filter, ...] = ()
    if isinstance(schema, str) and isinstance(table, str) and isinstance(text, str):
        filters = parse_filter(text)
    elif "filter" in params:
        raise _no_params(params)
    elif isinstance(schema, str) and (isinstance(table, str) or "table" not in params):
        table = "*" if table is None else table
    elif isinstance(table, str) and "schema" not in params:
        schema = "public"
    else:
        raise _no_params(params)
    if select is not None and "*" in (schema, table):
        raise BindingInvalid(
            "Column selection is not supported for wildcard subscriptions. "
            "Provide an explicit schema and table name."
        )
    event = params.get("event")
    event = event.upper() if isinstance(event, str) else "*"
    return Wanted(
        event if event in ("INSERT", "UPDATE", "DELETE") else "*", str(schema), str(table), filters, select
    )


def parse_filter(text: str) -> tuple[Filter, ...]:
    """The conditions of a filter such as ``id=gt.5,status=not.in.(a,b)``.

    Raises:
        BindingInvalid: it is malformed.
    """
    if not text.strip():
        return ()
    return tuple(_parse_condition(segment.strip()) for segment in _split(text.strip()))


def _parse_condition(segment: str) -> Filter:
    if not segment:
        raise _bad_filter("filter must not contain empty segments (check for extra commas)")
    column, equals, rest = segment.partition("=")
    if not equals:
        raise _bad_filter(_inspect([segment]))
    negated = rest.startswith("not.")
    op, dot, value = rest.removeprefix("not.").partition(".")
    if not dot:
        raise _bad_filter(_inspect([op]))
    if op not in OPERATORS:
        raise _bad_filter(_inspect([op, value]))
    if op == "in":
        if not (len(value) >= 2 and value[0] == "(" and value[-1] == ")"):
            raise _bad_filter("`in` filter value must be wrapped by parentheses")
        return Filter(column, op, f"{{{value[1:-1]}}}", negated)
    return Filter(column, op, _unquoted(value), negated)


def _split(text: str) -> list[str]:
    """The segments between commas that are neither in parentheses nor in quotes."""
    segments, start, depth, quoted, previous = [], 0, 0, False, ""
    position = 0
    while position < len(text):
        character = text[position]
        if quoted:
            if character == "\\":
                position += 1
            elif character == '"':
                quoted = False
        elif character == '"' and previous in (".", "(", ","):
            quoted = True
        elif character == "(":
            depth += 1
        elif character == ")":
            depth = max(0, depth - 1)
        elif character == "," and depth == 0:
            segments.append(text[start:position])
            start, character = position + 1, ""
        previous = character
        position += 1
    segments.append(text[start:])
    return segments


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    taken: list[str] = []
    position = 1
    while position < len(value):
        character = value[position]
        if character == '"':
            return "".join(taken) if position == len(value) - 1 else value
        if character == "\\" and position + 1 < len(value):
            position += 1
            character = value[position]
        taken.append(character)
        position += 1
    return value


def _parse_select(params: dict[str, Any]) -> tuple[str, ...] | None:
    select = params.get("select")
    if isinstance(select, str):
        raise BindingInvalid(
            "Error parsing `select` params: expected a list of column name strings, "
            'e.g. select: ["col1", "col2"]'
        )
    if isinstance(select, list):
        return tuple(column for column in select if isinstance(column, str)) or None
    return None


def _bad_filter(reason: str) -> BindingInvalid:
    return BindingInvalid(f"Error parsing `filter` params: {reason}")


def _no_params(params: dict[str, Any]) -> BindingInvalid:
    shown = "<redacted>" if {"user_token", "auth_token"} & params.keys() else _inspect(params)
    return BindingInvalid(
        "No subscription params provided. Please provide at least a `schema` or `table` "
        f"to subscribe to: {shown}"
    )


def _inspect(value: Any) -> str:
    """A value as Elixir prints it, which is what these messages contain."""
    if isinstance(value, dict):
        return "%{" + ", ".join(f"{_inspect(k)} => {_inspect(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return f"[{', '.join(_inspect(item) for item in value)}]"
    if value is None:
        return "nil"
    return orjson.dumps(value).decode()
