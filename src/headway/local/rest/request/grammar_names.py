"""The grammar of names and JSON paths, which the rest of a query string is made of.

Source: PostgREST's documentation, "URL grammar" and "JSON Columns".
"""

from __future__ import annotations

from typing import Any

from headway.local.rest.request.ast import (
    Field,
    JsonStep,
)
from headway.local.rest.request.parsec import (
    Parser,
    alternatives,
    any_char,
    char,
    end,
    keep,
    label,
    look_ahead,
    many,
    none_of,
    not_followed_by,
    option,
    sep_by1,
    sequence,
    string,
    take,
    take1,
    transform,
    try_,
)

__all__ = ["dot", "field", "field_name", "identifier", "json_path", "lexeme", "quoted_text", "word"]


def word(text: str, value: Any = None) -> Parser:
    return transform(string(text), lambda _: text if value is None else value)


def _is_name_char(character: str) -> bool:
    return character.isalpha() or character in "0123456789_ $"


_space = take(lambda c: c in " \t")


def lexeme(parser: Parser) -> Parser:
    return keep(1, _space, parser, _space)


_escaped = alternatives(none_of('\\"'), keep(1, char("\\"), any_char))
quoted_text = transform(keep(1, char('"'), many(_escaped), char('"')), "".join)
identifier = transform(take1(_is_name_char, "letter", "digit"), str.strip)
_dash = try_(keep(0, char("-"), not_followed_by(char(">"))))


def _dashed(part: Parser) -> Parser:
    return transform(sep_by1(part, _dash), "-".join)


field_name = label(alternatives(quoted_text, _dashed(identifier)), "field name (* or [a..z0..9_$])")
dot = label(char("."), "delimiter (.)")

_json_word = transform(take1(lambda c: c not in "(-:.,>)"), str.strip)
_json_key = label(
    alternatives(quoted_text, _dashed(_json_word)), "any non reserved character different from: .,>()"
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
_json_arrow = alternatives(try_(word("->>", True)), try_(transform(string("->"), lambda _: False)))
_json_step = sequence(_json_arrow, _json_operand, build=lambda as_text, operand: JsonStep(as_text, *operand))
json_path = transform(many(_json_step), tuple)
field = lexeme(sequence(field_name, option((), json_path), build=Field))
