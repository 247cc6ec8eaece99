"""Media types in ``Accept`` and ``Content-Type``.

Source: RFC 9110, sections 8.3 and 12.5.1; PostgREST's documentation, "Resource Representation" and
"Vendored media types".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

__all__ = ["ANY", "CSV", "JSON", "OPENAPI", "MediaType", "parse_accept", "parse_media_type"]

_CHARSET_FREE = {"application/octet-stream"}
_KNOWN = {
    "application/json",
    "application/geo+json",
    "text/csv",
    "text/plain",
    "text/xml",
    "application/openapi+json",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "*/*",
}
_OPTIONS = ("analyze", "verbose", "settings", "buffers", "wal")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type as far as this service tells them apart.

    Args:
        name: The type, lower-case when it is known, else as it was given.
        nulls_stripped: For arrays and objects: without the keys that are null.
        plan: For explain plans: their format.
        plan_for: For explain plans: the type whose statement is explained.
        plan_options: For explain plans: ``analyze`` and so on.
    """

    name: str
    nulls_stripped: bool = False
    plan: Literal["text", "json"] | None = None
    plan_for: MediaType | None = None
    plan_options: tuple[str, ...] = ()

    @property
    def is_object(self) -> bool:
        """Whether it is exactly one object."""
        return self.name == "application/vnd.pgrst.object+json" and self.plan is None

    def __str__(self) -> str:
        if self.plan is not None:
            text = f'application/vnd.pgrst.plan+{self.plan}; for="{self.plan_for}"'
            return f"{text}; options={'|'.join(self.plan_options)}" if self.plan_options else text
        return f"{self.name};nulls=stripped" if self.nulls_stripped else self.name

    @property
    def content_type(self) -> str:
        """The value of a ``Content-Type`` header."""
        vendored = self.plan is not None or self.name.startswith("application/vnd.pgrst.")
        has_charset = vendored or (self.name in _KNOWN and self.name not in _CHARSET_FREE)
        return f"{self}; charset=utf-8" if has_charset else str(self)


ANY = MediaType("*/*")
JSON = MediaType("application/json")
CSV = MediaType("text/csv")
OPENAPI = MediaType("application/openapi+json")

_TYPE = re.compile(r"\s*([\w.*]+)/([\w.*+-]+)", re.ASCII)
_PARAMETER = re.compile(r"\s*;\s*([\w-]+)\s*=\s*(?:\"([^\"]*)\"|([\w|-]+))", re.ASCII)
_PART = re.compile(r'(?:[^,"]|"[^"]*"?)+')
_QUALITY = re.compile(r"\s*;\s*q\s*=\s*([0-9.]+)\s*$", re.ASCII | re.IGNORECASE)
_MAX_NESTED_PLANS = 3


@lru_cache(maxsize=256)
def parse_media_type(text: str) -> MediaType:
    """The media type that a header names; one that is not understood keeps its text.

    Args:
        text: One media type with its parameters.
    """
    return _parse(text, _MAX_NESTED_PLANS)


def _parse(text: str, depth: int) -> MediaType:
    match = _TYPE.match(text)
    if match is None:
        return MediaType(text)
    name = f"{match[1]}/{match[2]}".lower()
    if name in _KNOWN:
        return MediaType(name)
    if not name.startswith("application/vnd.pgrst."):
        return MediaType(text)
    parameters: dict[str, str] = {}
    at = match.end()
    while found := _PARAMETER.match(text, at):
        parameters[found[1].lower()] = found[2] if found[2] is not None else found[3]
        at = found.end()
    stripped = parameters.get("nulls") == "stripped"
    kind = name.removeprefix("application/vnd.pgrst.")
    if kind in ("object", "object+json"):
        return MediaType("application/vnd.pgrst.object+json", nulls_stripped=stripped)
    if kind in ("array", "array+json"):
        return MediaType("application/vnd.pgrst.array+json", nulls_stripped=True) if stripped else JSON
    if kind in ("plan", "plan+text", "plan+json"):
        wanted = parameters.get("options", "").split("|")
        target = _parse(parameters.get("for", "application/json"), depth - 1) if depth else JSON
        return MediaType(
            "application/vnd.pgrst.plan",
            plan="json" if kind == "plan+json" else "text",
            plan_for=target,
            plan_options=tuple(option for option in _OPTIONS if option in wanted),
        )
    return MediaType(text)


@lru_cache(maxsize=256)
def parse_accept(header: str | None) -> tuple[MediaType, ...]:
    """The accepted media types, the most wanted first.

    Args:
        header: The ``Accept`` header; without one anything is accepted.
    """
    if header is None:
        return (ANY,)
    weighted: list[tuple[float, int, str]] = []
    for part in _PART.findall(header):
        quality = _QUALITY.search(part)
        text = (part[: quality.start()] if quality else part).strip()
        weighted.append((-_weight(quality[1]) if quality else -1.0, _specificity(text), text))
    weighted.sort(key=lambda entry: entry[:2])
    return tuple(parse_media_type(text) for _, _, text in weighted)


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def _specificity(text: str) -> int:
    # Of equally wanted types the more specific one comes first (RFC 9110, section 12.5.1).
    return text.count("*") - text.count(";")
