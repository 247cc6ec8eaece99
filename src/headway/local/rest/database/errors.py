"""The answer to an error of the database.

Source: PostgREST's documentation, "Errors", table "HTTP Status Codes", and "RAISE errors with HTTP Status
Codes".
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import orjson

from headway.local.rest.errors import (
    RestError,
    client_error,
    connection_error,
    pool_timeout_error,
    raised_error_error,
)

__all__ = ["connect_failure", "query_failure"]

_BY_CODE = {
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "42P01": 404,
    "42P17": 500,
    "53400": 500,
    "57P01": 503,
    "P0001": 400,
}
_BY_CLASS = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "53": 503,
    "54": 500,
    "55": 500,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0": 500,
    "XX": 500,
}


def connect_failure(error: BaseException) -> RestError:
    """The answer when no connection could be had.

    Args:
        error: What acquiring one raised.
    """
    if isinstance(error, asyncio.TimeoutError | TimeoutError):
        return pool_timeout_error()
    return connection_error()


def query_failure(error: BaseException, *, anonymous: bool) -> RestError:
    """The answer when a statement failed.

    Args:
        error: What asyncpg raised.
        anonymous: Whether the caller has the anonymous role.
    """
    if isinstance(error, asyncpg.PostgresConnectionError) or not isinstance(error, asyncpg.PostgresError):
        return client_error()
    code = error.sqlstate or "XX000"
    message = str(error.message if hasattr(error, "message") else error)
    detail: str | None = getattr(error, "detail", None)
    hint: str | None = getattr(error, "hint", None)
    if code == "PGRST":
        return _raised(message, detail)
    status = _status(code, message, anonymous=anonymous)
    headers = [("WWW-Authenticate", "Bearer")] if status == 401 else []
    return RestError(status, code, message, detail, hint, headers)


def _status(code: str, message: str, *, anonymous: bool) -> int:
    if code == "21000":
        # What safeupdate raises is the client's fault, every other such error a function's or view's.
        return 400 if message.endswith("requires a WHERE clause") else 500
    if code == "22023":
        unknown_role = message.startswith("role") and message.endswith("does not exist")
        return 401 if unknown_role else 400
    if code == "42883":
        return 406 if message.startswith("function xmlagg(") else 404
    if code == "42501":
        return 401 if anonymous else 403
    if code.startswith("PT"):
        return _valid_status(code[2:])
    return _BY_CODE.get(code) or _BY_CLASS.get(code[:2], 400)


def _valid_status(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and 200 <= int(text) <= 599 else 500


def _raised(message: str, detail: str | None) -> RestError:
    """An error that a function raised with SQLSTATE ``PGRST`` to choose the whole answer itself."""
    body = _json_object(message)
    if body is None or not isinstance(body.get("code"), str) or not isinstance(body.get("message"), str):
        return raised_error_error(f"Invalid JSON value for MESSAGE: '{message}'", in_message=True)
    if detail is None:
        return raised_error_error("DETAIL is missing in the RAISE statement", in_message=False)
    response = _json_object(detail)
    headers = response.get("headers") if response else None
    status = response.get("status") if response else None
    if (
        not isinstance(headers, dict)
        or not all(isinstance(value, str) for value in headers.values())
        or not isinstance(status, int)
        or not 200 <= status <= 599
    ):
        return raised_error_error(f"Invalid JSON value for DETAIL: '{detail}'", in_message=False)
    return RestError(
        status, body["code"], body["message"], body.get("details"), body.get("hint"), headers.items()
    )


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
