"""The grammar of names, select, filters, order and logic in a query string.

Source: PostgREST's documentation, "URL grammar"; which alternatives exist, and their order, decide what its
error messages list.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from headway.local.rest.errors import query_error
from headway.local.rest.request.ast import (
    Condition,
    Field,
    Operation,
    OrderTerm,
    Quantified,
    SelectItem,
)
from headway.local.rest.request.grammar_filters import QUANTIFIED, condition, operation
from headway.local.rest.request.grammar_names import (
    dot,
    field,
    field_name,
    json_path,
    lexeme,
    word,
)
from headway.local.rest.request.grammar_select import select_items
from headway.local.rest.request.parsec import (
    Failure,
    Parser,
    alternatives,
    char,
    end,
    keep,
    look_ahead,
    option,
    parse,
    parse_optional,
    sep_by1,
    sequence,
    transform,
    try_,
)

__all__ = [
    "MAX_DEPTH",
    "parse_columns",
    "parse_logic",
    "parse_logic_path",
    "parse_operation",
    "parse_order",
    "parse_path",
    "parse_select",
]

MAX_DEPTH = 32
"""How deeply ``select`` and logic trees may nest; PostgREST itself sets no limit."""


# order

_order_end = alternatives(try_(look_ahead(char(","))), try_(end))
_direction = option(
    None,
    alternatives(try_(keep(1, dot, word("asc", "ASC"))), try_(keep(1, dot, word("desc", "DESC")))),
)
_nulls = alternatives(
    keep(
        0,
        option(
            None,
            alternatives(
                try_(keep(1, dot, word("nullsfirst", "NULLS FIRST"))),
                try_(keep(1, dot, word("nullslast", "NULLS LAST"))),
            ),
        ),
        _order_end,
    ),
    transform(_order_end, lambda _: None),
)
_order_by_field = sequence(field, _direction, _nulls, build=OrderTerm)
_order_by_relation = sequence(
    field_name,
    keep(1, char("("), field, char(")")),
    _direction,
    _nulls,
    build=lambda relation, field, direction, nulls: OrderTerm(field, direction, nulls, relation),
)
_order = sep_by1(lexeme(alternatives(try_(_order_by_relation), _order_by_field)), char(","))

# paths of parameters

_path = sequence(
    sep_by1(field_name, dot),
    option((), json_path),
    build=lambda names, path: (tuple(names[:-1]), Field(names[-1], path)),
)
_logic_path = sep_by1(field_name, dot)
_columns = sep_by1(field_name, lexeme(char(",")))


def _parse(parser: Parser, what: str, text: str) -> Any:
    try:
        return parse(parser, f"failed to parse {what} ({text})", text)
    except Failure as failure:
        raise query_error(failure.position, failure.details) from None


def _check_depth(what: str, text: str) -> None:
    depth, quoted, escaped = 0, False, False
    for character in text:
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = character == "\\", character != '"'
        elif character == '"':
            quoted = True
        elif character == "(":
            depth += 1
            if depth > MAX_DEPTH:
                raise query_error(f'"failed to parse {what}"', f"more than {MAX_DEPTH} levels of parentheses")
        elif character == ")":
            depth -= 1


def _cached(parser: Any) -> Any:
    """Remember successes; a text that is refused is parsed again, which only slows down whoever sends it."""
    return lru_cache(maxsize=1024)(parser)


@_cached
def parse_select(text: str) -> tuple[SelectItem, ...]:
    """The items of ``select``.

    Args:
        text: The parameter's value.

    Raises:
        RestError: PGRST100.
    """
    _check_depth("select parameter", text)
    return tuple(_parse(select_items, "select parameter", text))


@_cached
def parse_path(text: str) -> tuple[tuple[str, ...], Field]:
    """The embeds a parameter's name goes through, and the field it ends at.

    Args:
        text: The parameter's name.

    Raises:
        RestError: PGRST100.
    """
    path: tuple[tuple[str, ...], Field] = _parse(_path, "tree path", text)
    return path


def parse_operation(text: str, *, optional: bool = False) -> tuple[bool, Operation] | None:
    """Whether a filter is negated, and what it does.

    Args:
        text: The parameter's value, such as ``not.eq.5``.
        optional: Answer ``None`` for a text that does not begin like a filter.

    Raises:
        RestError: PGRST100.
    """
    operator, dot, value = text.partition(".")
    if dot and operator in QUANTIFIED:
        return False, Quantified(QUANTIFIED[operator], None, value)
    if not optional:
        found: tuple[bool, Operation] = _parse(operation, "filter", text)
        return found
    try:
        begins, found_optional = parse_optional(operation, f"failed to parse filter ({text})", text)
    except Failure as failure:
        raise query_error(failure.position, failure.details) from None
    return found_optional if begins else None


@_cached
def parse_order(text: str) -> tuple[OrderTerm, ...]:
    """The terms of ``order``.

    Args:
        text: The parameter's value.

    Raises:
        RestError: PGRST100.
    """
    return tuple(_parse(_order, "order", text))


def parse_logic_path(text: str) -> tuple[tuple[str, ...], str]:
    """The embeds that ``rel.not.or`` goes through, and the operator as logic trees spell it.

    Args:
        text: The parameter's name.

    Raises:
        RestError: PGRST100.
    """
    names: list[str] = _parse(_logic_path, "logic path", text)
    operator = names[-1]
    path = tuple(name for name in names[:-1] if name != "not")
    return path, f"not.{operator}" if "not" in names else operator


def parse_logic(operator: str, text: str) -> Condition:
    """The condition that ``or=(...)`` states.

    Args:
        operator: ``and``, ``or``, ``not.and`` or ``not.or``.
        text: The parameter's value.

    Raises:
        RestError: PGRST100.
    """
    _check_depth("logic tree", text)
    try:
        tree: Condition = parse(condition, f"failed to parse logic tree ({text})", operator + text)
    except Failure as failure:
        raise query_error(failure.position, failure.details) from None
    return tree


@_cached
def parse_columns(what: str, text: str) -> tuple[str, ...]:
    """The names in ``columns`` or ``on_conflict``.

    Args:
        what: The parameter, for messages.
        text: The parameter's value.

    Raises:
        RestError: PGRST100.
    """
    return tuple(_parse(_columns, f"{what} parameter", text))
