"""Reading and writing ``auth.users``.

Source: supabase/auth ``internal/models/user.go``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from headway.local.auth import onetime
from headway.local.auth.database import Connection
from headway.local.auth.models import User
from headway.local.auth.settings import DEFAULT_ROLE

__all__ = [
    "UserTaken",
    "by_email",
    "by_id",
    "confirm",
    "holder_of_email",
    "holder_of_phone",
    "insert",
    "merged",
    "obfuscated",
    "page",
    "soft_delete",
    "update",
]

_INSTANCE = UUID(int=0)
_WRITABLE = frozenset(
    (
        "role",
        "email",
        "phone",
        "encrypted_password",
        "email_confirmed_at",
        "phone_confirmed_at",
        "invited_at",
        "confirmation_token",
        "confirmation_sent_at",
        "recovery_token",
        "recovery_sent_at",
        "email_change",
        "email_change_token_current",
        "email_change_token_new",
        "email_change_sent_at",
        "email_change_confirm_status",
        "phone_change",
        "phone_change_token",
        "phone_change_sent_at",
        "reauthentication_token",
        "reauthentication_sent_at",
        "last_sign_in_at",
        "raw_app_meta_data",
        "raw_user_meta_data",
        "is_anonymous",
        "banned_until",
        "deleted_at",
    )
)


class UserTaken(Exception):
    """Somebody else was first with the id, the e-mail address or the phone number.

    Args:
        what: ``id``, ``email`` or ``phone``.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


async def by_email(connection: Connection, email: str, audience: str, *, lock: bool = False) -> User | None:
    """The user with an address that they may sign in with.

    Args:
        connection: Where to ask.
        email: In any case.
        audience: The user's ``aud``.
        lock: Whether the row is held until the transaction ends.
    """
    return await _one(
        connection,
        "instance_id = $1 and lower(email) = $2 and aud = $3 and is_sso_user = false",
        (_INSTANCE, email.lower(), audience),
        lock,
    )


async def by_id(connection: Connection, user_id: UUID, *, lock: bool = False) -> User | None:
    """The user with an id; arguments as for ``by_email``."""
    return await _one(connection, "instance_id = $1 and id = $2", (_INSTANCE, user_id), lock)


async def _one(connection: Connection, where: str, arguments: tuple[Any, ...], lock: bool) -> User | None:
    row = await connection.fetchrow(
        f"select * from auth.users where {where} limit 1{' for update' if lock else ''}",  # noqa: S608
        *arguments,
    )
    return None if row is None else User.from_record(row)


async def holder_of_email(
    connection: Connection, email: str, audience: str, *, besides: UUID | None = None
) -> User | None:
    """Whoever already has an address, as their own or in one of their identities.

    Args:
        connection: Where to ask.
        email: In lower case.
        audience: The user's ``aud``.
        besides: A user who does not count, except by their own address.
    """
    row = await connection.fetchrow(
        """
        select users.* from auth.identities join auth.users on users.id = identities.user_id
        where identities.email = $1 and users.aud = $2 and identities.provider not like 'sso:%'
          and users.id is distinct from $3
        limit 1
        """,
        email,
        audience,
        besides,
    )
    return User.from_record(row) if row is not None else await by_email(connection, email, audience)


async def holder_of_phone(connection: Connection, phone: str, audience: str) -> User | None:
    """Whoever already has a phone number; arguments as for ``holder_of_email``."""
    return await _one(
        connection,
        "instance_id = $1 and phone = $2 and aud = $3 and is_sso_user = false",
        (_INSTANCE, phone, audience),
        lock=False,
    )


async def insert(
    connection: Connection,
    *,
    now: datetime,
    audience: str,
    email: str = "",
    phone: str = "",
    password_hash: str = "",
    app_metadata: Mapping[str, Any],
    user_metadata: Mapping[str, Any],
    is_anonymous: bool = False,
    role: str = DEFAULT_ROLE,
    user_id: UUID | None = None,
) -> User:
    """A new user; an app's triggers on ``auth.users`` run inside this statement.

    Raises:
        UserTaken: the id, address or number is in use.
        asyncpg.PostgresError: a trigger refused.
    """
    try:
        row = await connection.fetchrow(
            """
            insert into auth.users (
              instance_id, id, aud, role, email, phone, encrypted_password, raw_app_meta_data,
              raw_user_meta_data, is_anonymous, created_at, updated_at, confirmation_token, recovery_token,
              email_change, email_change_token_new, email_change_token_current, email_change_confirm_status,
              phone_change, phone_change_token, reauthentication_token, is_sso_user
            ) values (
              $1, $2, $3, $4, nullif($5, ''), nullif($6, ''), $7, $8, $9, $10, $11, $11, '', '', '', '', '',
              0, '', '', '', false
            ) returning *
            """,
            _INSTANCE,
            user_id or uuid4(),
            audience,
            role,
            email,
            phone,
            password_hash,
            app_metadata,
            user_metadata,
            is_anonymous,
            now,
        )
    except asyncpg.UniqueViolationError as error:
        if error.schema_name != "auth" or error.table_name != "users":
            raise
        constraint = error.constraint_name or ""
        what = next((name for name in ("email", "phone") if name in constraint), "id")
        raise UserTaken(what) from error
    if row is None:
        raise asyncpg.RaiseError("a trigger on auth.users suppressed the new row")
    return User.from_record(row)


async def update(connection: Connection, user: User, now: datetime, **changes: Any) -> User:
    """The user with some columns set.

    Args:
        connection: In the transaction of the change.
        user: Whom to change.
        now: Becomes ``updated_at``.
        changes: Column names and values.

    Raises:
        UserTaken: a new address or number is in use.
    """
    unknown = changes.keys() - _WRITABLE
    assert not unknown, f"not a writable column: {unknown}"
    assignments = ", ".join(f'"{name}" = ${index}' for index, name in enumerate(changes, start=3))
    try:
        row = await connection.fetchrow(
            f"update auth.users set updated_at = $2, {assignments} where id = $1 returning *",  # noqa: S608
            user.id,
            now,
            *changes.values(),
        )
    except asyncpg.UniqueViolationError as error:
        if error.schema_name != "auth" or error.table_name != "users":
            raise
        raise UserTaken("phone" if "phone" in (error.constraint_name or "") else "email") from error
    if row is None:
        raise asyncpg.RaiseError("a trigger on auth.users suppressed the change, or the user is gone")
    return User.from_record(row)


def merged(stored: Mapping[str, Any], updates: Mapping[str, Any]) -> dict[str, Any]:
    """``stored`` with top-level keys replaced; a null removes its key."""
    return {key: value for key, value in {**stored, **updates}.items() if value is not None}


async def confirm(connection: Connection, user: User, now: datetime) -> User:
    """The user with a confirmed e-mail address; every token sent to them so far is void."""
    user = await update(
        connection,
        user,
        now,
        confirmation_token="",
        email_confirmed_at=now,
        raw_user_meta_data=merged(user.user_metadata, {"email_verified": True}),
    )
    await onetime.clear_all(connection, user.id)
    return user


async def page(
    connection: Connection,
    audience: str,
    *,
    limit: int,
    offset: int,
    ascending: bool,
    search: str,
) -> tuple[list[User], int]:
    """Some users and the number of all.

    Args:
        connection: Where to ask.
        audience: Their ``aud``.
        limit: At most so many.
        offset: After so many.
        ascending: Oldest first.
        search: A part of the address, or of ``full_name`` in any case; all when empty.
    """
    where = """
        where instance_id = $1 and aud = $2
          and ($3 = '' or strpos(email, $3) > 0
               or strpos(lower(raw_user_meta_data ->> 'full_name'), lower($3)) > 0)
    """
    arguments = (_INSTANCE, audience, search)
    total: int = await connection.fetchval(f"select count(*) from auth.users {where}", *arguments)  # noqa: S608
    direction = "asc" if ascending else "desc"
    rows = await connection.fetch(
        f"select * from auth.users {where} order by created_at {direction}, id {direction}"  # noqa: S608
        " limit $4 offset $5",
        *arguments,
        limit,
        offset,
    )
    return [User.from_record(row) for row in rows], total


def obfuscated(user_id: UUID, value: str) -> str:
    """What stands for a personal value after a soft deletion."""
    digest = hashlib.sha256(f"{user_id}{value}".encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def soft_delete(connection: Connection, user: User, now: datetime) -> User:
    """The user without anything personal; the row and its id stay for those who refer to it."""
    await onetime.clear_all(connection, user.id)
    return await update(
        connection,
        user,
        now,
        email=obfuscated(user.id, user.email),
        phone=obfuscated(user.id, user.phone)[:15],
        encrypted_password=None,
        email_change=obfuscated(user.id, user.email_change),
        phone_change=obfuscated(user.id, user.phone_change)[:15],
        confirmation_token="",
        recovery_token="",
        email_change_token_current="",
        email_change_token_new="",
        phone_change_token="",
        raw_app_meta_data={},
        raw_user_meta_data={},
        deleted_at=now,
    )
