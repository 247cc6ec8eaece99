"""Parser combinators whose error messages are Parsec's.

PostgREST parses with Haskell's Parsec and shows its messages to clients (PGRST100: the position in
``message``, what was unexpected and expected in ``details``). Which alternatives a message lists follows from
Parsec's rules for joining errors: of two errors the one further on wins, at the same place both are kept, and
an alternative is tried only while the one before has consumed nothing. These rules are the contract of this
module.

Source: Leijen and Meijer, "Parsec: Direct Style Monadic Parser Combinators For The Real World" (2001),
sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from headway.local.rest.request.parsec_errors import (
    EXPECTED,
    SYSTEM_UNEXPECTED,
    UNEXPECTED,
    Failure,
    Message,
    ParseError,
    expecting,
    failure,
    haskell_show,
    merge,
)

__all__ = [
    "Failure",
    "Outcome",
    "Parser",
    "alternatives",
    "any_char",
    "char",
    "end",
    "keep",
    "label",
    "lazy",
    "look_ahead",
    "many",
    "none_of",
    "not_followed_by",
    "one_of",
    "option",
    "parse",
    "parse_optional",
    "pure",
    "satisfying",
    "sep_by",
    "sep_by1",
    "sequence",
    "string",
    "take",
    "take1",
    "transform",
    "try_",
]


class Outcome(NamedTuple):
    """What one parser did: whether it consumed input, whether it succeeded, its value, where it stopped."""

    consumed: bool
    ok: bool
    value: Any
    at: int
    error: ParseError | None


Parser = Callable[[str, int], Outcome]


def parse(parser: Parser, name: str, text: str) -> Any:
    """The value of ``text`` under ``parser``, which need not consume all of it.

    Args:
        parser: A grammar.
        name: What error messages call the text.
        text: The input.

    Raises:
        Failure: the text does not follow the grammar.
    """
    found, value = parse_optional(parser, name, text)
    if found:
        return value
    outcome = parser(text, 0)
    raise failure(name, text, outcome.error or (outcome.at, ()))


def parse_optional(parser: Parser, name: str, text: str) -> tuple[bool, Any]:
    """Whether ``text`` begins like ``parser``'s grammar, and then its value.

    Args:
        parser: A grammar.
        name: What error messages call the text.
        text: The input.

    Raises:
        Failure: the text begins like the grammar and then leaves it.
    """
    outcome = parser(text, 0)
    if not outcome.ok and outcome.consumed:
        raise failure(name, text, outcome.error or (outcome.at, ()))
    return outcome.ok, outcome.value


def _unexpected_here(text: str, at: int) -> Message:
    return SYSTEM_UNEXPECTED, haskell_show(text[at]) if at < len(text) else ""


def pure(value: Any) -> Parser:
    """Succeed with a value, without input."""
    return lambda text, at: Outcome(False, True, value, at, None)


def take(accepts: Callable[[str], bool], *expected: str, least: int = 0) -> Parser:
    """As many characters as are accepted, as one text.

    Args:
        accepts: Whether a character belongs to it.
        expected: What a message lists where the next character does not.
        least: How many there must be.
    """
    wanted = tuple((EXPECTED, what) for what in expected)

    def run(text: str, at: int) -> Outcome:
        stop, size = at, len(text)
        while stop < size and accepts(text[stop]):
            stop += 1
        error = (stop, (_unexpected_here(text, stop), *wanted))
        return Outcome(stop > at, stop - at >= least, text[at:stop], stop, error)

    return run


def take1(accepts: Callable[[str], bool], *expected: str) -> Parser:
    """Like ``take``, at least one."""
    return take(accepts, *expected, least=1)


def _single(accepts: Callable[[str], bool], expected: str | None) -> Parser:
    def run(text: str, at: int) -> Outcome:
        if at < len(text) and accepts(text[at]):
            return Outcome(True, True, text[at], at + 1, None)
        messages: tuple[Message, ...] = (_unexpected_here(text, at),)
        return Outcome(
            False, False, None, at, (at, (*messages, (EXPECTED, expected)) if expected else messages)
        )

    return run


def char(character: str) -> Parser:
    """Exactly this character."""
    return _single(lambda c: c == character, haskell_show(character))


def one_of(characters: str) -> Parser:
    """Any of these characters."""
    return _single(lambda c: c in characters, None)


def none_of(characters: str) -> Parser:
    """Any character but these."""
    return _single(lambda c: c not in characters, None)


any_char: Parser = _single(lambda c: True, None)
"""Any character."""


def string(wanted: str) -> Parser:
    """Exactly this text; a partial match has consumed, and the error is placed at its start."""
    shown = haskell_show(wanted)

    def run(text: str, at: int) -> Outcome:
        if text.startswith(wanted, at):
            return Outcome(True, True, wanted, at + len(wanted), None)
        matched = 0
        while at + matched < len(text) and text[at + matched] == wanted[matched]:
            matched += 1
        bad = at + matched
        unexpected = haskell_show(text[bad]) if bad < len(text) else ""
        error = (at, ((SYSTEM_UNEXPECTED, unexpected), (EXPECTED, shown)))
        return Outcome(matched > 0, False, None, bad, error)

    return run


def try_(parser: Parser) -> Parser:
    """Like ``parser``, but a failure has consumed nothing."""

    def run(text: str, at: int) -> Outcome:
        outcome = parser(text, at)
        return outcome if outcome.ok else Outcome(False, False, None, at, outcome.error)

    return run


def look_ahead(parser: Parser) -> Parser:
    """Succeed where ``parser`` does, without consuming."""

    def run(text: str, at: int) -> Outcome:
        outcome = parser(text, at)
        return Outcome(False, True, outcome.value, at, None) if outcome.ok else outcome

    return run


def not_followed_by(parser: Parser) -> Parser:
    """Succeed without consuming where ``parser``, which reads one character, fails."""

    def run(text: str, at: int) -> Outcome:
        outcome = parser(text, at)
        if outcome.ok:
            unexpected = (UNEXPECTED, haskell_show(outcome.value, "'"))
            return Outcome(False, False, None, at, (outcome.at, (unexpected,)))
        return Outcome(False, True, None, at, None)

    return run


def label(parser: Parser, name: str) -> Parser:
    """Like ``parser``, called ``name`` where it fails at its very start."""

    def run(text: str, at: int) -> Outcome:
        outcome = parser(text, at)
        if outcome.consumed or (outcome.ok and (outcome.error is None or not outcome.error[1])):
            return outcome
        return outcome._replace(error=expecting(outcome.error, at, name))

    return run


def end(text: str, at: int) -> Outcome:
    """The end of the text."""
    if at == len(text):
        return Outcome(False, True, None, at, None)
    messages = ((EXPECTED, "end of input"), (UNEXPECTED, haskell_show(text[at], "'")))
    return Outcome(False, False, None, at, (at, messages))


def sequence(*parsers: Parser, build: Callable[..., Any]) -> Parser:
    """One after the other; the value is made by ``build`` from all of theirs."""

    def run(text: str, at: int) -> Outcome:
        values: list[Any] = []
        consumed, error, here = False, None, at
        for parser in parsers:
            outcome = parser(text, here)
            consumed = consumed or outcome.consumed
            error = outcome.error if outcome.consumed else merge(error, outcome.error)
            here = outcome.at
            if not outcome.ok:
                return Outcome(consumed, False, None, here, error)
            values.append(outcome.value)
        return Outcome(consumed, True, build(*values), here, error)

    return run


def keep(index: int, *parsers: Parser) -> Parser:
    """One after the other; the value is that of the one at ``index``."""
    return sequence(*parsers, build=lambda *values: values[index])


def transform(parser: Parser, build: Callable[[Any], Any]) -> Parser:
    """Like ``parser``, its value changed by ``build``."""

    def run(text: str, at: int) -> Outcome:
        outcome = parser(text, at)
        return outcome._replace(value=build(outcome.value)) if outcome.ok else outcome

    return run


def satisfying(parser: Parser, accepts: Callable[[Any], bool]) -> Parser:
    """Like ``parser``, failing without a word of its own when its value is not accepted."""

    def run(text: str, at: int) -> Outcome:
        outcome = parser(text, at)
        return outcome._replace(ok=outcome.ok and accepts(outcome.value))

    return run


def alternatives(*parsers: Parser) -> Parser:
    """The first that succeeds, or that consumes."""

    def run(text: str, at: int) -> Outcome:
        error: ParseError | None = None
        for parser in parsers:
            outcome = parser(text, at)
            if outcome.consumed:
                return outcome
            error = merge(error, outcome.error)
            if outcome.ok:
                return outcome._replace(error=error)
        return Outcome(False, False, None, at, error)

    return run


def option(default: Any, parser: Parser) -> Parser:
    """``parser``, or a default where it does not begin."""
    return alternatives(parser, pure(default))


def many(parser: Parser) -> Parser:
    """``parser``, which consumes when it succeeds, as often as it does."""

    def run(text: str, at: int) -> Outcome:
        values: list[Any] = []
        consumed, here = False, at
        while True:
            outcome = parser(text, here)
            if not outcome.ok:
                if outcome.consumed:
                    return outcome
                return Outcome(consumed, True, values, here, outcome.error)
            values.append(outcome.value)
            consumed, here = True, outcome.at

    return run


def sep_by1(parser: Parser, separator: Parser) -> Parser:
    """One or more, with a separator between them."""
    return sequence(parser, many(keep(1, separator, parser)), build=lambda first, rest: [first, *rest])


def sep_by(parser: Parser, separator: Parser) -> Parser:
    """Any number, with a separator between them."""
    return option([], sep_by1(parser, separator))


def lazy(make: Callable[[], Parser]) -> Parser:
    """A parser that is looked up when it runs, for grammars that contain themselves."""

    def run(text: str, at: int) -> Outcome:
        return make()(text, at)

    return run
