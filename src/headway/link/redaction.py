"""Keeps keys and tokens out of logs and messages.

The ``realtime`` package puts the key into the WebSocket's URL, and ``websockets`` logs requests at DEBUG and
names the URL in its errors.
"""

from __future__ import annotations

import logging
import re
import traceback

__all__ = ["RedactingFilter", "install_redaction", "redact"]

_LOGGERS = (
    "realtime._async.client",
    "realtime._async.channel",
    "realtime._async.push",
    "realtime._async.presence",
    "realtime._async.timer",
    "websockets.client",
    "websockets.asyncio.client",
    "websockets.protocol",
    "headway.link",
)
_SECRETS = (
    # In URLs: everything up to the next parameter.
    (re.compile(r"(?i)((?:apikey|access_token|api_key|token)=)[^&\s'\"<>]+"), r"\1<redacted>"),
    # In headers.
    (
        re.compile(
            r"(?i)((?:authorization|x-api-key|apikey)['\"]?\s*:\s*['\"]?(?:(?:bearer|basic|token)\s+)?)"
            r"[^\s'\",}]+"
        ),
        r"\1<redacted>",
    ),
    # In JSON and in representations of it.
    (re.compile(r"(?i)(\\?['\"]access_token\\?['\"]\s*:\s*\\?['\"])[^'\"\\]+"), r"\1<redacted>"),
    # Wherever else: new keys, and anything that looks like a JWT.
    (re.compile(r"\bsb_(?:secret|publishable)_[A-Za-z0-9_-]+"), "<redacted>"),
    # Its head has a bound: without one, a text of nothing but beginnings takes the square of its length.
    (re.compile(r"\beyJ[A-Za-z0-9_-]{1,1024}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), "<redacted>"),
)


def redact(text: str) -> str:
    """The text without keys and tokens."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class RedactingFilter(logging.Filter):
    """Rewrites records so that no handler gets to see a key or a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record in place; always lets it through."""
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - a malformed record of somebody else must not break their program
            return True
        clean = redact(text)
        if clean != text:
            record.msg, record.args = clean, None
        if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
            trace = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            clean = redact(trace)
            if clean != trace:
                record.exc_text = clean
                record.exc_info = None
        return True


_FILTER = RedactingFilter("headway.link.redaction")


def install_redaction() -> None:
    """Redact what the libraries below log, from now on; calling it again changes nothing."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if _FILTER not in logger.filters:
            logger.addFilter(_FILTER)
