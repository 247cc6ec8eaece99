"""UPDATE and DELETE without WHERE, refused as the module ``safeupdate`` does on hosted projects.

Supabase loads ``safeupdate`` into every session of ``authenticator``: whatever an API request runs, also
inside a function, fails with SQLSTATE 21000 when it updates or deletes without a WHERE clause. The module is
a C library that no Postgres wheel contains, so this one reads instead: a statement of its own is checked when
it is composed, and the bodies of functions when the schema cache is loaded.

What reading can see and what it cannot: a function in SQL or PL/pgSQL is refused when its source, or that of
a function it calls by name, holds such a statement, also in a branch that would not be reached. Not seen are
statements in triggers, in other languages, and in dynamic SQL other than ``EXECUTE 'literal'``. As on hosted
projects, ``WHERE true`` satisfies it, and ``SET safeupdate.enabled TO off`` on the function switches it off.

Source: supabase/postgres, migration ``20220118070449_enable-safeupdate-postgrest``; eradman/pg-safeupdate.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from headway.local.rest.errors import RestError

__all__ = ["Verb", "find_unqualified_write", "find_unqualified_writes", "unqualified_write_error"]

Verb: TypeAlias = Literal["UPDATE", "DELETE"]


class _Token(NamedTuple):
    kind: str
    """``word`` (upper-case), ``name`` (quoted), ``string``, ``other``."""
    text: str


_TOKEN = re.compile(
    r"""
      (?P<skip> \s+ | --[^\n]* )
    | (?P<comment> /\* )
    | (?P<escape> [eE]'(?:[^'\\]|\\.|'')*' )
    | (?P<string> (?:[uU]&|[bBxXnN])?'(?:[^']|'')*' )
    | (?P<name> (?:[uU]&)?"(?:[^"]|"")*" )
    | (?P<dollar> \$(?P<tag>(?:[^\W\d]\w*)?)\$ )
    | (?P<word> [^\W\d][\w$]* )
    | (?P<number> \d[\w.]* )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_NOT_BEFORE = {"FOR", "KEY", "DO", "ON", "OR", "BEFORE", "AFTER", "OF", "GRANT", "REVOKE", "."}
_SWITCH = "safeupdate.enabled"
_OFF = {"off", "false", "no", "0"}
_MAX_DYNAMIC_DEPTH = 3


def unqualified_write_error(verb: str) -> RestError:
    """What ``safeupdate`` answers.

    Args:
        verb: ``UPDATE`` or ``DELETE``.
    """
    return RestError(400, "21000", f"{verb} requires a WHERE clause")


def _tokens(source: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while match := _TOKEN.match(source, at):
        at = match.end()
        kind = match.lastgroup
        if kind == "comment":
            at = _after_comment(source, at)
        elif kind == "dollar" or kind == "tag":
            end = source.find(match["dollar"], at)
            end = len(source) if end < 0 else end
            tokens.append(_Token("string", source[at:end]))
            at = end + len(match["dollar"])
        elif kind == "string":
            tokens.append(_Token("string", match[0].partition("'")[2][:-1].replace("''", "'")))
        elif kind == "escape":
            text = re.sub(r"\\(.)", r"\1", match[0][2:-1].replace("''", "'"), flags=re.DOTALL)
            tokens.append(_Token("string", text))
        elif kind == "name":
            tokens.append(_Token("name", match[0].partition('"')[2][:-1].replace('""', '"')))
        elif kind == "word":
            tokens.append(_Token("word", match[0].upper()))
        elif kind != "skip":
            tokens.append(_Token("other", match[0]))
    return tokens


def _after_comment(source: str, at: int) -> int:
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(source, at)):
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
    return len(source) if depth else at


def find_unqualified_write(source: str) -> Verb | None:
    """The first UPDATE or DELETE without WHERE in the source of a function.

    Args:
        source: SQL or PL/pgSQL.
    """
    return _find(_tokens(source), _MAX_DYNAMIC_DEPTH)


def _find(tokens: Sequence[_Token], depth: int) -> Verb | None:
    for index, token in enumerate(tokens):
        if token.kind != "word":
            continue
        if token.text == "EXECUTE" and depth and (dynamic := _literal_after(tokens, index)) is not None:
            if found := _find(_tokens(dynamic), depth - 1):
                return found
        elif _begins_statement(tokens, index) and not _has_where(tokens, index):
            return "UPDATE" if token.text == "UPDATE" else "DELETE"
    return None


def _literal_after(tokens: Sequence[_Token], index: int) -> str | None:
    if index + 1 >= len(tokens) or tokens[index + 1].kind != "string":
        return None
    following = tokens[index + 2] if index + 2 < len(tokens) else None
    # A literal that is concatenated with more is only a part of the statement.
    return None if following is not None and following.text == "|" else tokens[index + 1].text


def _begins_statement(tokens: Sequence[_Token], index: int) -> bool:
    verb = tokens[index].text
    before = tokens[index - 1].text if index else ""
    after = tokens[index + 1] if index + 1 < len(tokens) else _Token("other", "")
    if verb not in ("UPDATE", "DELETE") or before in _NOT_BEFORE:
        return False
    if verb == "DELETE":
        # MERGE says DELETE without FROM; privileges and trigger events say neither.
        return after == ("word", "FROM")
    if after.kind == "other" or after.text in ("SET", "ON", "OR"):
        return False
    return any(token == ("word", "SET") for token in _statement(tokens, index))


def _has_where(tokens: Sequence[_Token], index: int) -> bool:
    return any(token == ("word", "WHERE") for token in _statement(tokens, index))


def _statement(tokens: Sequence[_Token], index: int) -> Iterable[_Token]:
    """The tokens after ``index`` up to the statement's end, without what is in parentheses."""
    depth = 0
    for token in tokens[index + 1 :]:
        if token.kind == "other":
            if token.text == ")" and depth == 0:
                return
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text == ";" and depth <= 0:
                return
        elif token == ("word", "LOOP") and depth == 0:
            return
        if depth == 0:
            yield token


def find_unqualified_writes(functions: Sequence[Mapping[str, Any]]) -> dict[int, Verb]:
    """The functions that would run an UPDATE or DELETE without WHERE, themselves or through another.

    Args:
        functions: Rows with ``oid``, ``schema``, ``name``, ``source`` and ``config``.
    """
    tokens = {f["oid"]: _tokens(f["source"]) for f in functions if not _is_switched_off(f)}
    found: dict[int, Verb] = {}
    for oid, own in tokens.items():
        if verb := _find(own, _MAX_DYNAMIC_DEPTH):
            found[oid] = verb
    while True:
        callees = _callable_names(functions, found)
        more = {
            oid: verb
            for oid, own in tokens.items()
            if oid not in found and (verb := _called(own, callees)) is not None
        }
        if not more:
            return found
        found |= more


def _is_switched_off(function: Mapping[str, Any]) -> bool:
    for entry in function["config"]:
        name, _, value = entry.partition("=")
        if name == _SWITCH and value.strip("'\"").lower() in _OFF:
            return True
    return _SWITCH in function["source"]


def _callable_names(
    functions: Iterable[Mapping[str, Any]], found: Mapping[int, Verb]
) -> dict[tuple[str, str], Verb]:
    """Names that can only mean a function that was found; with an empty schema for unqualified calls."""
    verbs: defaultdict[tuple[str, str], list[Verb | None]] = defaultdict(list)
    for function in functions:
        verb = found.get(function["oid"])
        verbs[function["schema"], function["name"]].append(verb)
        verbs["", function["name"]].append(verb)
    return {name: all_[0] for name, all_ in verbs.items() if all_[0] is not None and None not in all_}


def _called(tokens: Sequence[_Token], callees: Mapping[tuple[str, str], Verb]) -> Verb | None:
    for index, token in enumerate(tokens):
        if token.kind not in ("word", "name"):
            continue
        if index + 1 >= len(tokens) or tokens[index + 1] != ("other", "("):
            continue
        qualified = index >= 2 and tokens[index - 1] == ("other", ".")
        schema = _identifier(tokens[index - 2]) if qualified else ""
        if verb := callees.get((schema, _identifier(token))):
            return verb
    return None


def _identifier(token: _Token) -> str:
    return token.text.lower() if token.kind == "word" else token.text
