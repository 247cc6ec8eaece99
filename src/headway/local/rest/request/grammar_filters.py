"""The grammar of filters and of logic trees.

Source: PostgREST's documentation, "URL grammar", "Operators" and "Logical operators".
"""

from __future__ import annotations

from headway.local.rest.request.ast import (
    Filter,
    FullText,
    In,
    Is,
    IsDistinct,
    Logic,
    Plain,
    Quantified,
)
from headway.local.rest.request.grammar_names import (
    dot,
    field,
    identifier,
    lexeme,
    quoted_text,
    word,
)
from headway.local.rest.request.parsec import (
    Parser,
    alternatives,
    char,
    keep,
    label,
    lazy,
    none_of,
    not_followed_by,
    option,
    pure,
    sep_by1,
    sequence,
    string,
    take,
    transform,
    try_,
)

__all__ = ["QUANTIFIED", "condition", "operation"]

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
QUANTIFIED = {
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
    words = [try_(word(name, sql)) for name, sql in table.items()]
    return label(alternatives(*words), "unknown single value operator")


_list_element = alternatives(
    try_(keep(0, quoted_text, not_followed_by(none_of(",)")))), take(lambda c: c not in ",)")
)
_list = keep(1, lexeme(char("(")), sep_by1(_list_element, char(",")), lexeme(char(")")))
_is_value = label(
    alternatives(*(try_(transform(_fold(name), _IS.__getitem__)) for name in _IS)),
    "isVal: (null, not_null, true, false, unknown)",
)
_quantifier = option(
    None,
    try_(keep(1, char("("), alternatives(try_(word("any")), word("all")), char(")"))),
)
_language = option(None, try_(keep(1, char("("), identifier, char(")"))))
_full_text = alternatives(*(try_(word(name, sql)) for name, sql in _FULL_TEXT.items()))


def operation_on(value: Parser) -> Parser:
    """``not.op.value``; as ``(negated, operation)``."""
    found = label(
        alternatives(
            keep(
                1,
                try_(keep(1, string("in"), dot)),
                transform(_list, lambda values: In(tuple(values))),
            ),
            keep(1, try_(keep(1, string("is"), dot)), transform(_is_value, Is)),
            keep(1, try_(keep(1, string("isdistinct"), dot)), transform(value, IsDistinct)),
            try_(
                sequence(
                    _full_text,
                    _language,
                    dot,
                    value,
                    build=lambda function, language, _, text: FullText(function, language, text),
                )
            ),
            try_(sequence(_operators(_PLAIN), dot, value, build=lambda op, _, text: Plain(op, text))),
            try_(
                sequence(
                    _operators(QUANTIFIED),
                    _quantifier,
                    dot,
                    value,
                    build=lambda op, quantifier, _, text: Quantified(op, quantifier, text),
                )
            ),
        ),
        "operator (eq, gt, ...)",
    )
    negation = alternatives(try_(keep(1, string("not"), transform(dot, lambda _: True))), pure(False))
    return sequence(negation, found, build=lambda negated, what: (negated, what))


operation = operation_on(take(lambda _: True))

_array_literal = sequence(
    string("{"), take(lambda c: c not in "{}"), string("}"), build=lambda *parts: "".join(parts)
)
_logic_value = alternatives(
    try_(keep(0, quoted_text, not_followed_by(none_of(",)")))),
    try_(_array_literal),
    take(lambda c: c not in ",)"),
)
_logic_filter = sequence(
    field, dot, operation_on(_logic_value), build=lambda field, _, operation: Filter(field, *operation)
)
_logic_negation = label(
    alternatives(try_(keep(1, string("not"), transform(dot, lambda _: True))), pure(False)),
    "negation operator (not)",
)
_logic_operator = label(alternatives(try_(word("and", "AND")), word("or", "OR")), "logic operator (and, or)")
_logic_terms = keep(
    1,
    lexeme(char("(")),
    sep_by1(lazy(lambda: condition), lexeme(char(","))),
    lexeme(char(")")),
)
condition: Parser = alternatives(
    try_(_logic_filter),
    sequence(
        _logic_negation,
        _logic_operator,
        _logic_terms,
        build=lambda negated, operator, terms: Logic(negated, operator, tuple(terms)),
    ),
)
