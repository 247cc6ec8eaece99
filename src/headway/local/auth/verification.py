"""What a valid one-time token does to its user.

Source: supabase/auth ``internal/api/verify.go``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from headway.local.auth import identities, onetime, users
from headway.local.auth.call import Call
from headway.local.auth.database import Connection
from headway.local.auth.errors import bad_request, forbidden
from headway.local.auth.models import User

__all__ = ["VerifyType", "apply", "change_email", "find_by_code", "find_by_hash"]

VerifyType = Literal["signup", "invite", "recovery", "magiclink", "email_change"]

_KINDS: dict[str, tuple[onetime.TokenKind, ...]] = {
    "signup": ("confirmation_token",),
    "invite": ("confirmation_token",),
    "recovery": ("recovery_token",),
    "magiclink": ("recovery_token",),
    "email_change": ("email_change_token_current", "email_change_token_new"),
    "email": ("confirmation_token", "recovery_token"),
}


async def find_by_hash(
    call: Call, connection: Connection, asked: str, hashed: str
) -> tuple[User, VerifyType, onetime.TokenKind]:
    """The user of a link's token, what it is good for, and which token it is.

    The user's row is held from here on, so that a token that is used twice at once works once.

    Args:
        call: The request.
        connection: In its transaction.
        asked: The type that the caller names; ``email`` leaves it to the token.
        hashed: The token as in the link.

    Raises:
        AuthError: 403: unknown, used or expired; or the user is banned.
    """
    invalid = forbidden("otp_expired", "Email link is invalid or has expired")
    if asked not in _KINDS:
        raise bad_request("validation_failed", "Invalid email verification type")
    owner = await onetime.owner(connection, hashed, _KINDS[asked])
    user = None if owner is None else await users.by_id(connection, owner, lock=True)
    kind = None if user is None else await onetime.pending(connection, user.id, hashed, _KINDS[asked])
    if user is None or kind is None:
        raise invalid
    _check_not_banned(call, user)
    if not _fresh(call, _sent_at(user, kind)):
        raise invalid
    return user, _meaning(asked, kind), kind


async def find_by_code(
    call: Call, connection: Connection, asked: str, email: str, code: str
) -> tuple[User, VerifyType, onetime.TokenKind]:
    """The same for a code that a person typed.

    Args:
        call: The request.
        connection: In its transaction.
        asked: The type that the caller names; ``email`` leaves it to the code.
        email: The address that the code was sent to.
        code: The digits.

    Raises:
        AuthError: 403: wrong, used or expired; or the user is banned.
    """
    invalid = forbidden("otp_expired", "Token has expired or is invalid")
    if asked not in _KINDS:
        raise bad_request("validation_failed", "Unsupported verification type")
    hashed = onetime.token_hash(email, code)
    if asked == "email_change":
        owner = await onetime.owner(connection, hashed, _KINDS[asked]) or await onetime.owner(
            connection, onetime.PKCE_PREFIX + hashed, _KINDS[asked]
        )
        user = None if owner is None else await users.by_id(connection, owner, lock=True)
    else:
        user = await users.by_email(connection, email, call.audience, lock=True)
    if user is None:
        raise invalid
    _check_not_banned(call, user)
    for kind in _KINDS[asked]:
        if onetime.matches(hashed, _stored(user, kind)) and _fresh(call, _sent_at(user, kind)):
            return user, _meaning(asked, kind), kind
    raise invalid


async def apply(
    call: Call, connection: Connection, user: User, meaning: VerifyType, kind: onetime.TokenKind
) -> User | None:
    """The user after a token was used; ``None`` when the other address has to agree as well.

    Args:
        call: The request.
        connection: In its transaction, which holds the user's row.
        user: Whose token.
        meaning: What it is good for.
        kind: Which token.
    """
    match meaning:
        case "signup" | "invite":
            user = await _confirm(call, connection, user)
        case "recovery" | "magiclink":
            await onetime.clear_all(connection, user.id)
            user = await users.update(connection, user, call.now, recovery_token="")
            if user.confirmed:
                await call.record(connection, "login", user)
            else:
                user = await _confirm(call, connection, user)
        case "email_change":
            if _needs_other_address(call, user):
                await onetime.clear(connection, user.id, kind)
                await users.update(connection, user, call.now, email_change_confirm_status=1, **{kind: ""})
                return None
            user = await change_email(call, connection, user, user.email_change)
    return await identities.update_providers(connection, user, call.now)


async def change_email(call: Call, connection: Connection, user: User, email: str) -> User:
    """The user with another, confirmed address; an anonymous user is anonymous no more.

    Raises:
        UserTaken: somebody else has the address by now.
    """
    await call.record(connection, "user_modified", user)
    identity = await identities.find(connection, user.id, "email")
    if identity is None:
        data = identities.claims(user.id, email=email, email_verified=True)
        await identities.create(connection, user.id, "email", data, call.now)
    else:
        await identities.merge_data(connection, identity, {"email": email, "email_verified": True}, call.now)
    await onetime.clear_all(connection, user.id)
    user = await users.update(
        connection,
        user,
        call.now,
        email=email,
        email_change="",
        email_change_token_current="",
        email_change_token_new="",
        email_change_confirm_status=0,
        is_anonymous=False,
    )
    return user if user.confirmed else await users.confirm(connection, user, call.now)


async def _confirm(call: Call, connection: Connection, user: User) -> User:
    if not user.has_password and user.invited_at is not None:
        # Nobody knows this one; whoever was invited sets a password after signing in by the link.
        unknown = await call.parts.passwords.hash(call.parts.policy.random())
        user = await users.update(connection, user, call.now, encrypted_password=unknown)
    await call.record(connection, "user_signedup", user, provider="email")
    user = await users.confirm(connection, user, call.now)
    for identity in await identities.of_user(connection, user.id):
        if identity.email and identity.email == user.email:
            await identities.merge_data(connection, identity, {"email_verified": True}, call.now)
    return user


def _needs_other_address(call: Call, user: User) -> bool:
    return (
        not call.settings.autoconfirm
        and call.settings.double_confirm_changes
        and user.email_change_confirm_status == 0
        and user.email != ""
    )


def _check_not_banned(call: Call, user: User) -> None:
    if user.banned(call.now):
        raise forbidden("user_banned", "User is banned")


def _fresh(call: Call, sent_at: datetime | None) -> bool:
    return sent_at is not None and call.now <= sent_at + call.settings.otp_expiry


def _meaning(asked: str, kind: onetime.TokenKind) -> VerifyType:
    if asked == "email":
        return "signup" if kind == "confirmation_token" else "magiclink"
    meanings: dict[str, VerifyType] = {
        "signup": "signup",
        "invite": "invite",
        "recovery": "recovery",
        "magiclink": "magiclink",
        "email_change": "email_change",
    }
    return meanings[asked]


def _sent_at(user: User, kind: onetime.TokenKind) -> datetime | None:
    match kind:
        case "confirmation_token":
            return user.confirmation_sent_at
        case "recovery_token":
            return user.recovery_sent_at
        case "reauthentication_token":
            return user.reauthentication_sent_at
        case _:
            return user.email_change_sent_at


def _stored(user: User, kind: onetime.TokenKind) -> str:
    stored: str = getattr(user, kind)
    return stored
