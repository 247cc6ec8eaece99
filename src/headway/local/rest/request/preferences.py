"""The ``Prefer`` header.

Source: RFC 7240; PostgREST's documentation, "Prefer Header".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Preferences", "parse_preferences"]


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a client prefers; ``None`` where it said nothing."""

    resolution: Literal["merge-duplicates", "ignore-duplicates"] | None = None
    returning: Literal["representation", "minimal", "headers-only"] | None = None
    count: Literal["exact", "planned", "estimated"] | None = None
    transaction: Literal["commit", "rollback"] | None = None
    missing: Literal["default", "null"] | None = None
    handling: Literal["strict", "lenient"] | None = None
    timezone: str | None = None
    max_affected: int | None = None
    invalid: tuple[str, ...] = ()

    @property
    def strict(self) -> bool:
        """Whether unknown preferences are an error."""
        return self.handling == "strict"

    def applied(self) -> str | None:
        """The value of ``Preference-Applied``."""
        shown = [
            f"{name}={value}"
            for name, value in (
                ("resolution", self.resolution),
                ("missing", self.missing),
                ("return", self.returning),
                ("count", self.count),
                ("tx", self.transaction),
                ("handling", self.handling),
                ("timezone", self.timezone),
                ("max-affected", self.max_affected if self.strict else None),
            )
            if value is not None
        ]
        return ", ".join(shown) or None


_NOTHING = Preferences()
_FIELDS = {"return": "returning", "tx": "transaction"}
_VALUES = {
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "return": ("representation", "minimal", "headers-only"),
    "count": ("exact", "planned", "estimated"),
    "tx": ("commit", "rollback"),
    "missing": ("default", "null"),
    "handling": ("strict", "lenient"),
}
_INTEGER = re.compile(r"-?[0-9]{1,18}")


def parse_preferences(headers: Iterable[str], *, transaction_override: bool) -> Preferences:
    """The preferences of all ``Prefer`` headers; of those given twice, the first counts.

    Args:
        headers: The headers' values.
        transaction_override: Whether a client may choose between commit and rollback.
    """
    given: dict[str, str | int] = {}
    invalid: list[str] = []
    for preference in (part.strip() for header in headers for part in header.split(",")):
        name, _, value = preference.partition("=")
        if name == "timezone" and "=" in preference:
            given.setdefault(name, value)
        elif name == "max-affected" and "=" in preference:
            if _INTEGER.fullmatch(value):
                given.setdefault("max_affected", int(value))
        elif value in _VALUES.get(name, ()):
            if name != "tx" or transaction_override:
                given.setdefault(_FIELDS.get(name, name), value)
        else:
            invalid.append(preference)
    if not given and not invalid:
        return _NOTHING
    return replace(_NOTHING, invalid=tuple(invalid), **given)  # type: ignore[arg-type]
