"""JSON as fast as it goes, and as large as its numbers are."""

from __future__ import annotations

import json
from typing import Any

import orjson

__all__ = ["dump", "load"]


def dump(value: Any) -> bytes:
    """A document as JSON text; integers beyond 64 bits, which orjson refuses, included.

    Args:
        value: Plain JSON; ``orjson.Fragment`` for parts that are written already.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_fragment).encode()


def load(text: bytes | str) -> Any:
    """A JSON text as a document."""
    return orjson.loads(text)


def _fragment(value: Any) -> Any:
    if isinstance(value, orjson.Fragment):
        return json.loads(value.contents)
    raise TypeError(f"{type(value).__name__} is no JSON")
