"""Signing in: passwords, refresh tokens and PKCE codes.

Source: supabase/auth ``internal/api/token.go``, ``token_refresh.go``, ``internal/tokens/service.go``.
"""

from __future__ import annotations

import asyncpg
from starlette.responses import Response

from headway.local.auth import flows, sessions, users
from headway.local.auth.call import Call
from headway.local.auth.endpoints import disabled
from headway.local.auth.errors import AuthError, bad_request, unprocessable
from headway.local.auth.models import User
from headway.local.auth.tokens import Granted

__all__ = ["token"]


async def token(call: Call) -> Response:
    """``POST /token?grant_type=``: exchange a proof of identity for a session."""
    grants = {
        "password": _password,
        "refresh_token": _refresh_token,
        "pkce": _pkce,
        "id_token": disabled.id_token_grant,
        "web3": disabled.web3_grant,
    }
    grant = grants.get(call.query("grant_type"))
    if grant is None:
        raise bad_request("invalid_credentials", "unsupported_grant_type")
    call.parts.limits.take("token_refresh", call.address or "")
    return await grant(call)


async def _password(call: Call) -> Response:
    fields = call.fields()
    email, phone, password = fields.text("email"), fields.text("phone"), fields.text("password")
    if email and phone:
        raise bad_request(
            "validation_failed", "Only an email address or phone number should be provided on login."
        )
    if phone:
        raise unprocessable("phone_provider_disabled", "Phone logins are disabled")
    if not email:
        raise bad_request("validation_failed", "missing email or phone")
    if not call.settings.email_enabled:
        raise unprocessable("email_provider_disabled", "Email logins are disabled")
    async with call.parts.database.connection() as connection:
        user = await users.by_email(connection, email, call.audience)
    # No connection is held meanwhile, and an unknown user costs as much as a wrong password.
    right = await call.parts.passwords.verify(user.password_hash if user else "", password)
    if user is None or not right:
        raise bad_request("invalid_credentials", "Invalid login credentials")
    if user.banned(call.now):
        raise bad_request("user_banned", "User is banned")
    if not user.confirmed:
        raise bad_request("email_not_confirmed", "Email not confirmed")
    fresh_hash = (
        await call.parts.passwords.hash(password)
        if call.parts.passwords.outdated(user.password_hash)
        else None
    )
    async with call.transaction() as connection:
        current = await users.by_id(connection, user.id, lock=True)
        if current is None or current.password_hash != user.password_hash:
            raise bad_request("invalid_credentials", "Invalid login credentials")
        if fresh_hash is not None:
            current = await users.update(connection, current, call.now, encrypted_password=fresh_hash)
        await call.record(connection, "login", current, provider="email")
        granted = await call.sign_in(connection, current, "password")
    reasons, sentences = call.parts.policy.weaknesses(password)
    if reasons:
        return call.granted(granted, weak_password={"message": " ".join(sentences), "reasons": reasons})
    return call.granted(granted)


async def _refresh_token(call: Call) -> Response:
    presented = call.fields().text("refresh_token")
    sessions.check_form(presented)
    try:
        granted = await _refresh(call, presented)
    except asyncpg.LockNotAvailableError as error:
        raise AuthError(
            409,
            "conflict",
            "Too many concurrent token refresh requests on the same session or refresh token",
        ) from error
    if granted is None:
        raise bad_request("refresh_token_already_used", "Invalid Refresh Token: Already Used")
    return call.granted(granted)


async def _refresh(call: Call, presented: str) -> Granted | None:
    """The session as it goes on, or ``None`` when it was revoked, which must commit."""
    unknown = bad_request("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
    async with call.transaction() as connection:
        found = await sessions.find_refreshable(connection, presented)
        if found is None:
            raise unknown
        user_id, session_id = found
        user = await users.by_id(connection, user_id)
        if user is None:
            raise unknown
        if user.banned(call.now):
            raise bad_request("user_banned", "Invalid Refresh Token: User Banned")
        session = None if session_id is None else await sessions.by_id(connection, session_id, lock=True)
        if session is None:
            raise bad_request("session_not_found", "Invalid Refresh Token: No Valid Session Found")
        if session.outlived(call.now, call.settings.session_timebox):
            raise bad_request("session_expired", "Invalid Refresh Token: Session Expired")
        if session.idle(call.now, call.settings.session_inactivity):
            raise bad_request("session_expired", "Invalid Refresh Token: Session Expired (Inactivity)")
        refreshed = await sessions.refresh(
            connection,
            session,
            presented,
            call.client,
            call.now,
            reuse_interval=call.settings.reuse_interval,
            rotation=call.settings.rotation_enabled,
        )
        if refreshed.token is None:
            return None
        if session.over(call.now):
            raise bad_request("session_expired", "Invalid Refresh Token: Session Expired")
        if refreshed.rotated:
            await call.record(connection, "token_revoked", user)
        await call.record(connection, "token_refreshed", user)
        # Read anew: the row may have changed while this request waited for the session.
        user = await users.by_id(connection, user.id) or user
        return await call.parts.issuer.grant(connection, user, session.id, refreshed.token, call.now)


async def _pkce(call: Call) -> Response:
    fields = call.fields()
    code, verifier = fields.text("auth_code"), fields.text("code_verifier")
    if not code or not verifier:
        raise bad_request(
            "validation_failed", "invalid request: both auth code and code verifier should be non-empty"
        )
    async with call.transaction() as connection:
        user_id, method = await flows.redeem(connection, code, verifier, call.now)
        user = await users.by_id(connection, user_id, lock=True)
        if user is None:
            raise bad_request("flow_state_not_found", "invalid flow state, no valid flow state found")
        _check_not_banned(call, user)
        await call.record(connection, "login", user, provider_type=method)
        granted = await call.sign_in(connection, user, method)
    return call.granted(granted)


def _check_not_banned(call: Call, user: User) -> None:
    if user.banned(call.now):
        raise bad_request("user_banned", "User is banned")
