"""Whether a row passes a filter: in Python where that is surely what Postgres would say, else in Postgres.

A comparison is made as the real server makes it: both sides are text, cast to the column's type. NULL
compares to nothing, so it passes neither a condition nor its negation, ``is`` and ``isdistinct`` aside.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from headway.local.realtime.changes.filters import Filter
from headway.local.realtime.wal.pgoutput import Unchanged

__all__ = ["Comparison", "Predicate", "build_predicate"]

_BOOL = 16
_INTEGERS = {20, 21, 23, 26}  # int8 int2 int4 oid
_DECIMALS = {700, 701, 1700}
_SAME_TEXT = {_BOOL, 19, 25, 1043, 2950}  # bool name text varchar uuid: equal when their text is
_TIMES = {1082, 1114, 1184}
_FOUR_DIGIT_YEAR = re.compile(r"\d{4}-[^B]*")

Value = bytes | Unchanged | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A question for Postgres: does ``left op right`` hold for the type?"""

    op: str
    type_oid: int
    left: str | None
    right: str
    negated: bool


@dataclass(frozen=True, slots=True, eq=False)
class Predicate:
    """One condition on one column.

    Args:
        column: Its name.
        filter: As the client wrote it.
        type_oid: The column's type.
        test: Decides in Python; ``None`` when it cannot be certain for this value.
        equals: The text that the column must have, when the condition is just that: it can be looked up.
    """

    column: str
    filter: Filter
    type_oid: int
    test: Callable[[str | None], bool | None]
    equals: str | None = None

    def passes(self, value: Value) -> bool | Comparison:
        """Whether a value passes, or the question to ask Postgres.

        Args:
            value: As the log holds it; one that it does not hold passes nothing.
        """
        if isinstance(value, Unchanged):
            return False
        text = None if value is None else value.decode()
        decided = self.test(text)
        if decided is None:
            f = self.filter
            return Comparison(f.op, self.type_oid, text, f.value, f.negated)
        return decided


def build_predicate(condition: Filter, type_oid: int, written: list[str | None], is_enum: bool) -> Predicate:
    """A predicate for a condition that Postgres has approved.

    Args:
        condition: The condition.
        type_oid: The column's type.
        written: Its value as the type writes it, or the values of ``in``.
        is_enum: Whether the type is an enumeration.
    """
    op, negated = condition.op, condition.negated
    if type_oid == _BOOL and op != "is":
        # A cast to text writes a boolean in full, the log as a letter.
        written = [value if value is None else value[0] for value in written]
    test = _test_for(op, type_oid, written, is_enum)

    def decide(text: str | None) -> bool | None:
        result = test(text)
        if result is None:
            return None
        return result is not negated if result is not _NULL else False

    same_text = type_oid in _SAME_TEXT or type_oid in _INTEGERS or is_enum
    equals = written[0] if op == "eq" and not negated and same_text else None
    return Predicate(condition.column, condition, type_oid, decide, equals)


class _Null:
    """What a comparison with NULL yields."""


_NULL = _Null()
Result = bool | _Null | None
Test = Callable[[str | None], Result]


def _test_for(op: str, type_oid: int, written: list[str | None], is_enum: bool) -> Test:
    if op == "is":
        return _is_test(str(written[0]))
    same_text = type_oid in _SAME_TEXT or type_oid in _INTEGERS or is_enum
    if op in ("eq", "neq", "in", "isdistinct") and same_text:
        return _text_test(op, written)
    if op in _ORDERINGS and written[0] is not None:
        right = written[0]
        if type_oid in _INTEGERS:
            return _ordered(op, right, int)
        if type_oid in _DECIMALS:
            return _ordered(op, right, _finite if type_oid == 1700 else _finite_float)
        if type_oid in _TIMES:
            return _ordered(op, right, _plain_time)
    return _undecided


def _undecided(text: str | None) -> Result:
    return None


def _is_test(word: str) -> Test:
    if word in ("null", "unknown"):
        return lambda text: text is None
    wanted = "t" if word == "true" else "f"
    return lambda text: text == wanted


def _text_test(op: str, written: list[str | None]) -> Test:
    if op == "isdistinct":
        return lambda text: text != written[0]
    if op == "in":
        values = frozenset(value for value in written if value is not None)
        missing: Result = _NULL if None in written else False

        def among(text: str | None) -> Result:
            if text is None:
                return _NULL
            return True if text in values else missing

        return among
    equal = op == "eq"
    return lambda text: _NULL if text is None else (text == written[0]) is equal


_ORDERINGS: dict[str, Callable[[int], bool]] = {
    "eq": lambda order: order == 0,
    "neq": lambda order: order != 0,
    "lt": lambda order: order < 0,
    "lte": lambda order: order <= 0,
    "gt": lambda order: order > 0,
    "gte": lambda order: order >= 0,
}


def _ordered(op: str, right: str, read: Callable[[str], object]) -> Test:
    """Compare by what ``read`` makes of the text; ``None`` from it leaves the question to Postgres."""
    holds, bound = _ORDERINGS[op], read(right)

    def test(text: str | None) -> Result:
        if text is None:
            return _NULL
        value = read(text)
        if value is None or bound is None:
            return None
        return holds((value > bound) - (value < bound))  # type: ignore[operator]

    return test


def _finite(text: str) -> Decimal | None:
    number = Decimal(text)
    return number if number.is_finite() else None


def _finite_float(text: str) -> float | None:
    return float(text) if text[-1:].isdigit() else None


def _plain_time(text: str) -> str | None:
    """ISO text in UTC sorts as time does, in years of four digits."""
    return text if _FOUR_DIGIT_YEAR.fullmatch(text) else None
