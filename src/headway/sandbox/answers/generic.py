"""Answers what no rule knows: fields from lines like ``name: value``, texts from first sentences."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from headway.sandbox.answers.conform import Schema, resolve

__all__ = ["LABEL", "fill", "plain_text"]

LABEL = "(Written by the Headway sandbox, not by a model.)"
"""At the end of every plain text: nobody shall take it for a model's."""

_SENTENCES = 3
_MOST_CHARACTERS = 900
_FIELD = re.compile(r"^\s*[-*•]?\s*([^\W\d][\w /_-]{0,40}?)\s*[:=]\s*(\S.*?)\s*$", re.MULTILINE)


def fill(text: str, schema: Schema) -> Any:
    """What a text says about a schema's properties, by ``name: value`` lines and by JSON in the text.

    Args:
        text: The user's messages.
        schema: Of the answer.
    """
    known: dict[str, Any] = {_key(name): value for name, value in _FIELD.findall(text)}
    for value in _json_objects(text):
        known.update({_key(name): each for name, each in value.items()})
    return _fill(known, text, schema, schema, 0)


def _fill(known: Mapping[str, Any], text: str, schema: Any, root: Schema, depth: int) -> Any:
    schema = resolve(schema, root)
    properties = schema.get("properties")
    if not properties or depth > 6:
        return plain_text(text, label=False) if schema.get("type") == "string" else None
    answer: dict[str, Any] = {}
    for name, part in properties.items():
        if (value := known.get(_key(name))) is not None:
            answer[name] = _split(value) if _is_list(part, root) else value
        else:
            inner = resolve(part, root)
            if inner.get("type") == "object":
                answer[name] = _fill(known, text, inner, root, depth + 1)
            elif inner.get("type") == "string" and "enum" not in inner and "format" not in inner:
                answer[name] = plain_text(text, label=False)
    return answer


def _is_list(part: Any, root: Schema) -> bool:
    return resolve(part, root).get("type") == "array"


def _split(value: Any) -> Any:
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _json_objects(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position >= 0 and len(found) < 5:
        try:
            value, end = decoder.raw_decode(text, position)
        except ValueError:
            end = position + 1
        else:
            found.append(value)
        position = text.find("{", end)
    return found


def plain_text(text: str, *, label: bool = True) -> str:
    """The first sentences of a text.

    Args:
        text: To be shortened.
        label: Whether to say who wrote it.
    """
    words = re.sub(r"\s+", " ", text).strip()
    sentences = re.split(r"(?<=[.!?。؟])\s+", words)
    short = " ".join(sentences[:_SENTENCES])
    if len(short) > _MOST_CHARACTERS:
        short = short[:_MOST_CHARACTERS].rsplit(" ", 1)[0] + " …"
    return f"{short} {LABEL}".strip() if label else short
