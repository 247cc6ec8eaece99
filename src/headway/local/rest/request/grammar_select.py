"""The grammar of ``select``.

Source: PostgREST's documentation, "URL grammar", "Resource Embedding" and "Aggregate Functions".
"""

from __future__ import annotations

from typing import Any

from headway.local.rest.request.ast import (
    Embed,
    Field,
    SelectField,
    SelectItem,
)
from headway.local.rest.request.grammar_names import (
    field,
    field_name,
    identifier,
    lexeme,
    word,
)
from headway.local.rest.request.parsec import (
    Parser,
    alternatives,
    char,
    end,
    keep,
    lazy,
    look_ahead,
    not_followed_by,
    option,
    satisfying,
    sep_by,
    sequence,
    string,
    transform,
    try_,
)

__all__ = ["select_items"]

_alias = option(None, try_(keep(0, field_name, keep(0, char(":"), not_followed_by(char(":"))))))
_cast = option(None, keep(1, string("::"), identifier))
_embed_parameter = keep(
    1,
    char("!"),
    alternatives(
        try_(transform(string("left"), lambda _: ("join", "left"))),
        try_(transform(string("inner"), lambda _: ("join", "inner"))),
        try_(transform(field_name, lambda hint: ("hint", hint))),
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
_relation_head = lexeme(
    sequence(
        _alias,
        satisfying(field_name, lambda name: name != "count"),
        _embed_parameters,
        _opening,
        build=lambda alias, name, options, _: {"relation": name, "alias": alias, **options},
    )
)
_spread_head = lexeme(
    sequence(
        keep(1, string("..."), field_name),
        _embed_parameters,
        _opening,
        build=lambda name, options, _: {"relation": name, "spread": True, **options},
    )
)
_item_end = alternatives(try_(look_ahead(string(")"))), try_(look_ahead(string(","))), try_(end))
_aggregate = alternatives(word("sum"), word("avg"), word("count"), try_(word("max")), try_(word("min")))
_select_field = lexeme(
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
            field,
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
_items = keep(1, char("("), lazy(lambda: select_items), char(")"))


def _embed(head: dict[str, Any], items: list[SelectItem]) -> Embed:
    return Embed(items=tuple(items), **head)


select_items: Parser = sep_by(
    alternatives(
        sequence(try_(_spread_head), _items, build=_embed),
        sequence(try_(_relation_head), _items, build=_embed),
        _select_field,
    ),
    lexeme(char(",")),
)
