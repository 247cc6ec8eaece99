"""Reads a model's structured answer, or says what is wrong with it in words that the model can act on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

__all__ = ["Unfit", "correction", "read_answer"]

M = TypeVar("M", bound=BaseModel)

_FENCE = "```"
_OPENING = re.compile(r"```[a-zA-Z]*[ \t\r]*\n")
_MOST_FAULTS = 20
_NUL = "\\u0000"


class Unfit(Exception):
    """An answer is not valid.

    Args:
        faults: What is wrong, each with its place.
    """

    def __init__(self, faults: list[str]) -> None:
        shown = faults[:_MOST_FAULTS]
        more = len(faults) - len(shown)
        super().__init__("; ".join(shown) + (f"; and {more} more" if more else ""))
        self.faults = shown


def read_answer(text: str, schema: type[M]) -> M:
    """The answer as a model of its schema.

    Args:
        text: What the model wrote; a fence around the JSON is forgiven.
        schema: The form that was asked for.

    Raises:
        Unfit: it is no JSON, or not of that form.
    """
    text = _unfenced(text)
    try:
        answer = schema.model_validate_json(text)
    except ValidationError as error:
        # Without the input: what goes into a job's error is read by people who may not read the document.
        raise Unfit(
            [
                f"{'.'.join(map(str, each['loc'])) or 'answer'}: {each['msg']}"
                for each in error.errors(include_input=False, include_url=False, include_context=False)
            ]
        ) from None
    # Models write it for letters that they cannot spell ("caf\\u0000e9"), and Postgres cannot store it.
    if _NUL in text and (places := list(_with_nul(json.loads(text), ""))):
        raise Unfit(
            [f"{place}: the text has a NUL character; write the letter that is meant" for place in places]
        )
    return answer


def _with_nul(value: Any, place: str) -> Iterator[str]:
    """Where in a JSON value a text has a NUL character."""
    if isinstance(value, str):
        if "\0" in value:
            yield place or "answer"
    elif isinstance(value, list | dict):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _with_nul(inner, f"{place}.{key}" if place else str(key))


def _unfenced(text: str) -> str:
    # Not by one expression: models sometimes write line ends without end, and it would try every way to part
    # them.
    bare = text.strip()
    opening = _OPENING.match(bare)
    if opening is None or not bare.endswith(_FENCE) or opening.end() > len(bare) - len(_FENCE):
        return text
    return bare[opening.end() : -len(_FENCE)].strip()


def correction(unfit: Unfit) -> str:
    """What to tell the model about its answer.

    Args:
        unfit: What was wrong.
    """
    faults = "\n".join(f"- {fault}" for fault in unfit.faults)
    return (
        "Your answer is not valid:\n"
        f"{faults}\n"
        "Give the whole answer again as one JSON object that fits the schema, with the same facts and "
        "without these faults. Write nothing else."
    )
