"""What a provider's answer lists, entry by entry: one that is wrong does not spoil the others."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, BeforeValidator, ValidationError

__all__ = ["plain", "readable"]

# Those that turn the direction of what follows among them; joiners belong to words in many scripts.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def readable(entry: type[BaseModel]) -> BeforeValidator:
    """Leaves entries out that cannot be read, unless none can: then the answer is broken as a whole.

    An answer is paid for, and asking again buys the same wrong entry once more.

    Args:
        entry: What each of them must be.
    """

    def kept(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        fit = []
        for each in value:
            try:
                fit.append(entry.model_validate(each))
            except ValidationError:
                continue
        return fit or value

    return BeforeValidator(kept)


def plain(text: str | None, most: int) -> str | None:
    """A text on one line, without control characters; ``None`` when nothing is left.

    Args:
        text: As a provider wrote it.
        most: The most characters.
    """
    return " ".join(_CONTROL.sub(" ", text or "").split())[:most].strip() or None
