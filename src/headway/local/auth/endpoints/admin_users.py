"""Managing users with the service role.

Source: supabase/auth ``internal/api/admin.go``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from starlette.responses import Response

from headway.local.auth import identities, onetime, sessions, users
from headway.local.auth.addresses import checked_email, checked_phone
from headway.local.auth.call import Call
from headway.local.auth.database import Connection
from headway.local.auth.durations import parse_duration
from headway.local.auth.endpoints.user import email_exists, set_password
from headway.local.auth.errors import AuthError, bad_request, not_found, unexpected, unprocessable
from headway.local.auth.fields import Fields
from headway.local.auth.models import User
from headway.local.auth.passwords import check_hash
from headway.local.auth.representation import json_response
from headway.local.auth.settings import DEFAULT_ROLE
from headway.local.auth.users import UserTaken

__all__ = ["create_user", "delete_user", "get_user", "update_user"]


@dataclass(frozen=True, slots=True)
class _Wish:
    """The fields that creating and updating have in common, checked."""

    email: str
    phone: str
    email_confirm: bool
    phone_confirm: bool
    user_metadata: dict[str, Any] | None
    app_metadata: dict[str, Any] | None
    role: str
    ban: timedelta | None

    @classmethod
    def of(cls, fields: Fields) -> _Wish:
        email, phone = fields.text("email"), fields.text("phone")
        return cls(
            email=checked_email(email) if email else "",
            phone=checked_phone(phone) if phone else "",
            email_confirm=fields.flag("email_confirm"),
            phone_confirm=fields.flag("phone_confirm"),
            user_metadata=fields.mapping("user_metadata"),
            app_metadata=fields.mapping("app_metadata"),
            role=fields.text("role").strip(),
            ban=_ban_duration(fields.text("ban_duration")),
        )


def _ban_duration(text: str) -> timedelta | None:
    """No time at all for ``none``, ``None`` when not given."""
    if text in ("", "none"):
        return timedelta(0) if text else None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise bad_request("validation_failed", f"invalid format for ban duration: {error}") from error


def _banned_until(ban: timedelta, now: datetime) -> datetime | None:
    return now + ban if ban else None


async def get_user(call: Call) -> Response:
    """``GET /admin/users/{user_id}``: one user."""
    await call.admin()
    async with call.parts.database.connection() as connection:
        user = await _find(call, connection)
        return json_response(await call.user_body(connection, user))


async def _find(call: Call, connection: Connection, *, lock: bool = False) -> User:
    user_id = call.path_id("user_id")
    if user_id is None:
        raise not_found("validation_failed", "user_id must be an UUID")
    user = await users.by_id(connection, user_id, lock=lock)
    if user is None:
        raise not_found("user_not_found", "User not found")
    return user


async def create_user(call: Call) -> Response:
    """``POST /admin/users``: a new user, without asking them."""
    admin = await call.admin()
    fields = call.fields()
    wish = _Wish.of(fields)
    if not wish.email and not wish.phone:
        raise bad_request("validation_failed", "Cannot create a user without either an email or phone")
    user_id = _new_id(fields.text("id"))
    password_hash = await _initial_hash(call, fields)
    audience = fields.text("aud") or call.audience
    try:
        async with call.transaction() as connection:
            user = await _create(call, connection, wish, audience, user_id, password_hash)
            await call.record(
                connection, "user_signedup", admin, **_traits(user), provider=_providers(wish)[0]
            )
            body = await call.user_body(connection, user)
    except UserTaken as error:
        raise _taken(error) from error
    return json_response(body)


def _new_id(text: str) -> UUID | None:
    if not text:
        return None
    try:
        chosen = UUID(text)
    except ValueError as error:
        raise bad_request("validation_failed", "ID must conform to the uuid v4 format") from error
    if chosen.int == 0:
        raise bad_request("validation_failed", "ID cannot be a nil uuid")
    return chosen


async def _initial_hash(call: Call, fields: Fields) -> str:
    password, password_hash = fields.text("password"), fields.text("password_hash")
    if fields.given("password") and password_hash:
        raise bad_request("validation_failed", "Only a password or a password hash should be provided")
    if password_hash:
        check_hash(password_hash)
        return password_hash
    if not password:
        return await call.parts.passwords.hash(call.parts.policy.random())
    if len(password.encode()) > 72:
        raise bad_request("validation_failed", "Password cannot be longer than 72 characters")
    return await call.parts.passwords.hash(password)


def _providers(wish: _Wish) -> list[str]:
    return [name for name, value in (("email", wish.email), ("phone", wish.phone)) if value]


def _traits(user: User) -> dict[str, Any]:
    return {"user_id": str(user.id), "user_email": user.email, "user_phone": user.phone}


def _taken(error: UserTaken) -> AuthError:
    match error.what:
        case "email":
            return email_exists()
        case "phone":
            return unprocessable("phone_exists", "A user with this phone number has already been registered")
        case _:
            return unprocessable("user_already_exists", "A user with this id already exists")


async def _create(
    call: Call,
    connection: Connection,
    wish: _Wish,
    audience: str,
    user_id: UUID | None,
    password_hash: str,
) -> User:
    if wish.email and await users.holder_of_email(connection, wish.email, audience) is not None:
        raise UserTaken("email")
    if wish.phone and await users.holder_of_phone(connection, wish.phone, audience) is not None:
        raise UserTaken("phone")
    providers = _providers(wish)
    try:
        user = await users.insert(
            connection,
            now=call.now,
            audience=audience,
            email=wish.email,
            phone=wish.phone,
            password_hash=password_hash,
            app_metadata={"provider": providers[0], "providers": providers},
            user_metadata=wish.user_metadata or {},
            user_id=user_id,
            role=wish.role or DEFAULT_ROLE,
        )
        for name in providers:
            data = identities.claims(user.id, **{name: getattr(user, name)})
            await identities.create(connection, user.id, name, data, call.now)
        return await _apply(call, connection, user, wish)
    except asyncpg.PostgresError as error:
        raise unexpected("Database error creating new user") from error


async def _apply(call: Call, connection: Connection, user: User, wish: _Wish) -> User:
    """The user with confirmations, metadata and ban as wished."""
    if wish.email_confirm:
        user = await users.confirm(connection, user, call.now)
    changes: dict[str, Any] = {}
    if wish.phone_confirm:
        changes |= {"phone_confirmed_at": call.now, "confirmation_token": ""}
    if wish.app_metadata is not None:
        changes["raw_app_meta_data"] = users.merged(user.app_metadata, wish.app_metadata)
    if wish.ban is not None:
        changes["banned_until"] = _banned_until(wish.ban, call.now)
    return await users.update(connection, user, call.now, **changes) if changes else user


async def update_user(call: Call) -> Response:
    """``PUT /admin/users/{user_id}``: change a user; metadata is merged by top-level key."""
    admin = await call.admin()
    fields = call.fields()
    wish = _Wish.of(fields)
    new_hash = None
    if fields.given("password"):
        call.parts.policy.check(fields.text("password"))
        new_hash = await call.parts.passwords.hash(fields.text("password"))
    try:
        async with call.transaction() as connection:
            user = await _find(call, connection, lock=True)
            user = await _update(call, connection, user, wish, new_hash)
            await call.record(connection, "user_modified", admin, **_traits(user))
            body = await call.user_body(connection, user)
    except UserTaken as error:
        raise _taken(error) from error
    except asyncpg.PostgresError as error:
        raise unexpected("Error updating user") from error
    return json_response(body)


async def _update(call: Call, connection: Connection, user: User, wish: _Wish, new_hash: str | None) -> User:
    if wish.role:
        user = await users.update(connection, user, call.now, role=wish.role)
    if new_hash is not None:
        user = await set_password(call, connection, user, new_hash, None)
    user = await _apply(call, connection, user, wish)
    if wish.email:
        user = await _set_address(call, connection, user, "email", wish.email, verified=wish.email_confirm)
    if wish.phone:
        user = await _set_address(call, connection, user, "phone", wish.phone, verified=wish.phone_confirm)
    if wish.user_metadata is not None:
        metadata = users.merged(user.user_metadata, wish.user_metadata)
        user = await users.update(connection, user, call.now, raw_user_meta_data=metadata)
    return user


async def _set_address(
    call: Call, connection: Connection, user: User, provider: str, address: str, *, verified: bool
) -> User:
    if provider == "email":
        holder = await users.holder_of_email(connection, address, user.aud, besides=user.id)
    else:
        holder = await users.holder_of_phone(connection, address, user.aud)
    if holder is not None and holder.id != user.id:
        raise UserTaken(provider)
    identity = await identities.find(connection, user.id, provider)
    updates = {provider: address, f"{provider}_verified": verified}
    if identity is None:
        data = {**identities.claims(user.id), **updates}
        await identities.create(connection, user.id, provider, data, call.now)
        user = await identities.update_providers(connection, user, call.now)
    else:
        await identities.merge_data(connection, identity, updates, call.now)
    return await users.update(
        connection,
        user,
        call.now,
        **{provider: address},
        is_anonymous=user.is_anonymous and not verified,
    )


async def delete_user(call: Call) -> Response:
    """``DELETE /admin/users/{user_id}``: remove a user, or only what is personal about them."""
    admin = await call.admin()
    softly = call.fields(optional=True).flag("should_soft_delete")
    try:
        async with call.transaction() as connection:
            user = await _find(call, connection, lock=True)
            await call.record(connection, "user_deleted", admin, **_traits(user))
            if not softly:
                await connection.execute("delete from auth.users where id = $1", user.id)
            elif user.deleted_at is None:
                await _delete_softly(call, connection, user)
    except asyncpg.PostgresError as error:
        raise unexpected("Database error deleting user") from error
    return json_response({})


async def _delete_softly(call: Call, connection: Connection, user: User) -> None:
    await users.soft_delete(connection, user, call.now)
    await identities.soft_delete_all(connection, user.id, call.now)
    await sessions.end_all(connection, user.id)
    await onetime.clear_all(connection, user.id)
