"""What a Supabase service has answered, as an error of ``headway.errors``.

Sources: ``docs/engine.md`` (codes of class HW), PostgREST ``docs/references/errors.rst`` (its own codes, and
how SQLSTATEs become statuses), supabase/auth ``internal/api/errors.go``, supabase/storage
``src/internal/errors`` (whose true status is the string ``statusCode`` in the body).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from headway.core.retry_after import retry_after_of
from headway.errors import (
    ApiError,
    BudgetExceeded,
    ConfigError,
    Conflict,
    Denied,
    HeadwayError,
    InvalidRequest,
    LeaseLost,
    NotFound,
    SchemaMismatch,
    TimedOut,
    TransportError,
)

__all__ = ["Refusal", "error_from_refusal", "error_from_response", "read_refusal"]

_LONGEST = 1000
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")

_MIGRATE = "Apply the migrations of this version of Headway: supabase db push."
_EXPOSE = (
    "Add headway to the exposed schemas: Settings, Data API; on your machine [api] schemas in config.toml."
)
_CHECK_KEY = "Check that the key is one of this very project, and was not revoked."
_SIGN_IN = "Sign in again, or refresh the token."
_CHECK_URL = "Check SUPABASE_URL: https://<project>.supabase.co, without a path."
_LATER = "Try again later."

_BY_ENGINE: dict[str, type[HeadwayError]] = {
    "HW001": LeaseLost,
    "HW002": Conflict,
    "HW301": NotFound,
    "HW302": Denied,
    "HW501": BudgetExceeded,
    "HW502": BudgetExceeded,
}
_BY_ENGINE_GROUP: dict[str, type[HeadwayError]] = {"HW1": InvalidRequest, "HW2": Conflict}

_BY_POSTGREST: dict[str, tuple[type[HeadwayError], str | None]] = {
    "PGRST000": (TransportError, _LATER),
    "PGRST001": (TransportError, _LATER),
    "PGRST002": (TransportError, _LATER),
    "PGRST003": (TransportError, _LATER),
    "PGRST106": (ConfigError, _EXPOSE),
    "PGRST116": (NotFound, None),
    "PGRST125": (ConfigError, _CHECK_URL),
    "PGRST200": (SchemaMismatch, _MIGRATE),
    "PGRST201": (SchemaMismatch, _MIGRATE),
    "PGRST202": (SchemaMismatch, _MIGRATE),
    "PGRST203": (SchemaMismatch, _MIGRATE),
    "PGRST204": (SchemaMismatch, _MIGRATE),
    "PGRST205": (SchemaMismatch, _MIGRATE),
    "PGRST300": (ConfigError, "Set the project's JWT secret."),
    "PGRST301": (Denied, _CHECK_KEY),
    "PGRST302": (Denied, "Send a key."),
    "PGRST303": (Denied, _SIGN_IN),
    # Of PostgREST's own connection to the database.
    "PGRSTX00": (TransportError, _LATER),
}
_BY_SQLSTATE: dict[str, tuple[type[HeadwayError], str | None]] = {
    "25006": (TransportError, "The database is read-only for now: try again later."),
    "3F000": (SchemaMismatch, _MIGRATE),
    "40001": (TransportError, "Send it again."),
    "40P01": (TransportError, "Send it again."),
    "42501": (Denied, "Sign in, or use a key with the right to do this."),
    "42703": (SchemaMismatch, _MIGRATE),
    "42883": (SchemaMismatch, _MIGRATE),
    "42P01": (SchemaMismatch, _MIGRATE),
    "55P03": (TransportError, "Send it again."),
    "57014": (TimedOut, "The statement took too long and was undone: ask for less at a time."),
}
_BY_SQLSTATE_CLASS: dict[str, type[HeadwayError]] = {
    "08": TransportError,
    "22": InvalidRequest,
    "23": InvalidRequest,
    "28": Denied,
    "53": TransportError,
    "57": TransportError,
}
_BY_STATUS: dict[int, tuple[type[HeadwayError], str | None]] = {
    400: (InvalidRequest, None),
    401: (Denied, _SIGN_IN),
    403: (Denied, None),
    404: (NotFound, None),
    406: (InvalidRequest, None),
    408: (TimedOut, _LATER),
    409: (Conflict, None),
    413: (InvalidRequest, "Send less: upload large data to Storage and send its path."),
    415: (InvalidRequest, None),
    416: (InvalidRequest, None),
    422: (InvalidRequest, None),
    423: (Conflict, "Somebody else is writing it: try again later."),
    429: (TransportError, "Too many requests: slow down and try again later."),
    501: (ApiError, None),
    504: (TimedOut, _LATER),
    522: (TimedOut, _LATER),
    524: (TimedOut, _LATER),
    540: (TransportError, "The project is paused: restore it in the dashboard."),
    544: (TimedOut, _LATER),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a service says when it does not do what it was asked.

    Attributes:
        message: For people.
        code: The service's own, or ``None``.
        details: Whatever it says beside; the engine names the field.
        hint: Its remedy.
        status: The true HTTP status, or ``None`` when it is not known.
        retry_after: Seconds that it asks to wait.
    """

    message: str
    code: str | None = None
    details: str | None = None
    hint: str | None = None
    status: int | None = None
    retry_after: float | None = None


def error_from_response(
    status: int,
    body: bytes | str | Mapping[str, Any] | None,
    headers: Mapping[str, str] | None = None,
    *,
    now: datetime,
) -> HeadwayError:
    """The error for an HTTP answer of the Data API, Auth, Storage or the gateway before them.

    Args:
        status: Its status.
        body: Its content, decoded or not.
        headers: Its headers.
        now: The present moment, with an offset, for ``Retry-After`` with a date.
    """
    refusal = read_refusal(status, body)
    return error_from_refusal(replace(refusal, retry_after=retry_after_of(headers or {}, now)))


def read_refusal(status: int, body: bytes | str | Mapping[str, Any] | None) -> Refusal:
    """What an answer's body says, in whichever of the services' forms; a page of a proxy is not repeated."""
    said = _decoded(body)
    message = _text(said, "message", "msg", "error_description", "error")
    if message is None:
        return Refusal(f"the server answered HTTP {status} without saying why", status=status)
    code = _text(said, "error_code", "code")
    true_status = status
    if "statusCode" in said and isinstance(said.get("error"), str):
        code = code or _text(said, "error")
        stated = str(said["statusCode"])
        if re.fullmatch(r"[45][0-9]{2}", stated):
            true_status = int(stated)
    elif code is None and "error_description" in said:
        code = _text(said, "error")
    return Refusal(message, code, _text(said, "details"), _text(said, "hint"), true_status)


def error_from_refusal(refusal: Refusal) -> HeadwayError:
    """The error for a refusal; its own code, details and hint are kept, and a missing hint is given."""
    kind, remedy = _kind_of(refusal)
    message = refusal.message[:_LONGEST]
    details = (refusal.details or "")[:_LONGEST] or None
    hint = (refusal.hint or "")[:_LONGEST] or remedy
    # ConfigError's hint is the remedy for whoever runs the app; PostgREST's is about its own schemas.
    if kind in (ConfigError, SchemaMismatch):
        hint = remedy
    code = refusal.code or _default_code(kind, refusal.status)
    if issubclass(kind, TransportError):
        return kind(
            message,
            hint=hint,
            code=code,
            details=details,
            status=refusal.status,
            retry_after=refusal.retry_after,
        )
    if issubclass(kind, ApiError):
        return kind(message, hint=hint, code=code, details=details, status=refusal.status)
    return kind(message, hint=hint, code=code, details=details)


def _kind_of(refusal: Refusal) -> tuple[type[HeadwayError], str | None]:
    code, status = refusal.code or "", refusal.status
    if code.startswith("HW"):
        return _BY_ENGINE.get(code) or _BY_ENGINE_GROUP.get(code[:3], ApiError), None
    if code.startswith("PGRST"):
        return _BY_POSTGREST.get(code, (InvalidRequest, None))
    if code in _BY_SQLSTATE:
        return _BY_SQLSTATE[code]
    if code in ("23503", "23505"):
        return Conflict, None
    if _SQLSTATE.fullmatch(code) and code[:2] in _BY_SQLSTATE_CLASS:
        kind = _BY_SQLSTATE_CLASS[code[:2]]
        return kind, _LATER if kind is TransportError else None
    if status == 401 and code == "" and "api key" in refusal.message.lower():
        return ConfigError, _CHECK_KEY
    if status is None:
        return ApiError, None
    if _SQLSTATE.fullmatch(code) and status >= 500:
        return ApiError, None
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return (TransportError, _LATER) if status >= 500 else (ApiError, None)


def _default_code(kind: type[HeadwayError], status: int | None) -> str:
    return "rate_limited" if status == 429 else kind.default_code


def _decoded(body: bytes | str | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if isinstance(body, Mapping):
        return body
    try:
        said = json.loads(body or b"")
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _text(said: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        if isinstance(value := said.get(name), str) and value:
            return value
    return None
