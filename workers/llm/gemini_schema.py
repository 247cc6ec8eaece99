"""Makes pydantic's JSON schema one that Gemini takes.

Source: https://ai.google.dev/gemini-api/docs/structured-output and
https://github.com/googleapis/python-genai/issues/2170: where the bounds of lists add up to about a thousand,
the request is refused as invalid, without a word about why. Bounds and patterns are left out of the schema,
and still checked by pydantic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["unbounded_schema"]

_LEFT_OUT = frozenset(
    {
        "default", "examples", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern",
        "minProperties", "maxProperties",
    }
)  # fmt: skip
_NAMED = ("properties", "$defs")


def unbounded_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same schema without bounds on lengths and without patterns.

    Args:
        schema: From ``model_json_schema()``.
    """
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, Mapping):
            # What is inside are names of the caller's own.
            made[key] = {name: _part(each) for name, each in value.items()}
        elif key not in _LEFT_OUT:
            made[key] = _part(value)
    return made


def _part(value: Any) -> Any:
    if isinstance(value, Mapping):
        return unbounded_schema(value)
    return [_part(each) for each in value] if isinstance(value, list) else value
