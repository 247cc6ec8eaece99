"""Parsec's error messages: what they hold, how two of them are joined, and how they read.

Source: Leijen and Meijer, "Parsec: Direct Style Monadic Parser Combinators For The Real World" (2001),
section 4.
"""

from __future__ import annotations

__all__ = [
    "EXPECTED",
    "SYSTEM_UNEXPECTED",
    "UNEXPECTED",
    "Failure",
    "Message",
    "ParseError",
    "expecting",
    "failure",
    "haskell_show",
    "merge",
]

SYSTEM_UNEXPECTED, UNEXPECTED, EXPECTED = range(3)

Message = tuple[int, str]
ParseError = tuple[int, tuple[Message, ...]]
"""A place and what is known about it."""


class Failure(Exception):
    """The text does not follow the grammar.

    Args:
        position: ``(line N, column M)``, preceded by the quoted name of what was parsed.
        details: What was unexpected and what was expected, in one line.
    """

    def __init__(self, position: str, details: str) -> None:
        super().__init__(f"{position} {details}")
        self.position = position
        self.details = details


def _line_column(text: str, at: int) -> tuple[int, int]:
    line, column = 1, 1
    for character in text[:at]:
        if character == "\n":
            line, column = line + 1, 1
        elif character == "\t":
            column += 8 - (column - 1) % 8
        else:
            column += 1
    return line, column


def _describe(messages: tuple[Message, ...]) -> str:
    if not messages:
        return "unknown parse error"

    def listed(kind: int) -> list[str]:
        return list(dict.fromkeys(text for k, text in messages if k == kind and text))

    def joined(items: list[str]) -> str:
        return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} or {items[-1]}"

    parts: list[str] = []
    system = [text for kind, text in messages if kind == SYSTEM_UNEXPECTED]
    unexpected, expected = listed(UNEXPECTED), listed(EXPECTED)
    if system and not any(kind == UNEXPECTED for kind, _ in messages):
        parts.append(f"unexpected {system[0] or 'end of input'}")
    if unexpected:
        parts.append(f"unexpected {joined(unexpected)}")
    if expected:
        parts.append(f"expecting {joined(expected)}")
    return " ".join(parts).strip()


_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_CONTROL = (
    *("NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI"),
    *(
        "DLE",
        "DC1",
        "DC2",
        "DC3",
        "DC4",
        "NAK",
        "SYN",
        "ETB",
        "CAN",
        "EM",
        "SUB",
        "ESC",
        "FS",
        "GS",
        "RS",
        "US",
    ),
)


def failure(name: str, text: str, error: ParseError) -> Failure:
    """The failure that an error means.

    Args:
        name: What the message calls the text.
        text: The input.
        error: Where and what.
    """
    at, messages = error
    line, column = _line_column(text, at)
    return Failure(f'"{name}" (line {line}, column {column})', _describe(messages))


def haskell_show(text: str, quote: str = '"') -> str:
    """A text as Haskell shows it, the form in which Parsec names characters.

    Args:
        text: Any text.
        quote: ``"`` for a string, ``'`` for a single character.
    """
    shown = []
    for character in text:
        code = ord(character)
        if character in ("\\", quote):
            shown.append("\\" + character)
        elif character in _ESCAPES:
            shown.append(_ESCAPES[character])
        elif code < 32:
            shown.append("\\" + _CONTROL[code])
        elif code == 127:
            shown.append("\\DEL")
        elif code > 127:
            shown.append(f"\\{code}")
        else:
            shown.append(character)
    return quote + "".join(shown) + quote


def merge(first: ParseError | None, second: ParseError | None) -> ParseError | None:
    """What is known after two attempts: the error further on, or at one place both."""
    if second is None or not second[1]:
        return first if first is not None and first[1] else second
    if first is None or not first[1] or first[0] < second[0]:
        return second
    if first[0] > second[0]:
        return first
    return first[0], first[1] + second[1]


def expecting(error: ParseError | None, at: int, what: str) -> ParseError:
    """The error, with one name for everything that was expected."""
    place, messages = error or (at, ())
    return place, ((EXPECTED, what), *(m for m in messages if m[0] != EXPECTED))
