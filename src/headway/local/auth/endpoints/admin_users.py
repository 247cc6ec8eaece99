"""Managing users with the service role.

Source: supabase/auth ``internal/api/admin.go``, ``pagination.go``, ``sorting.go``, ``audit.go``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
from starlette.responses import Response

from headway.local.auth import audit, identities, onetime, sessions, users
from headway.local.auth.addresses import checked_email, checked_phone
from headway.local.auth.call import Call
from headway.local.auth.database import Connection
from headway.local.auth.endpoints.user import email_exists, set_password
from headway.local.auth.errors import AuthError, bad_request, not_found, unexpected, unprocessable
from headway.local.auth.fields import Fields
from headway.local.auth.models import User
from headway.local.auth.passwords import check_hash
from headway.local.auth.representation import json_response, timestamp, user_json
from headway.local.auth.settings import DEFAULT_ROLE
from headway.local.auth.users import UserTaken

__all__ = ["audit_log", "create_user", "delete_user", "get_user", "list_users", "update_user"]

_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_LONGEST_S = 2**63 / 1e9
_MAX_ROWS = 2**31 - 1
_AUDIT_SCOPES = {"author": ("actor_username", "actor_name"), "action": ("action",), "type": ("log_type",)}


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
    """A Go duration; no time at all for ``none``, ``None`` when not given."""
    if text in ("", "none", "0"):
        return timedelta(0) if text else None
    sign = -1 if text.startswith("-") else 1
    digits = text.removeprefix("-").removeprefix("+")
    parts = _DURATION_PART.findall(digits)
    seconds = sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    if not parts or "".join(number + unit for number, unit in parts) != digits or seconds >= _LONGEST_S:
        raise bad_request(
            "validation_failed", f'invalid format for ban duration: time: invalid duration "{text[:64]}"'
        )
    return timedelta(seconds=sign * seconds)


def _banned_until(ban: timedelta, now: datetime) -> datetime | None:
    return now + ban if ban else None


async def list_users(call: Call) -> Response:
    """``GET /admin/users?page=&per_page=&sort=&filter=``: some users, newest first."""
    await call.admin()
    ascending = _ascending(call.query("sort"))
    page, per_page = _pagination(call)
    async with call.parts.database.connection() as connection:
        found, total = await users.page(
            connection,
            call.audience,
            limit=per_page,
            offset=(page - 1) * per_page,
            ascending=ascending,
            search=call.query("filter"),
        )
        owned = await identities.of_users(connection, [user.id for user in found])
    return json_response(
        {"users": [user_json(user, owned[user.id]) for user in found], "aud": call.audience},
        headers=_page_headers(call, page, per_page, total),
    )


def _ascending(sort: str) -> bool:
    field, _, direction = sort.partition(" ")
    if sort and field != "created_at":
        raise bad_request("validation_failed", f"Bad Sort Parameters: bad field for sort '{field[:64]}'")
    if direction.lower() not in ("", "asc", "desc"):
        raise bad_request(
            "validation_failed",
            f"Bad Sort Parameters: bad direction for sort '{direction[:64]}', only 'asc' and 'desc' allowed",
        )
    return direction.lower() == "asc"


def _pagination(call: Call) -> tuple[int, int]:
    values = []
    for name, default in (("page", 1), ("per_page", 50)):
        text = call.query(name) or str(default)
        if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:20]) <= _MAX_ROWS:
            raise bad_request(
                "validation_failed", f"Bad Pagination Parameters: {name} must be a positive integer"
            )
        values.append(int(text))
    return values[0], values[1]


def _page_headers(call: Call, page: int, per_page: int, total: int) -> Mapping[str, str]:
    last = -(-total // per_page)
    query = dict(call.request.query_params)

    def link(to: int, relation: str) -> str:
        # "page" sorts before "per_page", as auth-js's parser needs it.
        parameters = urlencode(sorted({**query, "page": str(to)}.items()))
        return f'<{call.request.scope["path"]}?{parameters}>; rel="{relation}"'

    links = [link(page + 1, "next")] if last > page else []
    return {"Link": ", ".join([*links, link(last, "last")]), "X-Total-Count": str(total)}


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


async def audit_log(call: Call) -> Response:
    """``GET /admin/audit?query=scope:text``: who did what, newest first."""
    await call.admin()
    page, per_page = _pagination(call)
    query = call.query("query")
    scope, colon, value = query.partition(":")
    if query and (not colon or scope not in _AUDIT_SCOPES):
        raise bad_request("validation_failed", f"Invalid query scope: {query[:64]}")
    async with call.parts.database.connection() as connection:
        rows, total = await audit.search(
            connection,
            _AUDIT_SCOPES[scope] if query else (),
            value,
            limit=per_page,
            offset=(page - 1) * per_page,
        )
    entries = [
        {
            "id": str(row["id"]),
            "payload": row["payload"],
            "created_at": timestamp(row["created_at"]),
            "ip_address": row["ip_address"],
        }
        for row in rows
    ]
    return json_response(entries, headers=_page_headers(call, page, per_page, total))
