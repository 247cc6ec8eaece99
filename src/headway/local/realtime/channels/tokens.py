"""Whether a token lets its bearer in, in the real server's words.

Source: supabase/realtime ``lib/realtime_web/channels/``: ``auth/*.ex``, ``user_socket.ex``,
``realtime_channel.ex``.
"""

from __future__ import annotations

import re
import time
from typing import Literal
from urllib.parse import unquote

from headway.local.identity import Identity, TokenRefused, TokenVerifier

__all__ = ["TokenInvalid", "check_token", "seconds_left"]

Kind = Literal["expired", "claims", "malformed", "signature", "signer"]

_BLANKS = re.compile(r"\s")
_REASON_CODES: dict[Kind, str] = {
    "expired": "InvalidJWTToken",
    "claims": "InvalidJWTToken",
    "malformed": "MalformedJWT",
    "signature": "JwtSignatureError",
    "signer": "JwtSignerError",
}
_HANDSHAKE_TEXTS: dict[Kind, str] = {
    "expired": "Token has expired",
    "claims": "Fields `role` and `exp` are required in JWT",
    "malformed": "The token provided is not a valid JWT",
    "signature": "Failed to validate JWT signature",
    "signer": "Failed to generate JWT signer, check your JWT secret or JWKS configuration",
}


class TokenInvalid(Exception):
    """A token is not accepted.

    Args:
        kind: What is wrong with it.
        detail: The sentence for a joining channel.
    """

    def __init__(self, kind: Kind, detail: str | None = None) -> None:
        self.kind: Kind = kind
        self.detail = detail or _HANDSHAKE_TEXTS[kind]
        super().__init__(self.detail)

    @property
    def reason(self) -> str:
        """The ``reason`` of a refused join."""
        return f"{_REASON_CODES[self.kind]}: {self.detail}"

    @property
    def handshake_text(self) -> str:
        """The ``error`` of a refused handshake."""
        return _HANDSHAKE_TEXTS[self.kind]

    @property
    def system_text(self) -> str:
        """The message with which a joined channel is closed."""
        # The real server prints the name of its error here.
        return ":signature_error" if self.kind == "signature" else self.detail


def check_token(verifier: TokenVerifier, token: str) -> Identity:
    """The identity behind a token that is valid now; there is no leeway for its expiry.

    Args:
        verifier: The stack's.
        token: As the client sent it; percent-encoding and blanks in it are undone.

    Raises:
        TokenInvalid: it is not accepted.
    """
    token = _BLANKS.sub("", unquote(token))
    try:
        identity = verifier.verify(token)
    except TokenRefused as refusal:
        if refusal.fault == "expired":
            raise TokenInvalid("expired", _expired(refusal.expired_for or 0)) from None
        if refusal.fault == "signature":
            raise TokenInvalid("signature") from None
        if refusal.fault in ("algorithm", "key"):
            raise TokenInvalid("signer") from None
        if refusal.fault == "claims":
            raise TokenInvalid("claims") from None
        raise TokenInvalid("malformed") from None
    if "role" not in identity.claims or identity.expires_at is None:
        raise TokenInvalid("claims")
    left = seconds_left(identity)
    if left <= 0:
        raise TokenInvalid("expired", _expired(int(-left)))
    return identity


def seconds_left(identity: Identity) -> float:
    """Seconds until a checked token expires."""
    assert identity.expires_at is not None
    return identity.expires_at - time.time()


def _expired(seconds: int) -> str:
    return f"Token has expired {seconds} seconds ago"
