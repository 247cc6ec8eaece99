"""Cuts a file into SQL statements where PostgreSQL's own lexer and psql would.

Source: the lexical structure in PostgreSQL's documentation (chapter 4.1) and the rules of psql's scanner: a
semicolon ends a statement unless it is quoted, commented, in parentheses or in a ``BEGIN ATOMIC`` body.
Every character is looked at once, whatever the input.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["SplitError", "Statement", "split_pieces", "split_statements"]

_LETTER = r"A-Za-z_\x80-\U0010ffff"
_TOKEN = re.compile(
    rf"""
      (?P<space>[ \t\n\r\f\v]+)
    | (?P<comment>--[^\n\r]*)
    | (?P<block>/\*)
    | (?P<word>[{_LETTER}][{_LETTER}0-9$]*)
    | (?P<dollar>\$(?:[{_LETTER}][{_LETTER}0-9]*)?\$)
    | (?P<quote>')
    | (?P<identifier>")
    | (?P<end>;)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<meta>\\)
    | (?P<nul>\x00)
    | (?P<other>[0-9][{_LETTER}0-9$.]*|[\[\],.:=<>+*%&|!~^?@#`{{}}]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# Possessive: without a closing quote nothing is tried twice.
_ESCAPE_STRING = re.compile(r"(?:[^'\\]++|\\.|'')*+'?", re.DOTALL)
_STRING_GOES_ON = re.compile(
    r"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]++|--[^\n\r]*+[\n\r])*+'", re.DOTALL
)
# What PostgreSQL's lexer takes for space; Python strips more, U+001F for one.
_SPACE = " \t\n\r\f\v"
_LEADING_WORDS = 4
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a file.

    Args:
        text: From its first word to before its semicolon; what is sent.
        offset: Where that begins in the file, in characters.
        line: The line of that, from 1.
        record: With the comments before it, as the CLI keeps it in the history.
        words: The first bare words, in upper case, by which a kind of statement is known.
    """

    text: str
    offset: int
    line: int
    record: str
    words: tuple[str, ...]


class SplitError(ValueError):
    """The file holds something that is not SQL.

    Args:
        reason: What.
        line: The line, from 1.
        hint: What to do instead.
    """

    def __init__(self, reason: str, *, line: int, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.hint = hint


@dataclass(slots=True)
class _Piece:
    start: int
    end: int
    first: int | None
    """Where its first token is; ``None`` for nothing but space and comments."""
    words: tuple[str, ...]


def split_pieces(sql: str) -> list[str]:
    """The file cut behind each statement's semicolon; joined again they are the file.

    Args:
        sql: The file's text.

    Raises:
        SplitError: it holds a psql command, inline COPY data or a NUL character.
    """
    return [sql[piece.start : piece.end] for piece in _pieces(sql)]


def split_statements(sql: str) -> list[Statement]:
    """The statements of a file, without what is only space and comments.

    Args:
        sql: The file's text.

    Raises:
        SplitError: it holds a psql command, inline COPY data or a NUL character.
    """
    newlines = [match.start() for match in re.finditer("\n", sql)]
    statements = []
    for piece in _pieces(sql):
        if piece.first is None:
            continue
        text = _bare(sql[piece.first : piece.end])
        statements.append(
            Statement(
                text=text,
                offset=piece.first,
                line=bisect_left(newlines, piece.first) + 1,
                record=_bare(sql[piece.start : piece.end]).lstrip(_SPACE),
                words=piece.words,
            )
        )
    return statements


def _bare(text: str) -> str:
    return text.rstrip(_SPACE).removesuffix(";").rstrip(_SPACE)


def _pieces(sql: str) -> Iterator[_Piece]:
    start = position = depth = body = 0
    first: int | None = None
    words: list[str] = []
    previous = ""
    length = len(sql)
    match_token = _TOKEN.match
    while position < length:
        match = match_token(sql, position)
        assert match is not None, "the pattern matches any character"
        kind = match.lastgroup
        begin, position = position, match.end()
        if kind in {"space", "comment"}:
            continue
        if kind == "block":
            position = _after_block_comment(sql, position)
            continue
        if kind == "end":
            if depth == 0 and body == 0:
                yield _Piece(start, position, first, tuple(words))
                start, first, words, previous = position, None, [], ""
            continue
        if first is None:
            first = begin
        if kind == "word":
            word = match[0].upper()
            if word == "E" and sql.startswith("'", position):
                position = _after_escape_string(sql, position + 1)
                continue
            if len(words) < _LEADING_WORDS:
                words.append(word)
            # A routine's SQL body has statements of its own, and CASE ends with END as it does.
            if body:
                body += {"CASE": 1, "END": -1}.get(word, 0)
            elif word == "ATOMIC" and previous == "BEGIN" and words[0] == "CREATE":
                body = 1
            elif word == "STDIN" and previous == "FROM" and words[0] == "COPY":
                raise SplitError(
                    "COPY ... FROM STDIN needs data that only psql can send",
                    line=sql.count("\n", 0, first) + 1,
                    hint="Write the rows as INSERT statements (pg_dump --inserts).",
                )
            previous = word
        elif kind == "quote":
            position = _after(sql, "'", position)
        elif kind == "identifier":
            position = _after(sql, '"', position)
        elif kind == "dollar":
            position = _after(sql, match[0], position)
        elif kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(0, depth - 1)
        elif kind == "meta":
            line_end = sql.find("\n", begin)
            command = sql[begin : line_end if line_end >= 0 else length].split(maxsplit=1)[0]
            raise SplitError(
                f"{command[:_SHOWN_CHARACTERS]} is a command of psql, not SQL",
                line=sql.count("\n", 0, begin) + 1,
                hint="Remove the line; run the file with psql if it needs psql.",
            )
        elif kind == "nul":
            raise SplitError(
                "the file holds a NUL character",
                line=sql.count("\n", 0, begin) + 1,
                hint="Save it as UTF-8 text.",
            )
    if start < length:
        yield _Piece(start, length, first, tuple(words))


def _after(sql: str, closing: str, position: int) -> int:
    found = sql.find(closing, position)
    return len(sql) if found < 0 else found + len(closing)


def _after_block_comment(sql: str, position: int) -> int:
    depth = 1
    for edge in _COMMENT_EDGE.finditer(sql, position):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)


def _after_escape_string(sql: str, position: int) -> int:
    while True:
        match = _ESCAPE_STRING.match(sql, position)
        assert match is not None, "the pattern matches the empty string"
        # A literal goes on behind a line break, and keeps its escapes.
        further = _STRING_GOES_ON.match(sql, match.end())
        if further is None:
            return match.end()
        position = further.end()
