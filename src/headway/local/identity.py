"""Whom a token speaks for, verified once and remembered."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jwt

from headway.local.keys import StackKeys

__all__ = ["ANONYMOUS", "Identity", "TokenFault", "TokenRefused", "TokenVerifier"]

TokenFault = Literal["empty", "malformed", "algorithm", "key", "signature", "expired", "premature", "claims"]

_CACHE_SIZE = 1000
# Metadata travels in the token; the gateway takes 64 KiB of headers in all.
_MAX_TOKEN_BYTES = 48 * 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller.

    Args:
        role: The database role of the token's ``role`` claim, ``anon`` without one.
        claims: All claims of the token.
        claims_json: The same as compact JSON, ready for the GUC ``request.jwt.claims``.
        token: The JWT as presented; ``None`` for a caller without one.
        expires_at: The ``exp`` claim in Unix seconds, or ``None``.
    """

    role: str
    claims: Mapping[str, Any]
    claims_json: str
    token: str | None
    expires_at: int | None

    @property
    def subject(self) -> str | None:
        """The user id, or ``None`` for API keys."""
        sub = self.claims.get("sub")
        return sub if isinstance(sub, str) else None


ANONYMOUS = Identity("anon", {"role": "anon"}, '{"role":"anon"}', None, None)


class TokenRefused(Exception):
    """A token is not accepted; each service words it in its own way.

    Args:
        fault: What is wrong with it.
        detail: A sentence without any part of the token.
        expired_for: With ``fault="expired"``: whole seconds since the expiry.
        parts: With ``fault="malformed"``: how many dot-separated parts the token has.
    """

    def __init__(
        self, fault: TokenFault, detail: str, *, expired_for: int | None = None, parts: int | None = None
    ) -> None:
        super().__init__(detail)
        self.fault = fault
        self.detail = detail
        self.expired_for = expired_for
        self.parts = parts


def _is_key_id(kid: object) -> bool:
    return kid is None or isinstance(kid, str)


class TokenVerifier:
    """Verifies the stack's tokens: HS256 with its secret, ES256 (and RS256) with its public keys.

    The algorithm is bound to the key, never taken from the token alone, so a token cannot choose to be
    verified as ``none`` or with a public key as an HMAC secret (RFC 8725, section 3.1).

    Args:
        keys: The stack's keys.
    """

    def __init__(self, keys: StackKeys) -> None:
        self._secret = keys.jwt_secret
        self._kid = keys.signing_key.kid
        self._public_keys = {self._kid: ("ES256", keys.signing_key.private_key().public_key())}
        self._known: OrderedDict[str, Identity] = OrderedDict()

    def trust(self, kid: str, algorithm: Literal["ES256", "RS256"], public_key: Any) -> None:
        """Accept tokens of one more key pair from now on.

        Args:
            kid: The key id in the header of its tokens.
            algorithm: The only algorithm that its tokens may name.
            public_key: The public half, in the form that PyJWT verifies with.
        """
        self._public_keys[kid] = (algorithm, public_key)

    def verify(self, token: str, *, leeway_s: float = 30) -> Identity:
        """The identity behind a token whose signature and times hold.

        Args:
            token: A compact JWS.
            leeway_s: Clock skew allowed for ``exp``, ``nbf`` and ``iat``, in seconds (PostgREST allows 30,
                Realtime none).

        Raises:
            TokenRefused: with the fault.
        """
        identity = self._known.get(token)
        if identity is None:
            identity = self._decode(token)
            self._known[token] = identity
            if len(self._known) > _CACHE_SIZE:
                self._known.popitem(last=False)
        self._check_times(identity.claims, leeway_s)
        return identity

    def _decode(self, token: str) -> Identity:
        if not token:
            raise TokenRefused("empty", "the token is empty")
        if len(token) > _MAX_TOKEN_BYTES:
            raise TokenRefused("malformed", "the token is too long", parts=token.count(".") + 1)
        if (parts := token.count(".") + 1) != 3:
            raise TokenRefused("malformed", f"expected 3 parts in JWT; got {parts}", parts=parts)
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise TokenRefused("malformed", "the token's header cannot be decoded", parts=3) from error
        algorithm, kid = header.get("alg"), header.get("kid")
        key: Any
        if algorithm == "HS256":
            key = self._secret
        elif algorithm in ("ES256", "RS256"):
            known = self._public_keys.get(self._kid if kid is None else kid) if _is_key_id(kid) else None
            if known is None or known[0] != algorithm:
                raise TokenRefused("key", "no key has the token's key id and algorithm")
            key = known[1]
        else:
            raise TokenRefused("algorithm", "the token's algorithm is not accepted")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except jwt.InvalidSignatureError as error:
            raise TokenRefused("signature", "the token's signature does not verify") from error
        except jwt.InvalidTokenError as error:
            raise TokenRefused("malformed", "the token cannot be decoded", parts=3) from error
        return self._identity(token, claims)

    @staticmethod
    def _identity(token: str, claims: dict[str, Any]) -> Identity:
        role = claims.get("role", "anon")
        if not isinstance(role, str) or not role or "\x00" in role:
            raise TokenRefused("claims", "the claim role must be a non-empty string")
        if "sub" in claims and not isinstance(claims["sub"], str):
            raise TokenRefused("claims", "the claim sub must be a string")
        for name in ("exp", "nbf", "iat"):
            value = claims.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise TokenRefused("claims", f"the claim {name} must be a number")
        expires = claims.get("exp")
        return Identity(
            role=role,
            claims=claims,
            claims_json=json.dumps(claims, separators=(",", ":"), ensure_ascii=False),
            token=token,
            expires_at=None if expires is None else int(expires),
        )

    @staticmethod
    def _check_times(claims: Mapping[str, Any], leeway_s: float) -> None:
        now = time.time()
        expires, not_before, issued = claims.get("exp"), claims.get("nbf"), claims.get("iat")
        if expires is not None and now >= expires + leeway_s:
            raise TokenRefused("expired", "the token has expired", expired_for=int(now - expires))
        if not_before is not None and now < not_before - leeway_s:
            raise TokenRefused("premature", "the token is not valid yet")
        if issued is not None and now < issued - leeway_s:
            raise TokenRefused("premature", "the token was issued in the future")
