"""What a handler takes and gives, read from its signature."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import orjson
from pydantic import PydanticSchemaGenerationError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

from headway.errors import ConfigError

__all__ = ["HandlerShape", "RunIn", "read_shape"]

RunIn: TypeAlias = Literal["async", "thread", "process"]

_LARGEST_SCHEMA = 65_536
_UNTYPED = (inspect.Parameter.empty, Any, object)


@dataclass(frozen=True, slots=True)
class HandlerShape:
    """A handler's signature as far as it matters.

    Attributes:
        is_async: Whether it is ``async def``.
        takes_payload: Whether it has a second parameter.
        payload: Validates payloads; ``None`` when they are taken as they are.
        result: Validates and serialises results; ``None`` when they are taken as they are.
        schema: The payload's JSON Schema, for the engine; ``None`` when everything is accepted.
    """

    is_async: bool
    takes_payload: bool
    payload: TypeAdapter[Any] | None
    result: TypeAdapter[Any] | None
    schema: dict[str, Any] | None


def read_shape(handler: Callable[..., Any], kind: str) -> HandlerShape:
    """What a handler takes and gives.

    Args:
        handler: ``f(ctx)`` or ``f(ctx, payload)``, async or not; annotations make payload and result typed.
        kind: For errors.

    Raises:
        ConfigError: it cannot be called that way, or an annotation cannot be resolved or made into a schema.
    """
    try:
        parameters = list(inspect.signature(handler).parameters.values())
    except (TypeError, ValueError):
        raise _wrong(kind, "the handler's signature cannot be read") from None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [
        p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if not len(positional) >= 1 or len(needed) > 2 or any(p.kind is p.KEYWORD_ONLY for p in needed):
        raise _wrong(kind, "the handler must take (ctx) or (ctx, payload)")
    hints = _hints(handler, kind)
    takes_payload = len(positional) > 1
    payload_type = hints.get(positional[1].name, Any) if takes_payload else Any
    payload = _adapter(payload_type, kind, "payload")
    result_type = hints.get("return", Any)
    return HandlerShape(
        is_async=inspect.iscoroutinefunction(handler),
        takes_payload=takes_payload,
        payload=payload,
        result=_result_adapter(result_type, kind),
        schema=None if payload is None else _schema(payload, kind),
    )


def _hints(handler: Callable[..., Any], kind: str) -> dict[str, Any]:
    target = handler if inspect.isroutine(handler) else getattr(handler, "__call__", handler)  # noqa: B004
    try:
        return typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise _wrong(
            kind,
            f"an annotation of the handler cannot be resolved: {error}",
            "Define the type at the module's top level, and import it outside of `if TYPE_CHECKING`.",
        ) from None


def _adapter(annotation: Any, kind: str, what: str) -> TypeAdapter[Any] | None:
    if annotation in _UNTYPED:
        return None
    try:
        return TypeAdapter(annotation)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise _wrong(
            kind,
            f"the type of its {what} is none that pydantic can validate: {error.message.splitlines()[0]}",
            "Use a pydantic model, a dataclass, a TypedDict or plain JSON types.",
        ) from None


def _result_adapter(annotation: Any, kind: str) -> TypeAdapter[Any] | None:
    """Of the result proper: ``Snooze`` and ``Cancel`` in a union are not validated."""
    from headway.worker.outcomes import Cancel, Snooze

    arms = typing.get_args(annotation)
    if arms and any(arm in (Snooze, Cancel) for arm in arms):
        proper = [arm for arm in arms if arm not in (Snooze, Cancel)]
        annotation = typing.Union[tuple(proper)] if proper else None  # noqa: UP007 - built at run time
    if annotation in (Snooze, Cancel, typing.NoReturn):
        return None
    return _adapter(annotation, kind, "result")


def _schema(payload: TypeAdapter[Any], kind: str) -> dict[str, Any] | None:
    try:
        schema = payload.json_schema(mode="validation")
    except (PydanticInvalidForJsonSchema, PydanticUserError):
        return None  # such as a validator of callables: the worker validates all the same
    if not schema or len(orjson.dumps(schema)) > _LARGEST_SCHEMA:
        return None
    return schema


def _wrong(
    kind: str, what: str, hint: str = "Write async def f(ctx: Context, payload: Model)."
) -> ConfigError:
    return ConfigError(f"kind {kind}: {what}", hint=hint, code="handler_invalid")
