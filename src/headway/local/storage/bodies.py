"""Checks JSON bodies and query strings with the real service's wording.

The real service validates with JSON Schema (AJV) and coerces scalars: ``expiresIn`` may be ``60`` or
``"60"``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from headway.local.storage.faults import StorageFault, unreadable_request

__all__ = [
    "Choice",
    "Flag",
    "ListOf",
    "Nullable",
    "OneOf",
    "Record",
    "Text",
    "Whole",
    "parse_json",
]

_WHOLE = re.compile(r"[+-]?\d{1,18}")


class Schema(Protocol):
    """One value's rule: hands back the coerced value or refuses it by its place."""

    def check(self, value: Any, place: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    pattern: re.Pattern[str] | None = None

    def check(self, value: Any, place: str) -> str:
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif isinstance(value, int | float):
            value = str(value)
        elif value is None:
            value = ""
        if not isinstance(value, str):
            raise unreadable_request(f"{place} must be string")
        if self.pattern is not None and not self.pattern.fullmatch(value):
            raise unreadable_request(f'{place} must match pattern "{self.pattern.pattern}"')
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some strings."""

    values: tuple[str, ...]

    def check(self, value: Any, place: str) -> str:
        text = Text().check(value, place)
        if text not in self.values:
            raise unreadable_request(f"{place} must be equal to one of the allowed values")
        return text


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer of at least ``minimum``; a numeric string will do."""

    minimum: int | None = None

    def check(self, value: Any, place: str) -> int:
        text = isinstance(value, str) and _WHOLE.fullmatch(value)
        if text or (isinstance(value, float) and value.is_integer()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise unreadable_request(f"{place} must be integer")
        if self.minimum is not None and value < self.minimum:
            raise unreadable_request(f"{place} must be >= {self.minimum}")
        if abs(value) > 2**53:
            raise unreadable_request(f"{place} must be integer")
        return value


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean, or its name."""

    def check(self, value: Any, place: str) -> bool:
        known = {"true": True, "false": False, "1": True, "0": False}
        if isinstance(value, str) and value in known:
            return known[value]
        if isinstance(value, int) and value in (0, 1):
            return bool(value)
        raise unreadable_request(f"{place} must be boolean")


@dataclass(frozen=True, slots=True)
class ListOf:
    """An array whose items obey one rule."""

    item: Schema
    min_items: int = 0
    max_items: int | None = None

    def check(self, value: Any, place: str) -> list[Any]:
        if isinstance(value, str | int | float):
            value = [value]
        if not isinstance(value, list):
            raise unreadable_request(f"{place} must be array")
        if len(value) < self.min_items:
            raise unreadable_request(f"{place} must NOT have fewer than {self.min_items} items")
        if self.max_items is not None and len(value) > self.max_items:
            raise unreadable_request(f"{place} must NOT have more than {self.max_items} items")
        return [self.item.check(entry, f"{place}/{index}") for index, entry in enumerate(value)]


@dataclass(frozen=True, slots=True)
class Nullable:
    """``null``, or what the rule allows."""

    inner: Schema

    def check(self, value: Any, place: str) -> Any:
        return None if value is None else self.inner.check(value, place)


@dataclass(frozen=True, slots=True)
class OneOf:
    """The first of several rules that holds."""

    rules: tuple[Schema, ...]

    def check(self, value: Any, place: str) -> Any:
        fault: StorageFault | None = None
        for rule in self.rules:
            try:
                return rule.check(value, place)
            except StorageFault as refused:
                fault = fault or refused
        assert fault is not None
        raise fault


@dataclass(frozen=True, slots=True)
class Record:
    """An object; keys without a rule are dropped."""

    fields: Mapping[str, Schema]
    required: tuple[str, ...] = field(default=())

    def check(self, value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise unreadable_request(f"{place} must be object")
        for name in self.required:
            if name not in value:
                raise unreadable_request(f"{place} must have required property '{name}'")
        return {
            name: rule.check(value[name], f"{place}/{name}")
            for name, rule in self.fields.items()
            if name in value
        }


def parse_json(content: bytes) -> Any:
    """The value of a JSON body.

    Args:
        content: The body, not empty.

    Raises:
        StorageFault: it is no JSON.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise StorageFault(
            400,
            "InvalidRequest",
            "Body is not valid JSON but content-type is set to 'application/json'",
            error="FastifyError",
            http_status=400,
        ) from None
