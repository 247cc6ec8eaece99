"""What the official Supabase libraries raise, as an error of ``headway.errors``."""

from __future__ import annotations

import re
from datetime import datetime

import httpx
from postgrest.exceptions import APIError
from storage3.exceptions import StorageApiError
from supabase_auth.errors import AuthError, AuthRetryableError

from headway.core.refusals import Refusal, error_from_refusal
from headway.core.transport import error_from_httpx
from headway.errors import HeadwayError, TransportError

__all__ = ["error_from_library"]

_STATUS = re.compile(r"[1-5][0-9]{2}")


def error_from_library(error: Exception, *, now: datetime) -> HeadwayError | None:
    """The error for an exception of ``postgrest``, ``storage3``, ``supabase_auth`` or ``httpx``.

    Args:
        error: What was raised.
        now: The present moment, with an offset.

    Returns:
        The error to raise in its place; the exception itself if it is one of Headway's; ``None`` for
        exceptions of nobody that is known here.
    """
    if isinstance(error, HeadwayError):
        return error
    if isinstance(error, (httpx.HTTPError, httpx.InvalidURL)):
        return error_from_httpx(error, now=now)
    if isinstance(error, APIError):
        return error_from_refusal(_of_postgrest(error))
    if isinstance(error, StorageApiError):
        status = _status(error.status)
        if error.code in ("LibraryError", "InternalError"):
            # The library found no error in the body, and repeats the body as the message.
            return error_from_refusal(Refusal(_unexplained(status), status=status))
        return error_from_refusal(Refusal(error.message, error.code, status=status))
    if isinstance(error, AuthRetryableError):
        # The library has asked, and has got no answer or one that says nothing: status 0, or of a gateway.
        return TransportError(
            f"Auth could not be asked: {error.message}"[:1000],
            hint="Check SUPABASE_URL and the network, or try again later.",
            code=error.code,
            status=_status(error.status),
        )
    if isinstance(error, AuthError):
        status = _status(getattr(error, "status", None))
        return error_from_refusal(Refusal(error.message, error.code, status=status))
    return None


def _of_postgrest(error: APIError) -> Refusal:
    code = error.code or ""
    if _STATUS.fullmatch(code):
        # A proxy's page, say: the library gives the status for the code, and the page for the details.
        return Refusal(_unexplained(int(code)), status=int(code))
    return Refusal(
        error.message or "the Data API refused the request without saying why",
        code or None,
        error.details if isinstance(error.details, str) else None,
        error.hint,
    )


def _unexplained(status: int | None) -> str:
    return f"the server answered HTTP {status} without saying why"


def _status(value: object) -> int | None:
    return int(str(value)) if _STATUS.fullmatch(str(value)) else None
