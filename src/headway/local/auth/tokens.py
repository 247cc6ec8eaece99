"""Sessions as the API hands them out: an access token with its claims, beside a refresh token.

Source: supabase/auth ``internal/tokens/service.go``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from headway.local.auth import identities, sessions, users
from headway.local.auth.database import Connection
from headway.local.auth.hooks import AccessTokenHook
from headway.local.auth.models import User
from headway.local.auth.representation import user_json
from headway.local.auth.settings import AuthSettings
from headway.local.auth.signing import TokenSigner

__all__ = ["Granted", "TokenIssuer"]


@dataclass(frozen=True, slots=True)
class Granted:
    """A session as a client receives it."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    expires_at: int
    session_id: UUID
    user: dict[str, Any]

    def json(self) -> dict[str, Any]:
        """The body of a token response."""
        return {
            "access_token": self.access_token,
            "token_type": "bearer",
            "expires_in": self.expires_in,
            "expires_at": self.expires_at,
            "refresh_token": self.refresh_token,
            "user": self.user,
        }

    def fragment(self, kind: str) -> dict[str, str]:
        """The parameters of a redirect that signs a browser in.

        Args:
            kind: Which sort of link it was.
        """
        return {
            "access_token": self.access_token,
            "expires_at": str(self.expires_at),
            "expires_in": str(self.expires_in),
            "refresh_token": self.refresh_token,
            "token_type": "bearer",
            "type": kind,
        }

    def headers(self) -> dict[str, str]:
        """For the logs of whoever stands in front."""
        return {
            "sb-auth-user-id": str(self.user["id"]),
            "sb-auth-session-id": str(self.session_id),
            "sb-auth-refresh-token-prefix": self.refresh_token[:5],
        }


class TokenIssuer:
    """Makes sessions for users whose identity is proven.

    Args:
        settings: Auth's settings.
        signer: What signs.
        hook: The project's own say in the claims, if it has one.
    """

    def __init__(self, settings: AuthSettings, signer: TokenSigner, hook: AccessTokenHook | None) -> None:
        self._settings = settings
        self._signer = signer
        self._hook = hook

    async def sign_in(
        self, connection: Connection, user: User, method: str, client: sessions.Client, now: datetime
    ) -> Granted:
        """A new session.

        Args:
            connection: In the transaction of the sign-in.
            user: Who proved who they are.
            method: How, as in the ``amr`` claim.
            client: From where.
            now: When.
        """
        user = await users.update(connection, user, now, last_sign_in_at=now)
        session_id, refresh_token = await sessions.begin(connection, user.id, method, client, now)
        return await self.grant(connection, user, session_id, refresh_token, now, method)

    async def grant(
        self,
        connection: Connection,
        user: User,
        session_id: UUID,
        refresh_token: str,
        now: datetime,
        method: str = "token_refresh",
    ) -> Granted:
        """An access token for a session that is there; arguments as for ``sign_in``."""
        issued = int(now.timestamp())
        expires = issued + self._settings.jwt_expiry_s
        claims: dict[str, Any] = {
            "iss": self._settings.issuer,
            "sub": str(user.id),
            "aud": user.aud,
            "exp": expires,
            "iat": issued,
            "email": user.email,
            "phone": user.phone,
            "app_metadata": dict(user.app_metadata),
            "user_metadata": dict(user.user_metadata),
            "role": user.role,
            "aal": "aal1",
            "amr": await sessions.authentication_methods(connection, session_id),
            "session_id": str(session_id),
            "is_anonymous": user.is_anonymous,
        }
        if self._hook is not None:
            claims = await self._hook.claims(connection, user.id, claims, method)
        return Granted(
            access_token=self._signer.sign(claims),
            refresh_token=refresh_token,
            expires_in=self._settings.jwt_expiry_s,
            expires_at=expires,
            session_id=session_id,
            user=user_json(user, await identities.of_user(connection, user.id)),
        )
