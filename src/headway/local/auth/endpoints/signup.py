"""Signing up, with an address and a password or as nobody in particular.

Source: supabase/auth ``internal/api/signup.go``, ``anonymous.go``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
from starlette.responses import Response

from headway.local.auth import flows, identities, users
from headway.local.auth.addresses import checked_email
from headway.local.auth.call import Call
from headway.local.auth.database import Connection
from headway.local.auth.errors import bad_request, unexpected, unprocessable
from headway.local.auth.mail.letters import Post
from headway.local.auth.models import User
from headway.local.auth.representation import json_response, timestamp
from headway.local.auth.tokens import Granted
from headway.local.auth.users import UserTaken

__all__ = ["Registered", "SignUp", "insert_user", "register", "signup"]


@dataclass(frozen=True, slots=True)
class SignUp:
    """A wish to become a user.

    Args:
        email: Checked.
        password: Checked.
        data: Becomes ``user_metadata``.
        challenge: Of the PKCE flow, if that is used.
        wants_session: Whether the user is signed in at once if no confirmation is needed.
    """

    email: str
    password: str
    data: Mapping[str, Any]
    challenge: flows.Challenge | None
    wants_session: bool = True


@dataclass(frozen=True, slots=True)
class Registered:
    """Somebody who signed up, with their session unless they have to confirm first."""

    user: User
    session: Granted | None


async def signup(call: Call) -> Response:
    """``POST /signup``: a new user; an anonymous one without address and number."""
    fields = call.fields()
    email, phone = fields.text("email"), fields.text("phone")
    if not email and not phone:
        return await _anonymously(call)
    call.parts.limits.take("sign_in_sign_ups", call.address or "")
    _check_enabled(call)
    password = fields.text("password")
    if not password:
        raise bad_request("validation_failed", "Signup requires a valid password")
    call.parts.policy.check(password)
    if email and phone:
        raise bad_request(
            "validation_failed", "Only an email address or phone number should be provided on signup."
        )
    challenge = flows.Challenge.of(fields.text("code_challenge"), fields.text("code_challenge_method"))
    if phone:
        raise bad_request("phone_provider_disabled", "Phone signups are disabled")
    if not call.settings.email_enabled:
        raise bad_request("email_provider_disabled", "Email signups are disabled")
    wish = SignUp(checked_email(email), password, fields.mapping("data") or {}, challenge)
    registered = await register(call, wish)
    if registered is None:
        return await _repeated(call, wish)
    if registered.session is not None:
        return call.granted(registered.session)
    async with call.parts.database.connection() as connection:
        body = await call.user_body(connection, registered.user)
    if registered.user.invited_at is not None:
        body |= {"user_metadata": {}, "identities": []}
    return json_response(body)


def _check_enabled(call: Call) -> None:
    if not call.settings.signup_enabled:
        raise unprocessable("signup_disabled", "Signups not allowed for this instance")


async def register(call: Call, wish: SignUp) -> Registered | None:
    """The user with the address, new or still unconfirmed; ``None`` when it belongs to somebody.

    Without automatic confirmation a mail is sent.

    Raises:
        AuthError: 429 when the last mail to the address was just now; 500 when a trigger refused.
    """
    # Hashed in any case, so that the time tells nothing about who is registered.
    password_hash = await call.parts.passwords.hash(wish.password)
    try:
        return await _register(call, wish, password_hash)
    except UserTaken:
        # Another request with the same address was first; now it is found.
        return await _register(call, wish, password_hash)


async def _register(call: Call, wish: SignUp, password_hash: str) -> Registered | None:
    async with call.mailing() as post:
        connection = post.connection
        user = await users.holder_of_email(connection, wish.email, call.audience)
        if user is not None:
            user = await users.by_id(connection, user.id, lock=True)
        if user is not None and user.confirmed:
            await call.record(connection, "user_repeated_signup", user, provider="email")
            return None
        if user is None:
            user = await insert_user(
                connection,
                now=call.now,
                audience=call.audience,
                email=wish.email,
                password_hash=password_hash,
                app_metadata={"provider": "email", "providers": ["email"]},
                user_metadata=wish.data,
            )
        user = await _ensure_identity(call, connection, user, wish)
        if not call.settings.autoconfirm:
            await call.record(connection, "user_confirmation_requested", user, provider="email")
            return Registered(await _ask_to_confirm(call, post, user, wish), None)
        await call.record(connection, "user_signedup", user, provider="email")
        user = await users.confirm(connection, user, call.now)
        if not wish.wants_session:
            return Registered(user, None)
        await call.record(connection, "login", user, provider="email")
        return Registered(user, await call.sign_in(connection, user, "password"))


async def _ask_to_confirm(call: Call, post: Post, user: User, wish: SignUp) -> User:
    if wish.challenge is not None:
        await flows.create(post.connection, user.id, "email/signup", wish.challenge, call.now)
    return await call.parts.postman.confirmation(post, user, pkce=wish.challenge is not None)


async def _ensure_identity(call: Call, connection: Connection, user: User, wish: SignUp) -> User:
    if await identities.find(connection, user.id, "email") is not None:
        return user
    data = {**wish.data, **identities.claims(user.id, email=user.email)}
    await identities.create(connection, user.id, "email", data, call.now)
    user = await users.update(
        connection, user, call.now, raw_user_meta_data=users.merged(user.user_metadata, data)
    )
    return await identities.update_providers(connection, user, call.now)


async def insert_user(connection: Connection, **values: Any) -> User:
    """A new user; arguments as for ``users.insert``.

    Raises:
        AuthError: 500 when a trigger on ``auth.users`` refused.
    """
    try:
        return await users.insert(connection, **values)
    except asyncpg.PostgresError as error:
        raise unexpected("Database error saving new user") from error


async def _repeated(call: Call, wish: SignUp) -> Response:
    if call.settings.autoconfirm:
        raise unprocessable("user_already_exists", "User already registered")
    # What a new user's answer looks like, so that nobody can ask who is registered.
    now = timestamp(call.now)
    return json_response(
        {
            "id": str(uuid4()),
            "aud": call.audience,
            "role": "",
            "email": wish.email,
            "phone": "",
            "confirmation_sent_at": now,
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": dict(wish.data),
            "identities": [],
            "created_at": now,
            "updated_at": now,
            "is_anonymous": False,
        }
    )


async def _anonymously(call: Call) -> Response:
    if not call.settings.anonymous_enabled:
        raise unprocessable("anonymous_provider_disabled", "Anonymous sign-ins are disabled")
    call.parts.limits.take("anonymous_users", call.address or "")
    _check_enabled(call)
    data = call.fields().mapping("data") or {}
    async with call.transaction() as connection:
        user = await insert_user(
            connection,
            now=call.now,
            audience=call.audience,
            app_metadata={},
            user_metadata=data,
            is_anonymous=True,
        )
        granted = await call.sign_in(connection, user, "anonymous")
    return call.granted(granted)
