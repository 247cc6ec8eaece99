"""Links that an administrator hands on, and invitations.

Source: supabase/auth ``internal/api/{mail,invite}.go``.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from headway.local.auth import identities, users
from headway.local.auth.addresses import checked_email
from headway.local.auth.audit import Actor
from headway.local.auth.call import Call
from headway.local.auth.endpoints.signup import insert_user
from headway.local.auth.endpoints.user import email_exists
from headway.local.auth.errors import bad_request, not_found
from headway.local.auth.fields import Fields
from headway.local.auth.mail.letters import LinkType, Post
from headway.local.auth.models import User
from headway.local.auth.representation import json_response
from headway.local.auth.users import UserTaken

__all__ = ["generate_link", "invite"]

_LINKS: dict[str, LinkType] = {
    "signup": "signup",
    "invite": "invite",
    "magiclink": "magiclink",
    "recovery": "recovery",
    "email_change_current": "email_change",
    "email_change_new": "email_change",
}


async def invite(call: Call) -> Response:
    """``POST /invite``: a mail that makes a user of somebody."""
    admin = await call.admin()
    fields = call.fields()
    email, data = checked_email(fields.text("email")), fields.mapping("data") or {}
    try:
        async with call.mailing() as post:
            user = await _invited(call, post, admin, email, data)
            user = await call.parts.postman.invite(post, user)
            body = await call.user_body(post.connection, user)
    except UserTaken as error:
        raise email_exists() from error
    return json_response(body)


async def _invited(call: Call, post: Post, admin: Actor, email: str, data: dict[str, Any]) -> User:
    """The user to invite, new unless the address was never confirmed."""
    user = await users.by_email(post.connection, email, call.audience, lock=True)
    if user is not None and user.confirmed:
        raise email_exists()
    if user is None:
        user = await _new_user(call, post, email, "", data)
    await call.record(post.connection, "user_invited", admin, user_id=str(user.id), user_email=user.email)
    return user


async def _new_user(call: Call, post: Post, email: str, password_hash: str, data: dict[str, Any]) -> User:
    if await users.holder_of_email(post.connection, email, call.audience) is not None:
        raise UserTaken("email")
    user = await insert_user(
        post.connection,
        now=call.now,
        audience=call.audience,
        email=email,
        password_hash=password_hash,
        app_metadata={"provider": "email", "providers": ["email"]},
        user_metadata=data,
    )
    await identities.create(
        post.connection, user.id, "email", identities.claims(user.id, email=email), call.now
    )
    return user


async def generate_link(call: Call) -> Response:
    """``POST /admin/generate_link``: the link and the code that a mail would have carried."""
    admin = await call.admin()
    fields = call.fields()
    email, kind = checked_email(fields.text("email")), fields.text("type")
    if kind not in _LINKS:
        raise bad_request("validation_failed", f"Invalid email action link type requested: {kind[:32]}")
    asked = fields.text("redirect_to")
    redirect_to = asked if call.parts.redirects.allows(asked) else call.redirect_to
    async with call.parts.database.connection() as connection:
        known = await users.by_email(connection, email, call.audience) is not None
    if not known and kind == "magiclink":
        kind = "signup"
    elif not known and kind not in ("signup", "invite"):
        raise not_found("user_not_found", "User with this email not found")
    password_hash = (
        await _password_hash(call, fields, invented=fields.text("type") == "magiclink")
        if (not known and kind == "signup")
        else ""
    )
    try:
        async with call.mailing(redirect_to) as post:
            user, code, token = await _prepare(call, post, admin, fields, kind, email, password_hash)
            body = await call.user_body(post.connection, user)
    except UserTaken as error:
        raise email_exists() from error
    link = call.parts.postman.link(token, _LINKS[kind], redirect_to)
    return json_response(
        {
            **body,
            "action_link": link,
            "email_otp": code,
            "hashed_token": token,
            "verification_type": kind,
            "redirect_to": redirect_to,
        }
    )


async def _password_hash(call: Call, fields: Fields, *, invented: bool) -> str:
    password = call.parts.policy.random() if invented else fields.text("password")
    if not password:
        raise bad_request("validation_failed", "Signup requires a valid password")
    call.parts.policy.check(password)
    return await call.parts.passwords.hash(password)


async def _prepare(
    call: Call, post: Post, admin: Actor, fields: Fields, kind: str, email: str, password_hash: str
) -> tuple[User, str, str]:
    """The user with a new token, and the token's code and hash."""
    postman, connection = call.parts.postman, post.connection
    data = fields.mapping("data") or {}
    if kind == "invite":
        user = await _invited(call, post, admin, email, data)
        code, token = postman.new_token(email)
        user = await postman.remember_confirmation(post, user, token)
        return await users.update(connection, user, call.now, invited_at=call.now), code, token
    found = await users.by_email(connection, email, call.audience, lock=True)
    if kind == "signup":
        if found is not None and found.confirmed:
            raise email_exists()
        if found is None:
            user = await _new_user(call, post, email, password_hash, data)
        else:
            metadata = users.merged(found.user_metadata, data)
            user = await users.update(connection, found, call.now, raw_user_meta_data=metadata)
        code, token = postman.new_token(email)
        return await postman.remember_confirmation(post, user, token), code, token
    if found is None:
        raise not_found("user_not_found", "User with this email not found")
    if kind in ("magiclink", "recovery"):
        await call.record(connection, "user_recovery_requested", found)
        code, token = postman.new_token(email)
        return await postman.remember_recovery(post, found, token), code, token
    return await _email_change(call, post, found, checked_email(fields.text("new_email")), kind)


async def _email_change(
    call: Call, post: Post, user: User, new_email: str, kind: str
) -> tuple[User, str, str]:
    if kind == "email_change_current" and not call.settings.double_confirm_changes:
        raise bad_request(
            "validation_failed", "Enable secure email change to generate link for current email"
        )
    holder = await users.holder_of_email(post.connection, new_email, user.aud, besides=user.id)
    if holder is not None and holder.id != user.id:
        raise UserTaken("email")
    current = kind == "email_change_current"
    code, token = call.parts.postman.new_token(user.email if current else new_email)
    # A link for the other side of the same change, made before, stays good.
    pending = user.email_change == new_email
    user = await call.parts.postman.remember_email_change(
        post,
        user,
        new_email,
        new_token=(user.email_change_token_new if pending else "") if current else token,
        current_token=token if current else (user.email_change_token_current if pending else ""),
    )
    return user, code, token
