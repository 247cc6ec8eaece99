"""Whether a value is too large to be written as JSON, found out without writing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

__all__ = ["exceeds"]


def exceeds(value: Any, most_bytes: int) -> bool:
    """Whether a value's JSON would certainly be longer; stops counting as soon as it knows.

    A handler may answer gigabytes: turning those into JSON to measure them would take the process down.

    Args:
        value: Anything.
        most_bytes: The limit; what is near it is left to those who measure exactly.
    """
    left = most_bytes
    todo: list[Any] = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, (str, bytes, bytearray, memoryview)):
            left -= len(item)
        elif isinstance(item, BaseModel):
            todo.extend(item.__dict__.values())
        elif isinstance(item, Mapping):
            left -= 4 * len(item)
            if left < 0:
                return True
            todo.extend(item.keys())
            todo.extend(item.values())
        elif isinstance(item, (list, tuple, set, frozenset)):
            left -= len(item)
            if left < 0:
                return True
            todo.extend(item)
        else:
            left -= 1
        if left < 0:
            return True
    return False
