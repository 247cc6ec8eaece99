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
        whole_life: Seconds from its making to its end; ``None`` when it does not say.
        expired: Whether it has ended by this machine's clock, which may be wrong.
    """

    subject: str | None = None
    life: float | None = None
    whole_life: float | None = None
    expired: bool = False


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
    whole: float | None = None
    expired = False
    if expires is not None:
        life = expires - wall()
        expired = life <= 0
        if issued is not None and expires > issued:
            whole = expires - issued
            # A clock that is behind would make the token look younger than it can be,
            # and one that is ahead would make every token look expired.
            life = min(life, whole) if life > 0 else whole
        life = max(life, 0.0)
    return TokenFacts(subject if isinstance(subject, str) and subject else None, life, whole, expired)


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
