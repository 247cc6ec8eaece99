"""Gemini's way to write a schema, as JSON Schema.

Source: https://ai.google.dev/api/caching#Schema (an OpenAPI 3.0 subset: types in capitals, ``nullable``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["camel_case", "json_schema", "listed"]

_NUMBERS = {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
_INNER = {"items", "additionalProperties"}


def camel_case(name: str) -> str:
    """A field's name as Google's APIs answer it; in requests they take it with underscores too.

    Args:
        name: Such as ``file_uri``.
    """
    first, *others = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others) if first else name


def json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema that says the same.

    Args:
        schema: A ``responseSchema``; a JSON Schema stays what it is.
    """
    written: dict[str, Any] = {}
    for given, value in schema.items():
        key = camel_case(given)
        if key == "type" and isinstance(value, str):
            written[key] = value.lower()
        elif key in _NUMBERS:
            written[key] = int(value)
        elif key in ("properties", "$defs") and isinstance(value, Mapping):
            written[key] = {name: json_schema(part) for name, part in value.items()}
        elif key in _INNER and isinstance(value, Mapping):
            written[key] = json_schema(value)
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            written[key] = [json_schema(part) for part in value]
        elif key not in ("nullable", "propertyOrdering"):
            written[key] = value
    if schema.get("nullable"):
        title = {"title": written.pop("title")} if "title" in written else {}
        return {**title, "anyOf": [written, {"type": "null"}]}
    return written


def listed(schema: Any) -> int:
    """How many entries all lists of a schema may have together, as far as it bounds them.

    Args:
        schema: Or any part of one.
    """
    if isinstance(schema, list):
        return sum(map(listed, schema))
    if not isinstance(schema, Mapping):
        return 0
    most = schema.get("maxItems", 0)
    own = int(most) if isinstance(most, int | str) and str(most).isdecimal() else 0
    return own + sum(listed(part) for part in schema.values())
