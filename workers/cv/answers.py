"""Reads what a model answers: its own spellings of our names, its ways of saying nothing.

Structured outputs make wrong names rare; other providers and repaired answers bring them back: ``startDate``
for ``start_date``, ``"N/A"`` for null, one text for a list. Reading them costs nothing; asking again does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

__all__ = ["Answer", "Flag", "Text", "TextList"]

_NOTHING = frozenset(
    {"", "-", "–", "—", "n/a", "na", "none", "null", "nil", "unknown", "not specified", "not provided"}
    | {"not mentioned", "not available", "not stated", "undefined"}
)
_EMPTY: tuple[Any, ...] = (None, "", [])
_YES = frozenset({"true", "yes", "y", "1"})
_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\s\-]+")
_SEPARATOR = re.compile(r"[;\n•]|,(?=\s)")
_BRACKET = re.compile(r"[()]")


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        value = "\n".join(value)
    if isinstance(value, str):
        # NUL and lone surrogates can be in JSON, and in no Postgres text.
        cleaned = value.replace("\x00", "").encode("utf-8", "ignore").decode().strip()
        return None if cleaned.casefold() in _NOTHING else cleaned
    return value


def _texts(value: Any) -> Any:
    if value is None:
        return []
    if isinstance(value, str):
        value = _parts(value)
    if isinstance(value, list | tuple):
        named = [_name_in(item) for item in value]
        return [text for text in map(_text, named) if text is not None]
    return value


def _parts(text: str) -> list[str]:
    """The parts of one text that is a list; a comma within brackets divides nothing.

    In one pass: a model can answer any text, of any length.
    """
    brackets = _BRACKET.finditer(text)
    bracket = next(brackets, None)
    parts: list[str] = []
    start = 0
    for separator in _SEPARATOR.finditer(text):
        while bracket is not None and bracket.start() < separator.start():
            bracket = next(brackets, None)
        if separator[0] == "," and bracket is not None and bracket[0] == ")":
            continue
        parts.append(text[start : separator.start()])
        start = separator.end()
    return [*parts, text[start:]]


def _name_in(item: Any) -> Any:
    # {"name": "Python"} for "Python".
    if isinstance(item, Mapping):
        for key in ("name", "value", "title", "text"):
            if isinstance(item.get(key), str):
                return item[key]
    return item


def _flag(value: Any) -> Any:
    if value is None:
        return False
    if isinstance(value, str):
        return value.strip().casefold() in _YES
    return value


Text = Annotated[str | None, BeforeValidator(_text)]
"""One text, or null for every way of saying nothing."""

TextList = Annotated[list[str], BeforeValidator(_texts)]
"""A list of texts; one text with separators, or null, is read as such."""

Flag = Annotated[bool, BeforeValidator(_flag)]
"""True or false; null is false."""


class Answer(BaseModel):
    """Part of a model's answer: snake_case names in its schema, and whatever it made of them is understood.

    Attributes:
        other_names: What else models call a field, in snake_case.
    """

    model_config = ConfigDict(extra="ignore")

    other_names: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _own_names(cls, document: Any) -> Any:
        if not isinstance(document, Mapping):
            return document
        renamed: dict[str, Any] = {}
        for key, value in document.items():
            name = _BOUNDARY.sub("_", str(key)).lower()
            name = name if name in cls.model_fields else cls.other_names.get(name, name)
            # The name asked for wins over another one for the same field, unless nothing stands there.
            if renamed.get(name) in _EMPTY or (name == key and value not in _EMPTY):
                renamed[name] = value
        for name, field in cls.model_fields.items():
            if get_origin(field.annotation) is list and name in renamed and renamed[name] is None:
                renamed[name] = []
            # A left-out list of roles is no statement that there were none, and is asked for again.
            elif any(isinstance(part, BeforeValidator) for part in field.metadata):
                renamed.setdefault(name, None)
        return renamed
