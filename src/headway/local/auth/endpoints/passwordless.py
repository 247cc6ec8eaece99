"""Asking for a mail: magic links, codes, password recovery, another try, and proof of presence.

Source: supabase/auth ``internal/api/{otp,magic_link,recover,resend,reauthenticate}.go``. For an address that
nobody has, the answer is the same as for one that somebody has.
"""

from __future__ import annotations

from starlette.responses import Response

from headway.local.auth import flows, users
from headway.local.auth.addresses import checked_email
from headway.local.auth.call import Call
from headway.local.auth.endpoints.signup import SignUp, register
from headway.local.auth.errors import bad_request, unprocessable
from headway.local.auth.fields import Fields
from headway.local.auth.models import User
from headway.local.auth.representation import json_response

__all__ = ["magiclink", "otp", "reauthenticate", "recover", "resend"]


async def otp(call: Call) -> Response:
    """``POST /otp``: a mail with a link and a code to sign in by; perhaps for a new user."""
    call.parts.limits.take("sign_in_sign_ups", call.address or "")
    fields = call.fields()
    email, phone = fields.text("email"), fields.text("phone")
    if email and phone:
        raise bad_request("validation_failed", "Only an email address or phone number should be provided")
    if email and fields.text("channel"):
        raise bad_request("validation_failed", "Channel should only be specified with Phone OTP")
    challenge = _challenge(fields)
    if phone:
        raise bad_request("phone_provider_disabled", "Unsupported phone provider")
    if not email:
        raise bad_request("validation_failed", "One of email or phone must be set")
    return await _magic_link(call, fields, challenge, create_user=fields.flag("create_user", default=True))


async def magiclink(call: Call) -> Response:
    """``POST /magiclink``: the older name of ``/otp``."""
    call.parts.limits.take("sign_in_sign_ups", call.address or "")
    fields = call.fields()
    if not fields.text("email"):
        raise unprocessable("validation_failed", "Password recovery requires an email")
    return await _magic_link(call, fields, _challenge(fields), create_user=True)


def _challenge(fields: Fields) -> flows.Challenge | None:
    return flows.Challenge.of(fields.text("code_challenge"), fields.text("code_challenge_method"))


async def _magic_link(
    call: Call, fields: Fields, challenge: flows.Challenge | None, *, create_user: bool
) -> Response:
    if not call.settings.email_enabled:
        raise unprocessable("email_provider_disabled", "Email logins are disabled")
    email = checked_email(fields.text("email"))
    data = fields.mapping("data") or {}
    user = await _find(call, email)
    if user is None and not create_user:
        raise unprocessable("otp_disabled", "Signups not allowed for otp")
    if user is None or not user.confirmed:
        if not call.settings.signup_enabled:
            raise unprocessable("signup_disabled", "Signups not allowed for this instance")
        invented = call.parts.policy.random()
        registered = await register(call, SignUp(email, invented, data, challenge, wants_session=False))
        if not call.settings.autoconfirm:
            return json_response({})
        user = registered.user if registered is not None else await _find(call, email)
    if user is not None:
        await _send_magic_link(call, user, challenge)
    return json_response({})


async def _find(call: Call, email: str) -> User | None:
    async with call.parts.database.connection() as connection:
        return await users.by_email(connection, email, call.audience)


async def _send_magic_link(call: Call, found: User, challenge: flows.Challenge | None) -> None:
    async with call.mailing() as post:
        user = await users.by_id(post.connection, found.id, lock=True)
        if user is None:
            return
        if challenge is not None:
            await flows.create(post.connection, user.id, "magiclink", challenge, call.now)
        await call.record(post.connection, "user_recovery_requested", user)
        await call.parts.postman.magic_link(post, user, pkce=challenge is not None)


async def recover(call: Call) -> Response:
    """``POST /recover``: a mail with a link to choose a new password by."""
    call.parts.limits.take("sign_in_sign_ups", call.address or "")
    if not call.settings.email_enabled:
        raise bad_request("email_provider_disabled", "Email logins are disabled")
    fields = call.fields()
    if not fields.text("email"):
        raise bad_request("validation_failed", "Password recovery requires an email")
    email = checked_email(fields.text("email"))
    challenge = _challenge(fields)
    async with call.mailing() as post:
        user = await users.by_email(post.connection, email, call.audience, lock=True)
        if user is not None:
            if challenge is not None:
                await flows.create(post.connection, user.id, "recovery", challenge, call.now)
            await call.record(post.connection, "user_recovery_requested", user)
            await call.parts.postman.recovery(post, user, pkce=challenge is not None)
    return json_response({})


async def resend(call: Call) -> Response:
    """``POST /resend``: the mail of a sign-up or of a change of address once more."""
    call.parts.limits.take("sign_in_sign_ups", call.address or "")
    fields = call.fields()
    kind, email, phone = fields.text("type"), fields.text("email"), fields.text("phone")
    if kind not in ("signup", "email_change", "sms", "phone_change"):
        raise bad_request(
            "validation_failed", "Missing one of these types: signup, email_change, sms, phone_change"
        )
    challenge = _challenge(fields) if kind in ("signup", "email_change") else None
    if kind == "signup" and not email:
        raise bad_request("validation_failed", "Type provided requires an email address")
    if kind == "sms" and not phone:
        raise bad_request("validation_failed", "Type provided requires a phone number")
    if email and phone:
        raise bad_request("validation_failed", "Only an email address or phone number should be provided.")
    if phone or kind in ("sms", "phone_change"):
        raise bad_request("phone_provider_disabled", "Phone logins are disabled")
    if not email:
        raise bad_request("validation_failed", "Missing email address or phone number")
    if not call.settings.email_enabled:
        raise bad_request("email_provider_disabled", "Email logins are disabled")
    async with call.mailing() as post:
        user = await users.by_email(post.connection, checked_email(email), call.audience, lock=True)
        if user is not None and kind == "signup" and not user.confirmed:
            if challenge is not None:
                await flows.create(post.connection, user.id, "email/signup", challenge, call.now)
            await call.record(post.connection, "user_confirmation_requested", user)
            await call.parts.postman.confirmation(post, user, pkce=challenge is not None)
        elif user is not None and kind == "email_change" and user.email_change:
            if challenge is not None:
                await flows.create(post.connection, user.id, "email_change", challenge, call.now)
            await call.parts.postman.email_change(post, user, user.email_change, pkce=challenge is not None)
    return json_response({})


async def reauthenticate(call: Call) -> Response:
    """``GET /reauthenticate``: a mail with the code that a new password will ask for."""
    caller = await call.caller()
    if not caller.user.email:
        raise bad_request(
            "validation_failed", "Reauthentication requires the user to have an email or a phone number"
        )
    if not caller.user.confirmed:
        raise unprocessable("email_not_confirmed", "Please verify your email first.")
    async with call.mailing() as post:
        user = await users.by_id(post.connection, caller.user.id, lock=True)
        if user is not None:
            await call.record(post.connection, "user_reauthenticate_requested", user)
            await call.parts.postman.reauthentication(post, user)
    return json_response({})
