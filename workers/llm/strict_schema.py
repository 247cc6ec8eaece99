"""Makes pydantic's JSON schema one that OpenAI's strict structured outputs take.

Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas. What strict mode cannot
say (lengths, defaults, patterns that look around) is left out of the schema and still checked by pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["strict_schema"]

_LEFT_OUT = frozenset(
    {
        "default", "discriminator", "examples", "minLength", "maxLength", "uniqueItems", "contains",
        "minContains", "maxContains", "patternProperties", "propertyNames", "minProperties", "maxProperties",
        "unevaluatedItems", "unevaluatedProperties", "deprecated", "readOnly", "writeOnly",
        "contentMediaType", "contentEncoding",
    }
)  # fmt: skip
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_LOOKAROUND = re.compile(r"\(\?[=!<]")


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema in which every property is required and nothing else is allowed.

    Args:
        schema: From ``model_json_schema()``; free-form mappings in it are not possible in strict mode.

    Raises:
        ValueError: it has an object with free keys, or a list of fixed places, and cannot be made strict.
    """
    made = _strict(schema, schema)
    assert isinstance(made, dict)
    return made


def _strict(part: Any, root: Mapping[str, Any]) -> Any:
    if not isinstance(part, Mapping):
        return part
    if "$ref" in part and len(part) > 1:
        # A reference takes no words beside it, so what it points at is put in its place.
        name = part["$ref"].rpartition("/")[2]
        part = {**root["$defs"][name], **{key: value for key, value in part.items() if key != "$ref"}}
    if "allOf" in part and len(part["allOf"]) == 1:
        part = {**part["allOf"][0], **{key: value for key, value in part.items() if key != "allOf"}}
        return _strict(part, root)
    made: dict[str, Any] = {}
    for key, value in part.items():
        if key == "oneOf":
            made["anyOf"] = [_strict(option, root) for option in value]
        elif key == "anyOf":
            made[key] = [_strict(option, root) for option in value]
        elif key in ("properties", "$defs"):
            made[key] = {name: _strict(each, root) for name, each in value.items()}
        elif key == "items":
            made[key] = _strict(value, root)
        elif (key == "format" and value not in _FORMATS) or (key == "pattern" and _LOOKAROUND.search(value)):
            continue
        elif key == "prefixItems":
            raise ValueError("a tuple cannot be made strict; use a model with a name for each place")
        elif key not in _LEFT_OUT:
            made[key] = value
    if made.get("type") == "object" or "properties" in made:
        if part.get("additionalProperties") not in (None, False):
            raise ValueError("a mapping with free keys cannot be made strict; use a list of named pairs")
        made["type"] = "object"
        made.setdefault("properties", {})
        made["required"] = list(made["properties"])
        made["additionalProperties"] = False
    return made
