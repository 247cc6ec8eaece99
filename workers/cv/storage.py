"""Reads a whole profile, and writes what changes in it: all or nothing, and never over others' changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from postgrest import AsyncPostgrestClient
from postgrest.exceptions import APIError

from headway import Retry
from workers.cv.records import FullProfile

__all__ = ["NEVER", "load_profile", "write_profile"]

NEVER = "-infinity"
"""When a profile that does not exist was changed last."""

_CHANGED_MEANWHILE = "HW202"
_MOST_TRIES = 5
_LISTS = ("work_experience", "board_experience", "education")
_WHOLE = "*," + ",".join(f"{table}(*)" for table in _LISTS)


async def load_profile(db: AsyncPostgrestClient, owner: UUID) -> tuple[FullProfile, str]:
    """A profile with all its entries in order, and when it was changed last; an empty one when there is none.

    Args:
        db: The Data API, as the service role.
        owner: Whose it is.
    """
    query = db.table("profiles").select(_WHOLE).eq("id", str(owner)).limit(1)
    for table in _LISTS:
        query = query.order("position", foreign_table=table).order("created_at", foreign_table=table)
    rows: list[Any] = (await query.execute()).data
    if not rows:
        return FullProfile(), NEVER
    row = rows[0]
    whole = FullProfile.model_validate({"profile": row, **{table: row[table] for table in _LISTS}})
    return whole, row["updated_at"]


async def write_profile(
    db: AsyncPostgrestClient,
    owner: UUID,
    merged: Callable[[FullProfile], Awaitable[dict[str, Any]]],
) -> FullProfile:
    """Apply a document to a profile in one transaction; the profile as it is then.

    Should somebody else write between reading and writing, both are done again.

    Args:
        db: The Data API, as the service role.
        owner: Whose profile it is.
        merged: Makes the document of the profile as it is now; called again when that has changed.

    Raises:
        Retry: others keep changing the profile.
    """
    for _ in range(_MOST_TRIES):
        stored, since = await load_profile(db, owner)
        arguments: dict[str, Any] = {
            "profile": str(owner),
            "document": await merged(stored),
            "unless_changed_since": since,
        }
        try:
            await db.rpc("apply_profile", arguments).execute()
        except APIError as error:
            if error.code != _CHANGED_MEANWHILE:
                raise
            continue
        after, _ = await load_profile(db, owner)
        return after
    raise Retry("The profile is being changed by others.", after=2, code="profile_busy")
