"""What ``/auth/v1`` answers when it refuses, in the two shapes that clients ask for.

Source: supabase/auth ``internal/api/errors.go``, ``apiversions.go`` and ``apierrors/errorcode.go``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import asyncpg
from starlette.responses import Response

from headway.local.auth.representation import json_response

__all__ = [
    "API_VERSION_HEADER",
    "AuthError",
    "bad_request",
    "error_response",
    "forbidden",
    "not_found",
    "too_many",
    "unexpected",
    "unprocessable",
    "weak_password",
]

API_VERSION_HEADER = "X-Supabase-Api-Version"
_VERSION_2024 = date(2024, 1, 1)


class AuthError(Exception):
    """A request is refused.

    Args:
        status: The HTTP status.
        code: The stable code of the real server, such as ``invalid_credentials``.
        message: A sentence for people; never holds a secret.
        weak_password: The reasons when the password is too weak.
        oauth: The OAuth ``error`` of the few endpoints that keep that shape.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        weak_password: Sequence[str] | None = None,
        oauth: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.weak_password = weak_password
        self.oauth = oauth


def bad_request(code: str, message: str) -> AuthError:
    """400."""
    return AuthError(400, code, message)


def forbidden(code: str, message: str) -> AuthError:
    """403."""
    return AuthError(403, code, message)


def not_found(code: str, message: str) -> AuthError:
    """404."""
    return AuthError(404, code, message)


def unprocessable(code: str, message: str) -> AuthError:
    """422."""
    return AuthError(422, code, message)


def too_many(code: str, message: str) -> AuthError:
    """429."""
    return AuthError(429, code, message)


def unexpected(message: str) -> AuthError:
    """500; raise it ``from`` the cause, which is logged and, for old clients, partly shown."""
    return AuthError(500, "unexpected_failure", message)


def weak_password(message: str, reasons: Sequence[str]) -> AuthError:
    """422 with the reasons."""
    return AuthError(422, "weak_password", message, weak_password=reasons)


def _api_version(header: str | None) -> date | None:
    try:
        asked = date.fromisoformat(header) if header else None
    except ValueError:
        return None
    return _VERSION_2024 if asked is not None and asked >= _VERSION_2024 else None


def _database_error(error: AuthError) -> tuple[int, dict[str, Any]] | None:
    """A trigger's own error, which clients of the first API version are shown."""
    cause = error.__cause__
    if not isinstance(cause, asyncpg.PostgresError) or not isinstance(sqlstate := cause.sqlstate, str):
        return None
    if sqlstate.startswith("PT") and sqlstate[2:].isdigit() and 400 <= int(sqlstate[2:]) <= 599:
        status = int(sqlstate[2:])
    elif sqlstate == "P0001" or sqlstate.startswith("23"):
        status = 500
    else:
        return None
    body = {"code": sqlstate, "message": cause.message, "hint": cause.hint, "detail": cause.detail}
    return status, {key: value for key, value in body.items() if value or key in ("code", "message")}


def error_response(error: AuthError, request_headers: Mapping[str, str], request_id: str) -> Response:
    """The answer to a refused request, in the shape of the version that the client names.

    Args:
        error: Why it is refused.
        request_headers: The request's headers.
        request_id: Shown with 5xx as ``error_id``, so that a person can find the log line.
    """
    headers = {"x-sb-error-code": error.code}
    if error.oauth is not None:
        return json_response(
            {"error": error.oauth, "error_description": error.message}, error.status, headers
        )
    version = _api_version(request_headers.get(API_VERSION_HEADER))
    status = error.status
    body: dict[str, Any]
    if version is not None:
        headers[API_VERSION_HEADER] = version.isoformat()
        body = {"code": error.code, "message": error.message}
    elif (shown := _database_error(error)) is not None:
        status, body = shown
    else:
        body = {"code": status, "error_code": error.code, "msg": error.message}
        if status >= 500:
            body["error_id"] = request_id
    if error.weak_password is not None:
        body["weak_password"] = {"reasons": list(error.weak_password)}
    return json_response(body, status, headers)
