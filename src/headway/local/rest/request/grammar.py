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
    Embed,
    Field,
    Filter,
    FullText,
    In,
    Is,
    IsDistinct,
    JsonStep,
    Logic,
    Operation,
    OrderTerm,
    Plain,
    Quantified,
    SelectField,
    SelectItem,
)
from headway.local.rest.request.parsec import (
    Failure,
    Parser,
    alternatives,
    any_char,
    char,
    end,
    keep,
    label,
    lazy,
    look_ahead,
    many,
    none_of,
    not_followed_by,
    option,
    parse,
    parse_optional,
    pure,
    satisfying,
    sep_by,
    sep_by1,
    sequence,
    string,
    take,
    take1,
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


def _word(text: str, value: Any = None) -> Parser:
    return transform(string(text), lambda _: text if value is None else value)


def _is_name_char(character: str) -> bool:
    return character.isalpha() or character in "0123456789_ $"


_space = take(lambda c: c in " \t")


def _lexeme(parser: Parser) -> Parser:
    return keep(1, _space, parser, _space)


_escaped = alternatives(none_of('\\"'), keep(1, char("\\"), any_char))
_quoted = transform(keep(1, char('"'), many(_escaped), char('"')), "".join)
_identifier = transform(take1(_is_name_char, "letter", "digit"), str.strip)
_dash = try_(keep(0, char("-"), not_followed_by(char(">"))))


def _dashed(part: Parser) -> Parser:
    return transform(sep_by1(part, _dash), "-".join)


_name = label(alternatives(_quoted, _dashed(_identifier)), "field name (* or [a..z0..9_$])")
_dot = label(char("."), "delimiter (.)")

# JSON paths

_json_word = transform(take1(lambda c: c not in "(-:.,>)"), str.strip)
_json_key = label(
    alternatives(_quoted, _dashed(_json_word)), "any non reserved character different from: .,>()"
)
_after_index = alternatives(*(try_(look_ahead(string(mark))) for mark in ("->", "::", ".", ",")), try_(end))
_json_index = sequence(
    option("+", char("-")),
    take1(lambda c: c in "0123456789", "digit"),
    _after_index,
    build=lambda sign, digits, _: sign + digits,
)
_json_operand = alternatives(
    try_(transform(_json_index, lambda index: (index, True))),
    try_(transform(_json_key, lambda key: (key, False))),
)
_json_arrow = alternatives(try_(_word("->>", True)), try_(transform(string("->"), lambda _: False)))
_json_step = sequence(_json_arrow, _json_operand, build=lambda as_text, operand: JsonStep(as_text, *operand))
_json_path = transform(many(_json_step), tuple)
_field = _lexeme(sequence(_name, option((), _json_path), build=Field))

# select

_alias = option(None, try_(keep(0, _name, keep(0, char(":"), not_followed_by(char(":"))))))
_cast = option(None, keep(1, string("::"), _identifier))
_embed_parameter = keep(
    1,
    char("!"),
    alternatives(
        try_(transform(string("left"), lambda _: ("join", "left"))),
        try_(transform(string("inner"), lambda _: ("join", "inner"))),
        try_(transform(_name, lambda hint: ("hint", hint))),
    ),
)


def _embed_options(first: tuple[str, str] | None, second: tuple[str, str] | None) -> dict[str, str]:
    options: dict[str, str] = {}
    for parameter in (first, second):
        if parameter is not None:
            options.setdefault(*parameter)
    return options


_embed_parameters = sequence(
    option(None, _embed_parameter), option(None, _embed_parameter), build=_embed_options
)
_opening = try_(look_ahead(string("(")))
_relation_head = _lexeme(
    sequence(
        _alias,
        satisfying(_name, lambda name: name != "count"),
        _embed_parameters,
        _opening,
        build=lambda alias, name, options, _: {"relation": name, "alias": alias, **options},
    )
)
_spread_head = _lexeme(
    sequence(
        keep(1, string("..."), _name),
        _embed_parameters,
        _opening,
        build=lambda name, options, _: {"relation": name, "spread": True, **options},
    )
)
_item_end = alternatives(try_(look_ahead(string(")"))), try_(look_ahead(string(","))), try_(end))
_aggregate = alternatives(_word("sum"), _word("avg"), _word("count"), try_(_word("max")), try_(_word("min")))
_select_field = _lexeme(
    alternatives(
        try_(sequence(string("*"), _item_end, build=lambda *_: SelectField(Field("*")))),
        try_(
            sequence(
                _alias,
                string("count()"),
                _cast,
                _item_end,
                build=lambda alias, _, cast, __: SelectField(
                    Field("*"), aggregate="count", aggregate_cast=cast, alias=alias
                ),
            )
        ),
        sequence(
            _alias,
            _field,
            _cast,
            option(None, try_(keep(1, char("."), keep(0, _aggregate, string("()"))))),
            _cast,
            _item_end,
            build=lambda alias, field, cast, aggregate, aggregate_cast, _: SelectField(
                field, aggregate, aggregate_cast, cast, alias
            ),
        ),
    )
)
_items = keep(1, char("("), lazy(lambda: _forest), char(")"))


def _embed(head: dict[str, Any], items: list[SelectItem]) -> Embed:
    return Embed(items=tuple(items), **head)


_forest: Parser = sep_by(
    alternatives(
        sequence(try_(_spread_head), _items, build=_embed),
        sequence(try_(_relation_head), _items, build=_embed),
        _select_field,
    ),
    _lexeme(char(",")),
)

# filters

_PLAIN = {
    "neq": "<>",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "sl": "<<",
    "sr": ">>",
    "nxr": "&<",
    "nxl": "&>",
    "adj": "-|-",
}
_QUANTIFIED = {
    "eq": "=",
    "gte": ">=",
    "gt": ">",
    "lte": "<=",
    "lt": "<",
    "like": "like",
    "ilike": "ilike",
    "match": "~",
    "imatch": "~*",
}
_FULL_TEXT = {
    "fts": "to_tsquery",
    "plfts": "plainto_tsquery",
    "phfts": "phraseto_tsquery",
    "wfts": "websearch_to_tsquery",
}
_IS = {"null": "NULL", "not_null": "NOT NULL", "true": "TRUE", "false": "FALSE", "unknown": "UNKNOWN"}


def _fold(text: str) -> Parser:
    """``text`` in any mixture of cases, character by character."""
    letters = [alternatives(char(c), char(c.upper())) for c in text]
    return sequence(*letters, build=lambda *_: text)


def _operators(table: dict[str, str]) -> Parser:
    words = [try_(_word(name, sql)) for name, sql in table.items()]
    return label(alternatives(*words), "unknown single value operator")


_list_element = alternatives(
    try_(keep(0, _quoted, not_followed_by(none_of(",)")))), take(lambda c: c not in ",)")
)
_list = keep(1, _lexeme(char("(")), sep_by1(_list_element, char(",")), _lexeme(char(")")))
_is_value = label(
    alternatives(*(try_(transform(_fold(name), _IS.__getitem__)) for name in _IS)),
    "isVal: (null, not_null, true, false, unknown)",
)
_quantifier = option(
    None,
    try_(keep(1, char("("), alternatives(try_(_word("any")), _word("all")), char(")"))),
)
_language = option(None, try_(keep(1, char("("), _identifier, char(")"))))
_full_text = alternatives(*(try_(_word(name, sql)) for name, sql in _FULL_TEXT.items()))


def _operation(value: Parser) -> Parser:
    """``not.op.value``; as ``(negated, operation)``."""
    operation = label(
        alternatives(
            keep(
                1,
                try_(keep(1, string("in"), _dot)),
                transform(_list, lambda values: In(tuple(values))),
            ),
            keep(1, try_(keep(1, string("is"), _dot)), transform(_is_value, Is)),
            keep(1, try_(keep(1, string("isdistinct"), _dot)), transform(value, IsDistinct)),
            try_(
                sequence(
                    _full_text,
                    _language,
                    _dot,
                    value,
                    build=lambda function, language, _, text: FullText(function, language, text),
                )
            ),
            try_(sequence(_operators(_PLAIN), _dot, value, build=lambda op, _, text: Plain(op, text))),
            try_(
                sequence(
                    _operators(_QUANTIFIED),
                    _quantifier,
                    _dot,
                    value,
                    build=lambda op, quantifier, _, text: Quantified(op, quantifier, text),
                )
            ),
        ),
        "operator (eq, gt, ...)",
    )
    negation = alternatives(try_(keep(1, string("not"), transform(_dot, lambda _: True))), pure(False))
    return sequence(negation, operation, build=lambda negated, what: (negated, what))


_any_value = _operation(take(lambda _: True))

# logic

_array_literal = sequence(
    string("{"), take(lambda c: c not in "{}"), string("}"), build=lambda *parts: "".join(parts)
)
_logic_value = alternatives(
    try_(keep(0, _quoted, not_followed_by(none_of(",)")))),
    try_(_array_literal),
    take(lambda c: c not in ",)"),
)
_logic_filter = sequence(
    _field, _dot, _operation(_logic_value), build=lambda field, _, operation: Filter(field, *operation)
)
_logic_negation = label(
    alternatives(try_(keep(1, string("not"), transform(_dot, lambda _: True))), pure(False)),
    "negation operator (not)",
)
_logic_operator = label(
    alternatives(try_(_word("and", "AND")), _word("or", "OR")), "logic operator (and, or)"
)
_logic_terms = keep(
    1,
    _lexeme(char("(")),
    sep_by1(lazy(lambda: _logic_tree), _lexeme(char(","))),
    _lexeme(char(")")),
)
_logic_tree: Parser = alternatives(
    try_(_logic_filter),
    sequence(
        _logic_negation,
        _logic_operator,
        _logic_terms,
        build=lambda negated, operator, terms: Logic(negated, operator, tuple(terms)),
    ),
)

# order

_order_end = alternatives(try_(look_ahead(char(","))), try_(end))
_direction = option(
    None,
    alternatives(try_(keep(1, _dot, _word("asc", "ASC"))), try_(keep(1, _dot, _word("desc", "DESC")))),
)
_nulls = alternatives(
    keep(
        0,
        option(
            None,
            alternatives(
                try_(keep(1, _dot, _word("nullsfirst", "NULLS FIRST"))),
                try_(keep(1, _dot, _word("nullslast", "NULLS LAST"))),
            ),
        ),
        _order_end,
    ),
    transform(_order_end, lambda _: None),
)
_order_by_field = sequence(_field, _direction, _nulls, build=OrderTerm)
_order_by_relation = sequence(
    _name,
    keep(1, char("("), _field, char(")")),
    _direction,
    _nulls,
    build=lambda relation, field, direction, nulls: OrderTerm(field, direction, nulls, relation),
)
_order = sep_by1(_lexeme(alternatives(try_(_order_by_relation), _order_by_field)), char(","))

# paths of parameters

_path = sequence(
    sep_by1(_name, _dot),
    option((), _json_path),
    build=lambda names, path: (tuple(names[:-1]), Field(names[-1], path)),
)
_logic_path = sep_by1(_name, _dot)
_columns = sep_by1(_name, _lexeme(char(",")))


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
    return tuple(_parse(_forest, "select parameter", text))


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
    if dot and operator in _QUANTIFIED:
        return False, Quantified(_QUANTIFIED[operator], None, value)
    if not optional:
        operation: tuple[bool, Operation] = _parse(_any_value, "filter", text)
        return operation
    try:
        found, optional_operation = parse_optional(_any_value, f"failed to parse filter ({text})", text)
    except Failure as failure:
        raise query_error(failure.position, failure.details) from None
    return optional_operation if found else None


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
        tree: Condition = parse(_logic_tree, f"failed to parse logic tree ({text})", operator + text)
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
