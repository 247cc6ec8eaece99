"""Turns what the engine answers into values, or into an error that names the field."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from headway.errors import SchemaMismatch

__all__ = ["Answer", "field_path", "read_answer", "read_answers"]

_HINT = "Apply the migrations of this version of Headway, or install the version that fits the database."
_LONGEST_PATH = 200

AnswerT = TypeVar("AnswerT", bound="Answer")


class Answer(BaseModel):
    """A value that came from the engine: immutable, and open to fields that a newer engine adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def field_path(location: tuple[int | str, ...]) -> str:
    """Where in a document something is: ``jobs[3].error.code``.

    Args:
        location: Keys and indexes from the outside in, as pydantic's errors give them.
    """
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path[:_LONGEST_PATH]


def read_answer(model: type[AnswerT], document: Any, what: str) -> AnswerT:
    """An answer of the engine as a value.

    Args:
        model: What it should be.
        document: The decoded JSON.
        what: Its name in errors, such as ``snapshot``.

    Raises:
        SchemaMismatch: the document is not what this version expects; names the field and never its content.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _mismatch(error, what) from None


def read_answers(model: type[AnswerT], documents: Any, what: str) -> list[AnswerT]:
    """A list of answers as values; raises as ``read_answer`` does."""
    try:
        answers: list[AnswerT] = _list_of(model).validate_python(documents)
    except ValidationError as error:
        raise _mismatch(error, what) from None
    return answers


@cache
def _list_of(model: type[Answer]) -> TypeAdapter[Any]:
    return TypeAdapter(list[model])  # type: ignore[valid-type]


def _mismatch(error: ValidationError, what: str) -> SchemaMismatch:
    # Neither the input nor the context: a payload or a token may be in them.
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    path = field_path(first["loc"])
    reason = "has the wrong shape" if first["type"].endswith("_parsing") else first["msg"].lower()
    return SchemaMismatch(
        f"the {what} from the database is not as expected: {path or 'it'}: {reason}", hint=_HINT, details=path
    )
