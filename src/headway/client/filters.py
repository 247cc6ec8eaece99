"""Which jobs are meant, as PostgREST is asked for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from postgrest import AsyncSelectRequestBuilder

from headway.client.page import read_cursor
from headway.core.job import STATUSES, JobStatus
from headway.errors import InvalidRequest

__all__ = ["MOST_ROWS", "Id", "id_of", "narrow", "narrow_to_scope"]

Id: TypeAlias = UUID | str
MOST_ROWS = 500
"""Rows of one request; hosted projects answer at most a thousand."""
_GOING_ON = frozenset({"pending", "processing"})


def narrow(
    query: AsyncSelectRequestBuilder,
    *,
    status: JobStatus | Iterable[JobStatus] | None = None,
    kind: str | Iterable[str] | None = None,
    tags: Iterable[str] | None = None,
    organization_id: Id | None = None,
    project_id: Id | None = None,
    batch_id: Id | None = None,
    parent_id: Id | None = None,
    since: datetime | None = None,
    cursor: str | None = None,
) -> AsyncSelectRequestBuilder:
    """A query for jobs that have all of these; ``None`` means any.

    Raises:
        InvalidRequest: a filter is none.
    """
    if status is not None:
        wanted = _several(status)
        if unknown := sorted(set(wanted) - set(STATUSES)):
            raise _wrong("status", f"there is no {unknown[0]!r:.50}", f"Use {', '.join(STATUSES)}.")
        query = query.in_("status", wanted)
        if wanted and set(wanted) <= _GOING_ON:
            # The same again, in words for which there is an index.
            query = query.is_("finished_at", "null")
    if kind is not None:
        query = query.in_("kind", _several(kind))
    if tags is not None:
        query = query.contains("tags", _several(tags))
    ids = {
        "organization_id": organization_id,
        "project_id": project_id,
        "batch_id": batch_id,
        "parent_id": parent_id,
    }
    for column, value in ids.items():
        if value is not None:
            query = query.eq(column, str(id_of(value, column)))
    if since is not None:
        if since.tzinfo is None:
            raise _wrong("since", "has no offset", "Send a datetime with one, such as datetime.now(UTC).")
        query = query.gte("created_at", since.isoformat())
    if cursor is not None:
        at, last = read_cursor(cursor)
        moment = at.isoformat()
        # Said twice: no index knows where to begin by the alternative alone.
        query = query.lte("created_at", moment)
        query = query.or_(f'created_at.lt."{moment}",and(created_at.eq."{moment}",id.lt.{last})')
    return query


def narrow_to_scope(
    query: AsyncSelectRequestBuilder, *, user: UUID | None, organization: UUID | None, project: UUID | None
) -> AsyncSelectRequestBuilder:
    """A query for the jobs that a list's topic tells of."""
    if project is not None:
        return query.eq("project_id", str(project))
    if organization is not None:
        return query.eq("organization_id", str(organization))
    return query.eq("owner_id", str(user)).is_("organization_id", "null")


def id_of(value: object, field: str) -> UUID:
    """An id as an id, also of text.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        return value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        hint = "Send an id such as 6f1c0b56-0d0f-4c62-9a5e-3b8a3f0f9d5b."
        raise _wrong(field, "is no UUID", hint) from None


def _several(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(entry) for entry in value]


def _wrong(field: str, reason: str, hint: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {reason}", hint=hint, code="HW100", details=field)
