"""The signed-in user's own account.

Source: supabase/auth ``internal/api/user.go``, ``identity.go``.
"""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from headway.local.auth import flows, identities, onetime, sessions, users
from headway.local.auth.addresses import checked_email
from headway.local.auth.call import Call, Caller
from headway.local.auth.database import Connection
from headway.local.auth.endpoints.disabled import unsupported_provider
from headway.local.auth.errors import AuthError, bad_request, forbidden, not_found, unprocessable
from headway.local.auth.fields import Fields
from headway.local.auth.mail.letters import Post
from headway.local.auth.models import Identity, User
from headway.local.auth.representation import json_response
from headway.local.auth.users import UserTaken
from headway.local.auth.verification import change_email

__all__ = ["delete_identity", "email_exists", "get_user", "link_identity", "put_user", "set_password"]

_FRESH_SESSION = timedelta(hours=24)
_DUPLICATE_EMAIL = "A user with this email address has already been registered"


def email_exists() -> AuthError:
    """422: the address belongs to somebody else."""
    return unprocessable("email_exists", _DUPLICATE_EMAIL)


async def get_user(call: Call) -> Response:
    """``GET /user``: who the token's user is now."""
    caller = await call.caller()
    async with call.parts.database.connection() as connection:
        return json_response(await call.user_body(connection, caller.user))


async def put_user(call: Call) -> Response:
    """``PUT /user``: change address, password or metadata; an anonymous user becomes a real one."""
    call.parts.limits.take("sign_in_sign_ups", call.address or "")
    caller = await call.caller()
    fields = call.fields()
    email = checked_email(fields.text("email")) if fields.text("email") else ""
    password, data = fields.text("password"), fields.mapping("data")
    challenge = flows.Challenge.of(fields.text("code_challenge"), fields.text("code_challenge_method"))
    if fields.text("phone") and fields.text("phone").removeprefix("+") != caller.user.phone:
        raise bad_request("phone_provider_disabled", "Phone logins are disabled")
    if fields.mapping("app_metadata") is not None:
        raise forbidden("not_admin", "Updating app_metadata requires admin privileges")
    new_hash = await _new_hash(call, caller.user, password, email) if fields.given("password") else None
    try:
        async with call.mailing() as post:
            user = await users.by_id(post.connection, caller.user.id, lock=True)
            if user is None:
                raise forbidden("user_not_found", "User from sub claim in JWT does not exist")
            if new_hash is not None:
                await _reauthenticate(call, post.connection, user, caller, fields)
                user = await set_password(call, post.connection, user, new_hash, caller)
            if data is not None:
                metadata = users.merged(user.user_metadata, data)
                user = await users.update(post.connection, user, call.now, raw_user_meta_data=metadata)
            if email and email != user.email:
                user = await _change_email(call, post, user, email, challenge)
            await call.record(post.connection, "user_modified", user)
            body = await call.user_body(post.connection, user)
    except UserTaken as error:
        raise email_exists() from error
    return json_response(body)


async def _new_hash(call: Call, user: User, password: str, email: str) -> str:
    """The hash of an acceptable new password."""
    call.parts.policy.check(password)
    if user.is_anonymous and not email:
        raise unprocessable(
            "validation_failed",
            "Updating password of an anonymous user without an email or phone is not allowed",
        )
    if user.has_password and await call.parts.passwords.verify(user.password_hash, password):
        raise unprocessable("same_password", "New password should be different from the old password.")
    return await call.parts.passwords.hash(password)


async def _reauthenticate(
    call: Call, connection: Connection, user: User, caller: Caller, fields: Fields
) -> None:
    if not call.settings.secure_password_change:
        return
    if caller.session is not None and call.now <= caller.session.created_at + _FRESH_SESSION:
        return
    nonce = fields.text("nonce")
    if not nonce:
        raise bad_request("reauthentication_needed", "Password update requires reauthentication")
    sent_at = user.reauthentication_sent_at
    if (
        not user.email
        or sent_at is None
        or call.now > sent_at + call.settings.otp_expiry
        or not onetime.matches(onetime.token_hash(user.email, nonce), user.reauthentication_token)
    ):
        raise unprocessable("reauthentication_not_valid", "Nonce has expired or is invalid")


async def set_password(
    call: Call, connection: Connection, user: User, password_hash: str, caller: Caller | None
) -> User:
    """The user with another password; tokens sent before are void and other sessions are over.

    Args:
        call: The request.
        connection: In its transaction.
        user: Whose password.
        password_hash: The new one's.
        caller: Whose session goes on, if the user changed it.
    """
    await onetime.clear_all(connection, user.id)
    session = caller.session if caller else None
    await sessions.end_all(connection, user.id, besides=session.id if session else None)
    user = await users.update(
        connection,
        user,
        call.now,
        encrypted_password=password_hash,
        confirmation_token="",
        confirmation_sent_at=None,
        recovery_token="",
        recovery_sent_at=None,
        email_change_token_current="",
        email_change_token_new="",
        email_change_sent_at=None,
        phone_change_token="",
        phone_change_sent_at=None,
        reauthentication_token="",
        reauthentication_sent_at=None,
    )
    if caller is not None:
        await call.record(connection, "user_updated_password", user)
    return user


async def _change_email(
    call: Call, post: Post, user: User, email: str, challenge: flows.Challenge | None
) -> User:
    holder = await users.holder_of_email(post.connection, email, user.aud, besides=user.id)
    if holder is not None and holder.id != user.id:
        raise email_exists()
    if user.is_anonymous and call.settings.autoconfirm:
        user = await change_email(call, post.connection, user, email)
        return await identities.update_providers(post.connection, user, call.now)
    if challenge is not None:
        await flows.create(post.connection, user.id, "email_change", challenge, call.now)
    return await call.parts.postman.email_change(post, user, email, pkce=challenge is not None)


async def link_identity(call: Call) -> Response:
    """``GET /user/identities/authorize``: no OAuth provider is enabled."""
    await call.caller()
    _check_manual_linking(call)
    raise unsupported_provider(call.query("provider"))


def _check_manual_linking(call: Call) -> None:
    if not call.settings.manual_linking_enabled:
        raise not_found("manual_linking_disabled", "Manual linking is disabled")


async def delete_identity(call: Call) -> Response:
    """``DELETE /user/identities/{identity_id}``: take one of several ways to sign in away."""
    caller = await call.caller()
    _check_manual_linking(call)
    identity_id = call.path_id("identity_id")
    if identity_id is None:
        raise not_found("validation_failed", "identity_id must be an UUID")
    try:
        async with call.transaction() as connection:
            user = await users.by_id(connection, caller.user.id, lock=True)
            if user is None:
                raise forbidden("user_not_found", "User from sub claim in JWT does not exist")
            owned = await identities.of_user(connection, user.id)
            if len(owned) <= 1:
                raise unprocessable(
                    "single_identity_not_deletable", "User must have at least 1 identity after unlinking"
                )
            chosen = next((identity for identity in owned if identity.id == identity_id), None)
            if chosen is None:
                raise unprocessable("identity_not_found", "Identity doesn't exist")
            await identities.delete(connection, chosen)
            remaining = [identity for identity in owned if identity.id != chosen.id]
            user = await _without(call, connection, user, chosen, remaining)
            await identities.update_providers(connection, user, call.now)
            await call.record(
                connection, "identity_unlinked", user, identity_id=str(chosen.id), provider=chosen.provider
            )
    except UserTaken as error:
        raise unprocessable(
            "email_conflict_identity_not_deletable", "Unable to unlink identity due to email conflict"
        ) from error
    return json_response({})


async def _without(
    call: Call, connection: Connection, user: User, gone: Identity, remaining: list[Identity]
) -> User:
    """The user whose address or number is not that of an identity they no longer have."""
    if gone.provider == "phone":
        return await users.update(connection, user, call.now, phone=None, phone_confirmed_at=None)
    if any(identity.email == user.email for identity in remaining):
        return user
    verified_first = sorted(
        remaining, key=lambda identity: (not identity.email, identity.data.get("email_verified") is not True)
    )
    heir = verified_first[0]
    await onetime.clear_all(connection, user.id)
    confirmed = bool(heir.email) and heir.data.get("email_verified") is True
    return await users.update(
        connection,
        user,
        call.now,
        email=heir.email or None,
        email_confirmed_at=user.email_confirmed_at if confirmed else None,
        raw_user_meta_data=users.merged(user.user_metadata, {"email_verified": confirmed}),
    )
