"""Values that are given on a command line: JSON, assignments, files, moments."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from headway.errors import InvalidRequest

__all__ = ["WrongArgument", "read_decimal", "read_files", "read_moment", "read_payload"]


class WrongArgument(InvalidRequest):
    """A value on the command line makes no sense; nothing was sent."""


def read_payload(text: str | None, assignments: Sequence[str] = ()) -> Any:
    """A payload.

    Args:
        text: JSON; ``@file`` for a file with JSON, ``-`` for standard input; ``None`` for an empty object.
        assignments: ``name=value`` each, put into the object; the value is JSON if it can be, else text.

    Raises:
        WrongArgument: it is no JSON, or no object although there are assignments.
    """
    payload = _json(text) if text is not None else {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name or not isinstance(payload, dict):
            raise _wrong(
                "--set",
                "is no name=value" if isinstance(payload, dict) else "needs a payload that is an object",
                "Write --set language=en, or give the whole payload as JSON.",
            )
        try:
            payload[name] = json.loads(value)
        except ValueError:
            payload[name] = value
    return payload


def read_files(given: Sequence[str]) -> dict[str, Path]:
    """Files by the name that the handler knows them by.

    Args:
        given: ``name=path`` each.

    Raises:
        WrongArgument: one is none, or a name comes twice.
    """
    files: dict[str, Path] = {}
    for entry in given:
        name, equals, path = entry.partition("=")
        if not equals or not name or not path or name in files:
            raise _wrong(
                "--file",
                "names a file twice" if name in files else "is no name=path",
                "Write --file cv=cv.pdf.",
            )
        files[name] = Path(path)
    return files


def read_moment(text: str | None, option: str) -> datetime | None:
    """A moment.

    Args:
        text: ISO 8601, in local time without an offset; or so long ago, as ``90s``, ``15m``, ``6h``, ``7d``.
        option: Its name in errors.

    Raises:
        WrongArgument: it is none.
    """
    if text is None:
        return None
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}.get(text[-1:])
    try:
        if unit and text[:-1].isdigit():
            return datetime.now().astimezone() - timedelta(**{unit: int(text[:-1])})
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise _wrong(option, "is no moment", "Write 2026-11-26T09:00 or 15m, 6h, 7d (ago).") from None


def read_decimal(text: str | None, option: str) -> Decimal | None:
    """An amount.

    Args:
        text: Such as ``0.25``.
        option: Its name in errors.

    Raises:
        WrongArgument: it is none.
    """
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite():
        raise _wrong(option, "is no amount", "Write it such as 0.25.")
    return amount


def _json(text: str) -> Any:
    source = "standard input" if text == "-" else text[1:] if text.startswith("@") else "PAYLOAD"
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(source).read_text("utf-8")
        return json.loads(text)
    except UnicodeDecodeError:
        raise _wrong("payload", f"{source} is no text in UTF-8", "Save it as JSON in UTF-8.") from None
    except (ValueError, RecursionError) as error:
        place = (
            f" at line {error.lineno}, column {error.colno}"
            if isinstance(error, json.JSONDecodeError)
            else ""
        )
        raise _wrong("payload", f"{source} is no JSON{place}", 'Quote it: \'{"language": "en"}\'.') from None


def _wrong(field: str, reason: str, hint: str) -> WrongArgument:
    return WrongArgument(f"{field}: {reason}", hint=hint, code="HW100", details=field)
