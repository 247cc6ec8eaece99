"""Reading and writing ``auth.identities``: the ways in which a user can sign in.

Source: supabase/auth ``internal/models/identity.go``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from headway.local.auth import users
from headway.local.auth.database import Connection
from headway.local.auth.models import Identity, User

__all__ = [
    "claims",
    "create",
    "delete",
    "find",
    "merge_data",
    "of_user",
    "of_users",
    "soft_delete_all",
    "update_providers",
]


def claims(
    user_id: UUID,
    *,
    email: str = "",
    phone: str = "",
    email_verified: bool = False,
    phone_verified: bool = False,
) -> dict[str, Any]:
    """The ``identity_data`` of an identity that is an address or a number."""
    address = {"email": email} if email else {}
    number = {"phone": phone} if phone else {}
    return {
        "sub": str(user_id),
        **address,
        "email_verified": email_verified,
        **number,
        "phone_verified": phone_verified,
    }


async def create(
    connection: Connection, user_id: UUID, provider: str, data: Mapping[str, Any], now: datetime
) -> Identity:
    """A new identity of a user.

    Args:
        connection: In the transaction of the change.
        user_id: Whose.
        provider: ``email`` or ``phone``.
        data: With ``sub``, the identity's id at the provider.
        now: When.
    """
    row = await connection.fetchrow(
        """
        insert into auth.identities
          (id, provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $6, $6) returning *
        """,
        uuid4(),
        data["sub"],
        user_id,
        data,
        provider,
        now,
    )
    assert row is not None
    return Identity.from_record(row)


async def find(connection: Connection, user_id: UUID, provider: str) -> Identity | None:
    """The user's identity of a kind whose id is the user's own: e-mail and phone."""
    row = await connection.fetchrow(
        "select * from auth.identities where provider_id = $1 and provider = $2", str(user_id), provider
    )
    return None if row is None else Identity.from_record(row)


async def of_user(connection: Connection, user_id: UUID) -> list[Identity]:
    """All identities of a user, oldest first."""
    return (await of_users(connection, [user_id]))[user_id]


async def of_users(connection: Connection, user_ids: Sequence[UUID]) -> dict[UUID, list[Identity]]:
    """All identities of some users, oldest first."""
    found: dict[UUID, list[Identity]] = {user_id: [] for user_id in user_ids}
    rows = await connection.fetch(
        "select * from auth.identities where user_id = any($1::uuid[]) order by created_at, provider, id",
        list(user_ids),
    )
    for row in rows:
        found[row["user_id"]].append(Identity.from_record(row))
    return found


async def merge_data(
    connection: Connection, identity: Identity, updates: Mapping[str, Any], now: datetime
) -> None:
    """Set some keys of an identity's data."""
    await connection.execute(
        "update auth.identities set identity_data = $2, updated_at = $3 where id = $1",
        identity.id,
        users.merged(identity.data, updates),
        now,
    )


async def delete(connection: Connection, identity: Identity) -> None:
    """Take a way to sign in away."""
    await connection.execute("delete from auth.identities where id = $1", identity.id)


async def update_providers(connection: Connection, user: User, now: datetime) -> User:
    """The user with ``app_metadata.provider`` and ``providers`` as their identities say."""
    rows = await connection.fetch(
        """
        select provider from auth.identities where user_id = $1
        group by provider order by min(created_at), provider
        """,
        user.id,
    )
    providers = [row["provider"] for row in rows]
    payload: dict[str, Any] = {"providers": providers}
    if providers:
        payload["provider"] = providers[0]
    if all(user.app_metadata.get(key) == value for key, value in payload.items()):
        return user
    return await users.update(
        connection, user, now, raw_app_meta_data=users.merged(user.app_metadata, payload)
    )


async def soft_delete_all(connection: Connection, user_id: UUID, now: datetime) -> None:
    """Remove everything personal from a user's identities."""
    for identity in await of_user(connection, user_id):
        await connection.execute(
            """
            update auth.identities set identity_data = '{}', provider_id = $2, updated_at = $3 where id = $1
            """,
            identity.id,
            users.obfuscated(user_id, f"{identity.provider}:{identity.provider_id}"),
            now,
        )
