"""Plans the call of a function.

Source: PostgREST's documentation, "Functions as RPC".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headway.local.rest.identifiers import QName
from headway.local.rest.plan.hints import ambiguous_function, no_function
from headway.local.rest.plan.model import CallPlan, Condition, ConditionTree, EmbedNull, ReadPlan, Where
from headway.local.rest.plan.read import needed_columns
from headway.local.rest.request.payload import Payload
from headway.local.rest.schema.model import Routine, SchemaCache

__all__ = ["find_routine", "plan_call"]

_UNNAMED = {
    "application/json": ("json", "jsonb"),
    "text/plain": ("text",),
    "text/xml": ("xml",),
    "application/octet-stream": ("bytea",),
}
_RAW = ("text/plain", "text/xml", "application/octet-stream")


def find_routine(
    cache: SchemaCache, name: QName, arguments: frozenset[str], content_type: str, *, post: bool
) -> Routine:
    """The one function of a name that takes exactly these arguments.

    Args:
        cache: The schema cache.
        name: The function's name.
        arguments: The arguments' names.
        content_type: The body's type.
        post: Whether it is called with POST.

    Raises:
        RestError: PGRST202 for none, PGRST203 for several.
    """
    overloads = cache.routines.get(name, ())
    matching = [r for r in overloads if _takes(r, arguments, content_type, post=post)]
    if not matching:
        matching = [r for r in overloads if post and _takes_everything(r, content_type)]
    if not matching:
        raise no_function(cache, name, arguments, content_type, post=post)
    if len(matching) > 1:
        raise ambiguous_function(matching)
    return matching[0]


def _takes_everything(routine: Routine, content_type: str) -> bool:
    parameters = routine.parameters
    return (
        len(parameters) == 1
        and not parameters[0].name
        and parameters[0].type in _UNNAMED.get(content_type, ())
    )


def _takes(routine: Routine, arguments: frozenset[str], content_type: str, *, post: bool) -> bool:
    if not routine.parameters:
        return not arguments and not (post and content_type in _RAW)
    required = {p.name for p in routine.parameters if p.required}
    optional = {p.name for p in routine.parameters if not p.required}
    return required <= arguments <= required | optional


def plan_call(
    routine: Routine,
    read: ReadPlan,
    payload: Payload | None,
    arguments: Sequence[tuple[str, str]],
) -> CallPlan:
    """The plan of a call.

    Args:
        routine: The function.
        read: What is to be shown of what it returns.
        payload: The body of a POST.
        arguments: The arguments of a GET.
    """
    direct = payload.form if payload is not None and payload.kind == "form" else arguments
    names = {name for name, _ in direct}
    if payload is not None and payload.kind == "json":
        names = set(payload.keys)
    returning: tuple[str, ...] = ()
    if not (routine.returns_scalar or routine.returns_set_of_scalars):
        needed = needed_columns(read)
        returning = (
            needed if needed in ((), ("*",)) else tuple(dict.fromkeys([*needed, *_filtered(read.where)]))
        )
    return CallPlan(
        routine=routine,
        parameters=tuple(p for p in routine.parameters if p.name in names),
        payload=None if payload is not None and payload.kind == "form" else payload,
        arguments=_collect(routine, direct),
        returning=returning,
    )


def _collect(routine: Routine, given: Iterable[tuple[str, str]]) -> dict[str, str | tuple[str, ...]]:
    variadic = {p.name for p in routine.parameters if p.variadic}
    collected: dict[str, str | tuple[str, ...]] = {}
    for name, value in given:
        if name in variadic:
            before = collected.get(name, ())
            assert isinstance(before, tuple)
            collected[name] = (*before, value)
        else:
            collected[name] = value
    return collected


def _filtered(conditions: Iterable[Where]) -> Iterable[str]:
    """The columns that conditions look at."""
    for condition in conditions:
        if isinstance(condition, Condition):
            yield condition.field.name
        elif isinstance(condition, ConditionTree):
            yield from _filtered(condition.terms)
        else:
            assert isinstance(condition, EmbedNull)
