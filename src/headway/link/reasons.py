"""Reading what the server says when it refuses or ends a channel.

Source: supabase/realtime ``ERROR_CODES.md`` and ``lib/realtime_web/channels/realtime_channel.ex``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from headway.link.redaction import redact

__all__ = ["Ended", "connection_error", "read_reason"]

_CODED = re.compile(r"^([A-Z][A-Za-z]{3,60}): ?(.*)$", re.DOTALL)
_TOKEN_CODES = frozenset({"InvalidJWTToken", "MalformedJWT", "JwtSignatureError", "JwtSignerError"})
_RATE_CODES = frozenset(
    {
        "ConnectionRateLimitReached",
        "ClientJoinRateLimitReached",
        "DatabaseConnectionRateLimitReached",
        "TooManyMessages",
    }
)
_HOPELESS_CODES = frozenset({"TopicNameRequired"})
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a channel is not, or no longer, listened to.

    Args:
        code: The server's code, or one of ours: ``TokenExpired``, ``PermissionRevoked``, ``TooManyMessages``,
            ``ChangesRefused``, ``SystemError``, ``ChannelCrashed``, ``Closed``, ``NoAnswer``,
            ``NotConfirmed``, ``ConnectionLost``, ``Unknown``.
        reason: The server's words.
    """

    code: str
    reason: str

    @property
    def needs_fresh_token(self) -> bool:
        """Whether only a connection with another token can help."""
        return self.code in _TOKEN_CODES or self.code == "TokenExpired"

    @property
    def is_about_rates(self) -> bool:
        """Whether trying again soon would make it worse."""
        return self.code in _RATE_CODES

    @property
    def can_be_retried(self) -> bool:
        """Whether the same request can ever succeed."""
        return self.code not in _HOPELESS_CODES

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}" if self.reason else self.code


def read_reason(text: str) -> Ended:
    """The meaning of a ``CHANNEL_ERROR``, whose exception holds the payload as JSON.

    Args:
        text: The exception's text: ``{"reason": …}`` of a refused join, a ``system`` payload, the payload of
            a ``phx_error``, or anything else.
    """
    try:
        payload = json.loads(text)
    except ValueError:
        return Ended("Unknown", _short(text))
    if not isinstance(payload, dict):
        return Ended("Unknown", _short(text))
    if "extension" in payload:
        return _system(str(payload.get("extension")), _short(str(payload.get("message", ""))))
    reason = payload.get("reason")
    if not isinstance(reason, str):
        return Ended("ChannelCrashed", "")
    if reason == "channel_crash":
        return Ended("ChannelCrashed", reason)
    if coded := _CODED.match(reason):
        return Ended(coded[1], _short(coded[2]))
    return Ended("Unknown", _short(reason))


def _system(extension: str, message: str) -> Ended:
    if message.startswith("Token has expired"):
        return Ended("TokenExpired", message)
    if message.startswith("You no longer have permission"):
        return Ended("PermissionRevoked", message)
    if message.startswith("Too many "):
        return Ended("TooManyMessages", message)
    if extension == "postgres_changes":
        return Ended("ChangesRefused", message)
    if coded := _CODED.match(message):
        return Ended(coded[1], coded[2])
    return Ended("SystemError", message)


def connection_error(error: BaseException) -> str:
    """An exception of a connection in one line, without secrets; the server's own words when it gave any."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status is not None:
        body = getattr(response, "body", None) or b""
        text = bytes(body).decode("utf-8", "replace")
        try:
            said = json.loads(text)
            text = str(said.get("error") or said.get("message") or "") if isinstance(said, dict) else ""
        except ValueError:
            text = ""
        return _short(f"the handshake was refused with HTTP {status}" + (f": {text}" if text else ""))
    if isinstance(error, TimeoutError):
        return "no answer to the handshake in time"
    text = str(error).strip()
    return _short(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _short(text: str) -> str:
    text = redact(text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
