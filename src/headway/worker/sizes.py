"""Whether a value is too large to be written as JSON, found out without writing it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from pydantic import BaseModel

__all__ = ["exceeds"]

_TEXTS = (str, bytes, bytearray, memoryview)
_PLAIN = (int, float, type(None))


def exceeds(value: Any, most_bytes: int) -> bool:
    """Whether a value's JSON would certainly be longer; stops counting as soon as it knows.

    A handler may answer gigabytes: turning those into JSON to measure them would take the process down. What
    contains itself has no end, and no JSON: whoever writes it says so.

    Args:
        value: Anything.
        most_bytes: The limit; what is near it is left to those who measure exactly.
    """
    left = most_bytes
    stack: list[tuple[int, Iterator[Any]]] = [(0, iter((value,)))]
    inside: set[int] = set()
    while stack:
        identity, items = stack[-1]
        for item in items:
            if isinstance(item, _TEXTS):
                left -= len(item)
            elif isinstance(item, _PLAIN):
                left -= 1
            elif id(item) in inside:
                return False
            else:
                least, parts = _parts(item)
                left -= least + 1
                if least and left >= 0:
                    inside.add(id(item))
                    stack.append((id(item), iter(parts)))
                    break
            if left < 0:
                return True
        else:
            stack.pop()
            inside.discard(identity)
    return False


def _parts(item: Any) -> tuple[int, Iterable[Any]]:
    """What a value is made of, and how many letters that takes at least."""
    if isinstance(item, (list, tuple, set, frozenset)):
        return len(item), item
    if isinstance(item, BaseModel):
        return len(item.__dict__), item.__dict__.values()
    return (4 * len(item), chain(item.keys(), item.values())) if isinstance(item, Mapping) else (0, ())
