"""Whom a request speaks for, with PostgREST's words for tokens that are refused.

Source: PostgREST's documentation, "Authentication" and "Errors", group 3.
"""

from __future__ import annotations

import jwt

from headway.local.identity import ANONYMOUS, Identity, TokenRefused, TokenVerifier
from headway.local.rest.errors import RestError, unauthenticated

__all__ = ["authenticate", "check_audience"]

_LEEWAY_S = 30
_NO_KEY = "No suitable key or wrong key type"


def authenticate(verifier: TokenVerifier, token: str | None) -> Identity:
    """The identity behind a token; the anonymous one without a token.

    Args:
        verifier: The stack's verifier.
        token: The bearer token.

    Raises:
        RestError: PGRST301 or PGRST303.
    """
    if token is None:
        return ANONYMOUS
    try:
        return verifier.verify(token, leeway_s=_LEEWAY_S)
    except TokenRefused as refused:
        raise _refusal(refused, token) from None


def check_audience(identity: Identity, audience: str | None) -> None:
    """Refuse a token that is meant for somebody else.

    Args:
        identity: The caller.
        audience: What the token's ``aud`` must be, or contain; ``None`` accepts any.

    Raises:
        RestError: PGRST303.
    """
    if audience is None or (claim := identity.claims.get("aud")) is None:
        return
    meant = [claim] if isinstance(claim, str) else claim
    if not isinstance(meant, list) or not all(isinstance(item, str) for item in meant):
        raise unauthenticated("PGRST303", "The JWT 'aud' claim must be a string or an array of strings")
    if meant and audience not in meant:
        raise unauthenticated("PGRST303", "JWT not in audience")


def _is_unsecured(token: str) -> bool:
    try:
        return str(jwt.get_unverified_header(token).get("alg")).lower() == "none"
    except jwt.InvalidTokenError:
        return False


def _refusal(refused: TokenRefused, token: str) -> RestError:
    fault = refused.fault
    if fault == "empty":
        return unauthenticated("PGRST301", "Empty JWT is sent in Authorization header")
    if fault == "malformed" and refused.parts is not None and refused.parts != 3:
        return unauthenticated("PGRST301", f"Expected 3 parts in JWT; got {refused.parts}")
    if fault == "algorithm":
        if _is_unsecured(token):
            details = "JWT is unsecured but expected 'alg' was not 'none'"
            return unauthenticated("PGRST301", "Wrong or unsupported encoding algorithm", details)
        return unauthenticated("PGRST301", _NO_KEY, "No suitable key was found to decode the JWT")
    if fault == "key":
        return unauthenticated("PGRST301", _NO_KEY, "No suitable key was found to decode the JWT")
    if fault == "signature":
        return unauthenticated("PGRST301", _NO_KEY, "None of the keys was able to decode the JWT")
    if fault == "expired":
        return unauthenticated("PGRST303", "JWT expired")
    if fault == "premature":
        issued = "issued" in refused.detail
        return unauthenticated("PGRST303", "JWT issued at future" if issued else "JWT not yet valid")
    if fault == "claims":
        return unauthenticated("PGRST303", "Parsing claims failed", refused.detail)
    return unauthenticated("PGRST301", "JWT cryptographic operation failed")
