"""What the engine can store of a JSON document, checked before it is sent.

The limits are those of ``headway_private.storable`` and ``refuse_deep`` in ``supabase/migrations``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from headway.errors import InvalidRequest

__all__ = ["MOST_LEVELS", "MOST_PAYLOAD_BYTES", "refuse_unstorable", "storable"]

# pydantic has no class of error for these.
_SIGNS_OF_DEPTH = ("Circular reference", "depth exceeded")

# Made once: json.dumps makes an encoder at every call with options.
_write = json.JSONEncoder(ensure_ascii=False).encode

MOST_LEVELS = 64
"""Levels of objects and arrays below the document itself."""
MOST_PAYLOAD_BYTES = 16 * 1024 * 1024
"""No kind can take more; a kind's own limit, 1 MiB unless it says otherwise, is checked by the engine."""


def storable(value: Any, field: str, *, most_bytes: int = MOST_PAYLOAD_BYTES) -> Any:
    """A value as plain JSON that the engine will store.

    Args:
        value: Plain JSON, or what pydantic can turn into it: models, dataclasses, dates, UUIDs, decimals …
        field: Its name in errors, such as ``payload``; empty for a whole body, whose fields are named then.
        most_bytes: How large it may be as the engine measures: as UTF-8 text of Postgres's ``jsonb``.

    Raises:
        InvalidRequest: with the code of the engine: HW100 (not JSON), HW104 (too large), HW105 (text with NUL
            or half a surrogate pair), HW106 (too deep). The message names the place, never the value.
    """
    name = field or "body"
    try:
        plain = to_jsonable_python(value, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        if isinstance(error, RecursionError) or any(sign in str(error) for sign in _SIGNS_OF_DEPTH):
            raise _too_deep(name) from None
        if isinstance(error, UnicodeError):
            raise _broken_unicode(name) from None
        raise InvalidRequest(
            f"{name}: cannot be written as JSON",
            hint="Send plain values, pydantic models, dataclasses, dates or UUIDs; bytes as a file.",
            code="HW100",
            details=name,
        ) from None
    refuse_unstorable(plain, field)
    # Spaces and all: this is how jsonb is written out.
    size = len(_write(plain).encode())
    if size > most_bytes:
        raise InvalidRequest(
            f"{name}: has {size} bytes, more than {most_bytes}",
            hint="Upload large data to Storage and send its path.",
            code="HW104",
            details=name,
        )
    return plain


def refuse_unstorable(document: Any, field: str) -> None:
    """Refuse plain JSON that Postgres cannot store: NUL, half surrogate pairs, NaN, too many levels.

    Args:
        document: Objects and arrays as dicts, lists and tuples.
        field: Its name in errors; empty for a whole body.

    Raises:
        InvalidRequest: as ``storable`` does.
    """
    # By hand rather than by recursion: how deep it is, is just what is not known yet.
    todo: list[tuple[Any, str, int]] = [(document, field, 0)]
    while todo:
        value, path, level = todo.pop()
        if level > MOST_LEVELS:
            raise _too_deep(field or "body")
        if isinstance(value, str):
            _check_text(value, path)
        elif isinstance(value, float) and not math.isfinite(value):
            raise InvalidRequest(
                f"{path}: is {value}, which JSON does not have",
                hint="Send null or a finite number.",
                code="HW100",
                details=path,
            )
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                _check_text(key, path)
                todo.append((inner, f"{path}.{key[:100]}" if path else key[:100], level + 1))
        elif isinstance(value, (list, tuple)):
            todo.extend((inner, f"{path}[{place}]", level + 1) for place, inner in enumerate(value))


def _check_text(text: str, path: str) -> None:
    if "\x00" in text:
        raise InvalidRequest(
            f"{path}: text contains a NUL character, which Postgres cannot store",
            hint="Remove \\u0000 from the text, or send the data as a file.",
            code="HW105",
            details=path,
        )
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _broken_unicode(path)


def _broken_unicode(path: str) -> InvalidRequest:
    return InvalidRequest(
        f"{path}: text contains half of a surrogate pair",
        hint="Send well-formed Unicode.",
        code="HW105",
        details=path,
    )


def _too_deep(field: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field}: nested too deeply",
        hint=f"Use at most {MOST_LEVELS} levels of objects and arrays.",
        code="HW106",
        details=field,
    )
