"""The ASGI application: routes, and one place where every refusal becomes an answer.

Source: supabase/auth ``internal/api/api.go``.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Collection

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from headway.local.auth.call import Call, Parts
from headway.local.auth.endpoints import (
    admin_links,
    admin_listing,
    admin_users,
    disabled,
    logout,
    metadata,
    passwordless,
    signup,
    token,
    user,
    verify,
)
from headway.local.auth.errors import AuthError, error_response, unexpected
from headway.local.auth.fields import read_body

__all__ = ["build_app"]

_log = logging.getLogger("headway.auth")

_DEADLINE_S = 10
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")

Endpoint = Callable[[Call], Awaitable[Response]]

_ROUTES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/health", metadata.health),
    ("GET", "/settings", metadata.settings),
    ("GET", "/.well-known/jwks.json", metadata.jwks),
    ("GET", "/.well-known/openid-configuration", metadata.openid_configuration),
    ("GET", "/.well-known/oauth-authorization-server", disabled.oauth_server),
    ("POST", "/signup", signup.signup),
    ("POST", "/token", token.token),
    ("POST", "/otp", passwordless.otp),
    ("POST", "/magiclink", passwordless.magiclink),
    ("POST", "/recover", passwordless.recover),
    ("POST", "/resend", passwordless.resend),
    ("GET", "/reauthenticate", passwordless.reauthenticate),
    ("GET", "/verify", verify.get_verify),
    ("POST", "/verify", verify.post_verify),
    ("POST", "/logout", logout.logout),
    ("GET", "/user", user.get_user),
    ("PUT", "/user", user.put_user),
    ("GET", "/user/identities/authorize", user.link_identity),
    ("DELETE", "/user/identities/{identity_id}", user.delete_identity),
    ("POST", "/invite", admin_links.invite),
    ("POST", "/admin/generate_link", admin_links.generate_link),
    ("GET", "/admin/audit", admin_listing.audit_log),
    ("GET", "/admin/users", admin_listing.list_users),
    ("POST", "/admin/users", admin_users.create_user),
    ("GET", "/admin/users/{user_id}", admin_users.get_user),
    ("PUT", "/admin/users/{user_id}", admin_users.update_user),
    ("DELETE", "/admin/users/{user_id}", admin_users.delete_user),
    ("GET", "/admin/users/{user_id}/factors", disabled.admin_factors),
    ("PUT|DELETE", "/admin/users/{user_id}/factors/{factor_id}", disabled.admin_factor),
    ("GET|DELETE", "/admin/users/{user_id}/passkeys{rest:path}", disabled.admin_passkeys),
    ("GET|POST", "/admin/sso/providers", disabled.admin_sso_providers),
    ("GET|PUT|DELETE", "/admin/sso/providers/{idp_id}", disabled.admin_sso_provider),
    ("GET|POST|PUT|DELETE", "/admin/oauth/{rest:path}", disabled.admin_oauth_clients),
    ("GET|POST|PUT|DELETE", "/admin/custom-providers{rest:path}", disabled.admin_custom_providers),
    ("GET", "/authorize", disabled.authorize),
    ("GET|POST", "/callback", disabled.callback),
    ("POST", "/factors", disabled.enroll_factor),
    ("DELETE", "/factors/{factor_id}", disabled.factor),
    ("POST", "/factors/{factor_id}/{action}", disabled.factor),
    ("GET|POST", "/sso{rest:path}", disabled.sso),
    ("GET|POST|PATCH|DELETE", "/passkeys{rest:path}", disabled.passkeys),
    ("GET|POST|DELETE", "/oauth/{rest:path}", disabled.oauth_server),
    ("GET|DELETE", "/user/oauth/grants", disabled.oauth_server),
)


def build_app(parts: Parts) -> ASGIApp:
    """The application.

    Args:
        parts: What the endpoints work with.
    """
    routes = [
        Route(path, _route(parts, endpoint), methods=methods.split("|"))
        for methods, path, endpoint in _ROUTES
    ]
    for route in routes:
        # Mail scanners look at links by HEAD, which must not use the token up.
        (route.methods or set()).discard("HEAD")

    # Not a Starlette application: that would answer errors which are the gateway's to answer.
    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        allowed: set[str] = set()
        for route in routes:
            match, matched = route.matches(scope)
            if match is Match.FULL:
                await route.handle({**scope, **matched}, receive, send)
                return
            if match is Match.PARTIAL:
                allowed |= route.methods or set()
        await _unrouted(Request(scope, receive), allowed)(scope, receive, send)

    return dispatch


def _request_id(request: Request) -> str:
    given = request.headers.get("sb-request-id") or request.headers.get("x-request-id") or ""
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _unrouted(request: Request, allowed: Collection[str]) -> Response:
    refusal = AuthError(
        405 if allowed else 404,
        "method_not_allowed" if allowed else "not_found",
        f"There is no {request.method} {request.scope['path'][:128]}",
    )
    response = error_response(refusal, request.headers, _request_id(request))
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _route(parts: Parts, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        request_id = _request_id(request)
        try:
            # Outside the net below: the gateway's own refusal of a large body comes through here.
            body = await read_body(request)
        except AuthError as error:
            return error_response(error, request.headers, request_id)
        try:
            async with asyncio.timeout(_DEADLINE_S):
                return await endpoint(Call(parts, request, body))
        except AuthError as error:
            if error.status >= 500:
                _log.error("request %s: %s", request_id, error.message, exc_info=error.__cause__)
            return error_response(error, request.headers, request_id)
        except TimeoutError:
            timeout = AuthError(
                504, "request_timeout", "Processing this request timed out, please retry after a moment."
            )
            return error_response(timeout, request.headers, request_id)
        except Exception as error:  # noqa: BLE001 — logged, and answered without a trace
            _log.exception("request %s failed", request_id)
            failure = unexpected("Unexpected failure, please check server logs for more information")
            failure.__cause__ = error
            return error_response(failure, request.headers, request_id)

    return handle
