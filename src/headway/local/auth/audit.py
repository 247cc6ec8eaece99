"""``auth.audit_log_entries``: who did what to which account.

Source: supabase/auth ``internal/models/audit_log_entry.go``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from headway.local.auth.database import Connection
from headway.local.auth.models import User

__all__ = ["Action", "Actor", "record", "search"]

Action = Literal[
    "login",
    "logout",
    "user_signedup",
    "user_invited",
    "user_deleted",
    "user_modified",
    "user_recovery_requested",
    "user_reauthenticate_requested",
    "user_confirmation_requested",
    "user_repeated_signup",
    "user_updated_password",
    "token_revoked",
    "token_refreshed",
    "identity_unlinked",
]

_LOG_TYPES: dict[str, str] = {
    "login": "account",
    "logout": "account",
    "user_signedup": "team",
    "user_invited": "team",
    "user_deleted": "team",
    "token_revoked": "token",
    "token_refreshed": "token",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user, or an administrator known only by role."""

    id: UUID
    name: str
    full_name: str | None = None

    @classmethod
    def of(cls, user: User) -> Actor:
        """A user as actor."""
        full_name = user.user_metadata.get("full_name")
        return cls(user.id, user.phone or user.email, full_name if isinstance(full_name, str) else None)


async def record(
    connection: Connection,
    action: Action,
    actor: Actor,
    now: datetime,
    *,
    address: str | None = None,
    traits: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry in the transaction of what it tells.

    Args:
        connection: That transaction's.
        action: What was done.
        actor: By whom.
        now: When.
        address: From which IP address.
        traits: Further facts.
    """
    payload: dict[str, Any] = {
        "action": action,
        "actor_id": str(actor.id),
        "actor_username": actor.name,
        "actor_via_sso": False,
        "log_type": _LOG_TYPES.get(action, "user"),
    }
    if actor.full_name is not None:
        payload["actor_name"] = actor.full_name
    if traits is not None:
        payload["traits"] = dict(traits)
    await connection.execute(
        """
        insert into auth.audit_log_entries (instance_id, id, payload, created_at, ip_address)
        values ($1, $2, $3, $4, $5)
        """,
        UUID(int=0),
        uuid4(),
        payload,
        now,
        address or "",
    )


async def search(
    connection: Connection, keys: Sequence[str], value: str, *, limit: int, offset: int
) -> tuple[list[Mapping[str, Any]], int]:
    """Entries, newest first, and the number of all.

    Args:
        connection: Where to ask.
        keys: Keys of the payload, one of which must contain ``value``; all entries when empty.
        value: A part of it, in any case.
        limit: At most so many.
        offset: After so many.
    """
    where = """
        where instance_id = $1 and (cardinality($2::text[]) = 0 or exists (
          select from unnest($2::text[]) key where strpos(lower(payload ->> key), lower($3)) > 0))
    """
    arguments = (UUID(int=0), list(keys), value)
    total: int = await connection.fetchval(
        f"select count(*) from auth.audit_log_entries {where}",  # noqa: S608
        *arguments,
    )
    rows = await connection.fetch(
        f"select * from auth.audit_log_entries {where} order by created_at desc, id limit $4 offset $5",  # noqa: S608
        *arguments,
        limit,
        offset,
    )
    return [dict(row) for row in rows], total
