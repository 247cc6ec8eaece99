"""Using a one-time token: by clicking the link of a mail, or by sending a token or code.

Source: supabase/auth ``internal/api/verify.go``.
"""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from headway.local.auth import flows, onetime
from headway.local.auth.addresses import checked_email
from headway.local.auth.call import Call
from headway.local.auth.endpoints.user import email_exists
from headway.local.auth.errors import AuthError, bad_request, unprocessable
from headway.local.auth.fields import Fields
from headway.local.auth.redirects import with_fragment, with_query
from headway.local.auth.representation import json_response
from headway.local.auth.users import UserTaken
from headway.local.auth.verification import VerifyType, apply, find_by_code, find_by_hash

__all__ = ["get_verify", "post_verify"]

_HALF_DONE = "Confirmation link accepted. Please proceed to confirm link sent to the other email"
_OAUTH_ERRORS = {
    400: "invalid_request",
    401: "unauthorized_client",
    403: "access_denied",
    500: "server_error",
    503: "temporarily_unavailable",
}
_METHODS: dict[VerifyType, flows.Method] = {
    "signup": "email/signup",
    "invite": "invite",
    "recovery": "recovery",
    "magiclink": "magiclink",
    "email_change": "email_change",
}


async def get_verify(call: Call) -> Response:
    """``GET /verify?token=&type=&redirect_to=``: the link of a mail; leads the browser back to the app."""
    call.parts.limits.take("token_verifications", call.address or "")
    asked, token = call.query("type"), call.query("token")
    if not asked:
        raise bad_request("validation_failed", "Verify requires a verification type")
    if not token:
        raise bad_request("validation_failed", "Verify requires a token or a token hash")
    target = call.redirect_to
    try:
        location = await _redirect(call, asked, token, target)
    except UserTaken:
        location = _refused(email_exists(), target, token)
    except AuthError as error:
        location = _refused(error, target, token)
    return RedirectResponse(location, 303, headers={"Cache-Control": "no-store"})


async def _redirect(call: Call, asked: str, token: str, target: str) -> str:
    pkce = token.startswith(onetime.PKCE_PREFIX)
    async with call.transaction() as connection:
        found, meaning, kind = await find_by_hash(call, connection, asked, token)
        user = await apply(call, connection, found, meaning, kind)
        if user is None:
            message = {"message": _HALF_DONE}
            return with_fragment(with_query(target, message) if pkce else target, message)
        if pkce:
            code = await flows.issue_code(connection, user.id, _METHODS[meaning], call.now)
            return with_query(target, {"code": code})
        granted = await call.sign_in(connection, user, "otp")
    return with_fragment(target, granted.fragment(asked))


def _refused(error: AuthError, target: str, token: str) -> str:
    values = {"error_code": error.code, "error_description": error.message}
    if error.status in _OAUTH_ERRORS:
        values["error"] = _OAUTH_ERRORS[error.status]
    if token.startswith(onetime.PKCE_PREFIX):
        target = with_query(target, values)
    return with_fragment(target, values)


async def post_verify(call: Call) -> Response:
    """``POST /verify``: a token hash, or an address with its code, for a session."""
    call.parts.limits.take("token_verifications", call.address or "")
    fields = call.fields()
    asked, token, hashed = fields.text("type"), fields.text("token"), fields.text("token_hash")
    if not asked:
        raise bad_request("validation_failed", "Verify requires a verification type")
    if bool(token) == bool(hashed):
        raise bad_request("validation_failed", "Verify requires either a token or a token hash")
    email = _address(fields) if token else ""
    if hashed and any(fields.text(name) for name in ("email", "phone", "redirect_to")):
        raise bad_request("validation_failed", "Only the token_hash and type should be provided")
    try:
        async with call.transaction() as connection:
            if hashed:
                found, meaning, kind = await find_by_hash(call, connection, asked, hashed)
            else:
                found, meaning, kind = await find_by_code(call, connection, asked, email, token)
            user = await apply(call, connection, found, meaning, kind)
            granted = None if user is None else await call.sign_in(connection, user, "otp")
    except UserTaken as error:
        raise email_exists() from error
    if granted is None:
        return json_response({"msg": _HALF_DONE, "code": "200"})
    return call.granted(granted)


def _address(fields: Fields) -> str:
    email, phone = fields.text("email"), fields.text("phone")
    if phone and not email:
        # No code was ever sent by phone.
        raise AuthError(403, "otp_expired", "Token has expired or is invalid")
    if not email or phone:
        raise bad_request(
            "validation_failed", "Only an email address or phone number should be provided on verify"
        )
    try:
        return checked_email(email)
    except AuthError as error:
        raise unprocessable("validation_failed", "Invalid email format") from error
