"""An error as an HTTP answer, in the form of the Data API's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import ceil

from headway.errors import (
    ApiError,
    ConfigError,
    Conflict,
    Denied,
    HeadwayError,
    InvalidRequest,
    JobEnded,
    NotFound,
    SchemaMismatch,
    TimedOut,
    TransportError,
)

__all__ = ["bearer_token", "problem"]

_STATUS: list[tuple[type[HeadwayError], int]] = [
    (NotFound, 404),
    (Denied, 403),
    (Conflict, 409),
    (InvalidRequest, 422),
    (JobEnded, 409),
    (TimedOut, 504),
    (TransportError, 503),
    (ConfigError, 500),
    (SchemaMismatch, 500),
]
_NOT_SIGNED_IN = {"PGRST301", "PGRST302", "PGRST303", "not_signed_in", "signed_out"}
_TOKEN = re.compile(r"Bearer ([\w.~+/=-]{1,16384})", re.ASCII | re.IGNORECASE)
_OURS = "This is a fault of the server's set-up; `headway doctor` finds it."


def problem(error: HeadwayError) -> tuple[int, dict[str, str], dict[str, str | None]]:
    """Status, headers and JSON body for an error: ``code``, ``message``, ``details``, ``hint``.

    What is wrong with the server's own configuration is not told to strangers.
    """
    if error.code in _NOT_SIGNED_IN:
        status = 401
    elif error.code == "too_many_streams":
        status = 429
    else:
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
        if status == 422 and isinstance(error, ApiError) and error.status in (400, 413, 415):
            status = error.status
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TransportError) and error.retry_after is not None:
        headers["Retry-After"] = str(ceil(error.retry_after))
    if status == 500:
        return 500, headers, {"code": error.code, "message": "Internal error", "details": None, "hint": _OURS}
    message, details, hint = error.message, error.details, error.hint
    if isinstance(error, TransportError) and error.status is None and error.code != "result_timeout":
        # Which host could not be reached, and how, tells about the network behind this server.
        message, details, hint = "The jobs' service cannot be reached now.", None, "Try again later."
    return status, headers, {"code": error.code, "message": message, "details": details, "hint": hint}


def bearer_token(headers: Mapping[str, str]) -> str:
    """The user's access token that a request carries.

    Args:
        headers: The request's; names in any case.

    Raises:
        Denied: it carries none (``not_signed_in``, an answer of 401).
    """
    value = next((text for name, text in headers.items() if name.lower() == "authorization"), "")
    match = _TOKEN.fullmatch(value.strip())
    if match is None:
        raise Denied(
            "nobody is signed in",
            hint="Send the session's access_token as `Authorization: Bearer …`.",
            code="not_signed_in",
            status=401,
        )
    return match[1]
