"""One line per request, with nothing in it that opens a door."""

from __future__ import annotations

import logging
import re

__all__ = ["logger", "redact_query", "write_access_line"]

logger = logging.getLogger("headway.access")

# What some service takes as a credential in a URL: API keys, signed-URL and one-time tokens, codes.
_SECRET_PARAMETER = re.compile(
    r"(?i)(^|&)((?:apikey|[a-z_]*token[a-z_]*|code|code_challenge|code_verifier|password|secret)=)[^&]*"
)


def redact_query(query: str) -> str:
    """A query string whose credentials are replaced by ``***``.

    Args:
        query: Raw, without the question mark.
    """
    return _SECRET_PARAMETER.sub(r"\1\2***", query)


def write_access_line(
    *, method: str, path: str, query: str, status: int, duration_ms: float, request_id: str
) -> None:
    """Log one answered request.

    Args:
        method: The HTTP method, or ``WEBSOCKET``.
        path: As the client sent it, still percent-encoded.
        query: Raw; credentials are redacted here.
        status: The HTTP status; 101 for an accepted socket.
        duration_ms: Milliseconds from the first byte to the end of the answer.
        request_id: The id that the answer carries.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    target = f"{path}?{redact_query(query)}" if query else path
    # A log line is one line: control characters of a hostile path must not start another.
    printable = "".join(c if c.isprintable() else "?" for c in target[:2000])
    logger.info("%s %s %d %.1fms %s", method, printable, status, duration_ms, request_id)
