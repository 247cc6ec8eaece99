"""Who asks, and with what rights their statements run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from headway.local.identity import ANONYMOUS, Identity, TokenRefused, TokenVerifier
from headway.local.keys import StackKeys
from headway.local.storage.faults import StorageFault, access_denied, unreadable_request
from headway.local.storage.requests import StorageRequest

__all__ = ["Caller", "Callers"]

_BEARER_PREFIX = re.compile(r"^Bearer\s+", re.IGNORECASE)

# The service's own login, which owns the tables and so passes their policies: no token may become it.
_OWN_ROLES = frozenset(("none", "supabase_storage_admin"))

# The wording of the JWT library that the real service uses.
_WORDING = {
    "empty": "Invalid Compact JWS",
    "malformed": "Invalid Compact JWS",
    "algorithm": '"alg" (Algorithm) Header Parameter value not allowed',
    "key": "signature verification failed",
    "signature": "signature verification failed",
    "expired": '"exp" claim timestamp check failed',
    "premature": '"nbf" claim timestamp check failed',
    "claims": "invalid JWT claims set",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose row level security decides.

    Args:
        role: The database role.
        claims_json: The token's claims, for ``request.jwt.claims``.
        token: The token, for ``request.jwt``.
        owner: The token's subject, which owns what is uploaded; ``None`` for API keys.
        authenticated: Whether a valid token was presented.
    """

    role: str
    claims_json: str
    token: str
    owner: str | None
    authenticated: bool

    @classmethod
    def of(cls, identity: Identity, *, authenticated: bool) -> Caller:
        """The caller behind a verified token.

        Args:
            identity: The verified token.
            authenticated: Whether there was one.
        """
        return cls(
            role=identity.role,
            claims_json=identity.claims_json,
            token=identity.token or "",
            owner=identity.subject,
            authenticated=authenticated,
        )


class Callers:
    """Tells callers by their token, and holds the service's own elevated identity.

    Args:
        verifier: The stack's verifier.
        keys: The stack's keys.
    """

    def __init__(self, verifier: TokenVerifier, keys: StackKeys) -> None:
        self._verifier = verifier
        self.anonymous = Caller.of(ANONYMOUS, authenticated=False)
        self.elevated = Caller.of(verifier.verify(keys.service_role_key), authenticated=True)

    def require(self, request: StorageRequest) -> Caller:
        """The caller of a route that needs a token.

        Args:
            request: The request.

        Raises:
            StorageFault: there is no token, or it is not valid.
        """
        if "authorization" not in request.headers:
            raise unreadable_request("headers must have required property 'authorization'")
        return self._verify(request)

    def accept(self, request: StorageRequest) -> Caller:
        """The caller of a route that public content can be had from without a valid token.

        Args:
            request: The request.
        """
        try:
            return self._verify(request)
        except StorageFault:
            return self.anonymous

    def require_service(self, request: StorageRequest) -> Caller:
        """The caller of a route for the service role only.

        Args:
            request: The request.

        Raises:
            StorageFault: the caller is another; this one keeps its real HTTP status, 403.
        """
        caller = self.require(request)
        if caller.role != "service_role":
            raise access_denied("Access denied: Invalid role", http_status=403)
        return caller

    def _verify(self, request: StorageRequest) -> Caller:
        token = _BEARER_PREFIX.sub("", request.headers.get("authorization", ""))
        try:
            # No leeway: the real service allows none.
            identity = self._verifier.verify(token, leeway_s=0)
        except TokenRefused as refused:
            raise access_denied(_WORDING[refused.fault]) from None
        if identity.role in _OWN_ROLES:
            raise access_denied(f'permission denied to set role "{identity.role}"')
        return Caller.of(identity, authenticated=True)
