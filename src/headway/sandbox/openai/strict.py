"""Refuses the schemas that strict structured outputs refuse.

Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["SchemaRefused", "check_strict"]

_FORBIDDEN = {
    "allOf",
    "oneOf",
    "not",
    "dependentRequired",
    "dependentSchemas",
    "if",
    "then",
    "else",
    "default",
    "minLength",
    "maxLength",
    "patternProperties",
    "unevaluatedProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "unevaluatedItems",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "prefixItems",
}
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_MOST_PROPERTIES = 5000
_MOST_LEVELS = 10


class SchemaRefused(ValueError):
    """A schema is outside of what strict mode supports; the message says where, as the API does."""


def check_strict(schema: Any) -> None:
    """Check a schema as strict mode does.

    Args:
        schema: The root.

    Raises:
        SchemaRefused: at the first fault.
    """
    if not isinstance(schema, Mapping) or schema.get("type") != "object" or "anyOf" in schema:
        given = schema.get("type") if isinstance(schema, Mapping) else None
        raise SchemaRefused(f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{given}\"'.")
    walk = _Walk()
    walk.visit(schema, (), 0)
    if walk.properties > _MOST_PROPERTIES:
        raise SchemaRefused(f"The schema has more than {_MOST_PROPERTIES} properties.")


class _Walk:
    """One walk over a schema."""

    def __init__(self) -> None:
        self.properties = 0

    def visit(self, schema: Any, context: tuple[str, ...], level: int) -> None:
        if not isinstance(schema, Mapping):
            raise _refused(context, "schema must be an object.")
        if level > _MOST_LEVELS:
            raise _refused(context, f"the schema is nested deeper than {_MOST_LEVELS} levels.")
        if "$ref" in schema:
            if more := sorted(set(schema) - {"$ref"}):
                raise _refused(context, f"$ref cannot have keywords {set(more)}.")
            return
        self._keywords(schema, context)
        if "properties" in schema or schema.get("type") == "object":
            self._object(schema, context, level)
        if schema.get("type") == "array" and "items" not in schema:
            raise _refused(context, "array schema missing items.")
        if "items" in schema:
            self.visit(schema["items"], (*context, "items"), level + 1)
        for number, option in enumerate(schema.get("anyOf", ())):
            self.visit(option, (*context, "anyOf", str(number)), level)
        for name, part in schema.get("$defs", {}).items():
            self.visit(part, (*context, "$defs", name), 0)
        if not {"type", "anyOf", "enum", "const", "$defs"} & set(schema):
            raise _refused(context, "schema must have a 'type' key.")

    def _keywords(self, schema: Mapping[str, Any], context: tuple[str, ...]) -> None:
        for keyword in schema:
            if keyword in _FORBIDDEN:
                raise _refused(context, f"'{keyword}' is not permitted.")
        if (form := schema.get("format")) is not None and form not in _FORMATS:
            raise _refused(context, f"'{form}' is not a valid format.")
        if re.search(r"\(\?[=!<]", str(schema.get("pattern", ""))):
            raise _refused(context, "'pattern' must not look ahead or behind.")

    def _object(self, schema: Mapping[str, Any], context: tuple[str, ...], level: int) -> None:
        if schema.get("additionalProperties") is not False:
            raise _refused(context, "'additionalProperties' is required to be supplied and to be false.")
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        for name in properties:
            if name not in required:
                raise _refused(
                    context,
                    "'required' is required to be supplied and to be an array including every key in "
                    f"properties. Missing '{name}'.",
                )
        self.properties += len(properties)
        for name, part in properties.items():
            self.visit(part, (*context, "properties", name), level + 1)


def _refused(context: tuple[str, ...], reason: str) -> SchemaRefused:
    return SchemaRefused(f"In context={context!r}, {reason}")
