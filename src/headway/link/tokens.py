"""What a link needs to know of a token: whose it is and how long it lasts.

Nothing is verified here: the server does that, and nothing is granted for what a token claims.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["TokenFacts", "is_secret_key", "read_token"]

_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """A token's subject and remaining life.

    Args:
        subject: ``sub``; ``None`` for keys and for what is no JWT.
        life: Seconds for which it will be accepted still; ``None`` when there is no telling.
    """

    subject: str | None = None
    life: float | None = None


def read_token(token: str, wall: Callable[[], float] = time.time) -> TokenFacts:
    """The facts of a JWT; empty ones for anything else.

    Args:
        token: A JWT, an ``sb_`` key, or garbage.
        wall: The wall clock, in seconds since 1970.
    """
    claims = _claims(token)
    subject = claims.get("sub")
    expires, issued = _number(claims.get("exp")), _number(claims.get("iat"))
    life: float | None = None
    if expires is not None:
        life = expires - wall()
        if issued is not None and expires > issued:
            # A clock that is behind would make the token look younger than it can be,
            # and one that is ahead would make every token look expired.
            life = min(life, expires - issued) if life > 0 else expires - issued
        life = max(life, 0.0)
    return TokenFacts(subject if isinstance(subject, str) and subject else None, life)


def is_secret_key(api_key: str) -> bool:
    """Whether a key speaks for ``service_role``, to which no policy applies."""
    return api_key.startswith("sb_secret_") or _claims(api_key).get("role") == "service_role"


def _claims(token: str) -> dict[str, object]:
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _LONGEST:
        return {}
    try:
        decoded = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return None
    return None
