"""Chooses the media type of a response.

Source: PostgREST's documentation, "Resource Representation" and "Media Type Handlers".
"""

from __future__ import annotations

from collections.abc import Iterable

from headway.local.rest.errors import media_type_error
from headway.local.rest.identifiers import QName
from headway.local.rest.plan.model import ReadPlan
from headway.local.rest.request.media_types import CSV, JSON, MediaType, parse_media_type
from headway.local.rest.schema.model import SchemaCache
from headway.local.rest.sql.handlers import BodyFormat

__all__ = ["negotiate", "selects_everything"]

_BUILT_IN = {
    "*/*": (BodyFormat("array"), JSON),
    "application/json": (BodyFormat("array"), JSON),
    "text/csv": (BodyFormat("csv"), CSV),
    "application/geo+json": (BodyFormat("geojson"), MediaType("application/geo+json")),
}


def selects_everything(plan: ReadPlan) -> bool:
    """Whether the rows have exactly their table's columns, as a handler for its row type needs.

    Args:
        plan: The plan's root.
    """
    return [term.field.name for term in plan.select] == ["*"] and not plan.children


def negotiate(
    cache: SchemaCache, target: QName, accepted: Iterable[MediaType], plan: ReadPlan, *, explain: bool
) -> tuple[BodyFormat, MediaType]:
    """The first accepted type that can be produced, and how.

    Args:
        cache: The schema cache.
        target: The row type, or the function that returns one value.
        accepted: What the client accepts, the most wanted first.
        plan: What is read.
        explain: Whether explain plans are allowed.

    Raises:
        RestError: PGRST107.
    """
    everything = selects_everything(plan)
    for wanted in accepted:
        if wanted.plan is None:
            found = _produce(cache, target, wanted, everything=everything)
            if found is not None:
                return found
        elif explain and wanted.plan_for is not None:
            found = _produce(cache, target, wanted.plan_for, everything=everything)
            if found is not None:
                return found[0], wanted
    raise media_type_error(map(str, accepted))


def _produce(
    cache: SchemaCache, target: QName, wanted: MediaType, *, everything: bool
) -> tuple[BodyFormat, MediaType] | None:
    if wanted.is_object:
        return BodyFormat("object", wanted.nulls_stripped), wanted
    if wanted.nulls_stripped:
        return BodyFormat("array", strip_nulls=True), wanted
    keys = [(None, wanted.name)]
    if everything:
        keys = [(target, "*/*"), (target, wanted.name), *keys]  # type: ignore[list-item]
    for key in keys:
        handler = cache.media_handlers.get(key)
        if handler is not None:
            return BodyFormat("custom", handler=handler), parse_media_type(handler.content_type)
    return _BUILT_IN.get(wanted.name)
