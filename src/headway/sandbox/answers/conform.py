"""Makes any value valid by a JSON schema, keeping of it whatever fits.

Source: JSON Schema 2020-12, in the part that the providers' structured outputs know: ``type`` (also a list),
``properties``, ``required``, ``additionalProperties``, ``items``, ``prefixItems``, ``enum``, ``const``,
``anyOf``/``oneOf``/``allOf``, ``$ref``, bounds of numbers, lengths of texts and lists, ``format``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

__all__ = ["Schema", "conform", "fits", "resolve"]

Schema: TypeAlias = Mapping[str, Any]

_FORMATS = {
    "date": "1970-01-01",
    "date-time": "1970-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "nobody@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
}
_FORMAT_PATTERNS = {
    "date": r"\d{4}-\d\d-\d\d",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "time": r"\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?",
    "email": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "uuid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "uri": r"[a-z][a-z0-9+.-]*:\S+",
}


def conform(value: Any, schema: Schema) -> Any:
    """A value that is valid by a schema.

    Args:
        value: What there is; parts that do not fit are converted, or replaced by the emptiest valid value.
        schema: With its ``$defs``.
    """
    return _conform(value, schema, schema, 0)


def resolve(schema: Schema, root: Schema) -> Schema:
    """A schema with its reference followed and ``allOf`` merged.

    Args:
        schema: Part of ``root``.
        root: Where references point into.
    """
    seen: set[str] = set()
    while isinstance(reference := schema.get("$ref"), str) and reference not in seen:
        seen.add(reference)
        target: Any = root
        for key in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
            target = target[key.replace("~1", "/").replace("~0", "~")]
        schema = {**target, **{key: each for key, each in schema.items() if key != "$ref"}}
    if parts := schema.get("allOf"):
        merged: dict[str, Any] = {key: each for key, each in schema.items() if key != "allOf"}
        for part in parts:
            for key, each in resolve(part, root).items():
                if key == "properties":
                    merged[key] = {**each, **merged.get(key, {})}
                elif key == "required":
                    merged[key] = [*merged.get(key, ()), *each]
                else:
                    merged.setdefault(key, each)
        return merged
    return schema


def _conform(value: Any, schema: Any, root: Schema, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > 60:
        return value
    schema = resolve(schema, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return _choose(value, schema["enum"])
    for word in ("anyOf", "oneOf"):
        if options := schema.get(word):
            return _conform(value, _option(value, options, root), root, depth + 1)
    kind = _kind(value, schema)
    if kind == "null":
        return None
    if kind == "object":
        return _object(value, schema, root, depth)
    if kind == "array":
        return _array(value, schema, root, depth)
    if kind == "string":
        return _string(value, schema)
    if kind in ("integer", "number"):
        return _number(value, schema, whole=kind == "integer")
    if kind == "boolean":
        return value is True or (isinstance(value, str) and value.lower() in ("true", "yes", "1"))
    return value


def fits(value: Any, schema: Any, root: Schema) -> bool:
    """Whether a value has the outer shape of a schema; its inside is not looked at.

    Args:
        value: Any JSON value.
        schema: Part of ``root``.
        root: Where references point into.
    """
    schema = resolve(schema, root)
    if "const" in schema:
        return bool(value == schema["const"])
    if "enum" in schema:
        return value in schema["enum"]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return any(fits(value, option, root) for option in options)
    kinds = _kinds(schema)
    if not (not kinds or _type_of(value) in kinds or ("number" in kinds and _type_of(value) == "integer")):
        return False
    if isinstance(value, Mapping):
        # Discriminated unions tell their options apart by a constant.
        return all(
            name not in value or value[name] == part["const"]
            for name, part in schema.get("properties", {}).items()
            if isinstance(part, Mapping) and "const" in part
        )
    return True


def _option(value: Any, options: list[Any], root: Schema) -> Any:
    fitting = [option for option in options if fits(value, option, root)]
    if isinstance(value, Mapping) and fitting:
        return max(fitting, key=lambda o: len(set(resolve(o, root).get("properties", ())) & set(value)))
    if fitting:
        return fitting[0]
    nulls = [option for option in options if fits(None, option, root)]
    if value in (None, "") and nulls:
        return nulls[0]
    others = [option for option in options if option not in nulls]
    return others[0] if others else nulls[0]


def _kinds(schema: Schema) -> list[str]:
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    if isinstance(kind, list):
        return [str(each) for each in kind]
    if "properties" in schema:
        return ["object"]
    return ["array"] if "items" in schema else []


def _kind(value: Any, schema: Schema) -> str:
    kinds = _kinds(schema)
    actual = _type_of(value)
    if not kinds:
        return actual
    if actual in kinds:
        return actual
    if actual == "integer" and "number" in kinds:
        return "number"
    if value is None and "null" in kinds:
        return "null"
    others = [kind for kind in kinds if kind != "null"]
    return others[0] if others else "null"


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list | tuple) else "object"


def _choose(value: Any, allowed: list[Any]) -> Any:
    if value in allowed:
        return value
    if isinstance(value, str):
        folded = value.casefold().strip()
        for each in allowed:
            if isinstance(each, str) and each.casefold() == folded:
                return each
    return None if None in allowed else allowed[0]


def _object(value: Any, schema: Schema, root: Schema, depth: int) -> dict[str, Any]:
    given = value if isinstance(value, Mapping) else {}
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    # Beyond some depth a recursive schema is closed as soon as it may be.
    answer = {
        name: _conform(given.get(name, part.get("default")), part, root, depth + 1)
        for name, part in properties.items()
        if name in required or (name in given and depth < 40)
    }
    more = schema.get("additionalProperties", not properties)
    if more is not False:
        for name, each in given.items():
            if name not in properties:
                answer[name] = _conform(each, more, root, depth + 1) if isinstance(more, Mapping) else each
    return answer


def _array(value: Any, schema: Schema, root: Schema, depth: int) -> list[Any]:
    given = list(value) if isinstance(value, list | tuple) else [] if value in (None, "") else [value]
    first = schema.get("prefixItems", [])
    rest = schema.get("items", {})
    least = int(schema.get("minItems", len(first)))
    if schema.get("uniqueItems"):
        given = [each for number, each in enumerate(given) if each not in given[:number]]
    given += [None] * (least - len(given))
    if "maxItems" in schema:
        given = given[: int(schema["maxItems"])]
    return [
        _conform(each, first[number] if number < len(first) else rest, root, depth + 1)
        for number, each in enumerate(given)
    ]


def _string(value: Any, schema: Schema) -> str:
    text = value if isinstance(value, str) else "" if value is None or _is_container(value) else str(value)
    form = schema.get("format")
    if form in _FORMATS and not re.fullmatch(_FORMAT_PATTERNS.get(form, r"\S+"), text):
        text = _FORMATS[form]
    if "maxLength" in schema:
        text = text[: int(schema["maxLength"])]
    if len(text) < (least := int(schema.get("minLength", 0))):
        text = (text + "-" * least)[: max(least, len(text))]
    return text


def _is_container(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _number(value: Any, schema: Schema, *, whole: bool) -> int | float:
    if isinstance(value, str):
        found = re.search(r"-?\d+(?:\.\d+)?", value.replace(",", ""))
        value = float(found[0]) if found else 0
    number = 0.0 if _is_container(value) or value is None else float(value)
    if not math.isfinite(number):
        number = 0.0
    step = 1 if whole else 1e-6
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        low = max(low if low is not None else -math.inf, schema["exclusiveMinimum"] + step)
    if "exclusiveMaximum" in schema:
        high = min(high if high is not None else math.inf, schema["exclusiveMaximum"] - step)
    if low is not None:
        number = max(number, low)
    if high is not None:
        number = min(number, high)
    if multiple := schema.get("multipleOf"):
        number = round(number / multiple) * multiple
    return round(number) if whole or float(number).is_integer() else number
