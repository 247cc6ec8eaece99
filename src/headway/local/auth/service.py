"""The service that the gateway mounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from headway.local.auth.app import build_app
from headway.local.auth.call import Parts
from headway.local.auth.database import AuthDatabase
from headway.local.auth.hooks import access_token_hook
from headway.local.auth.mail.inbox import Inbox
from headway.local.auth.mail.inbox_app import build_inbox_app
from headway.local.auth.mail.letters import Postman
from headway.local.auth.mail.templates import MailTemplates
from headway.local.auth.passwords import PasswordHasher, PasswordPolicy
from headway.local.auth.ratelimits import RateLimits
from headway.local.auth.redirects import RedirectPolicy
from headway.local.auth.settings import AuthSettings
from headway.local.auth.signing import TokenSigner
from headway.local.auth.tokens import TokenIssuer
from headway.local.service import StackContext

__all__ = ["AuthService", "build"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class AuthService:
    """``/auth/v1`` over the stack's ``auth`` schema, and the inbox where its mails land.

    Args:
        context: The stack's.
        clock: The time now; tests bring their own.

    Raises:
        ConfigError: a signing key file or a mail template of config.toml cannot be used.
    """

    name = "auth"

    def __init__(self, context: StackContext, clock: Callable[[], datetime] = _utc_now) -> None:
        auth = context.config.auth
        settings = AuthSettings.of(context)
        key_file = Path(auth.signing_keys_path) if auth.signing_keys_path else None
        signer = TokenSigner(context.keys, context.settings.jwt_algorithm, key_file, context.verifier)
        limits = RateLimits(settings.rate_limits, clock)
        self._database = AuthDatabase(context.database)
        self._passwords = PasswordHasher()
        self._signer = signer
        self.inbox = Inbox()
        self.inbox_app: ASGIApp = build_inbox_app(self.inbox)
        self.app: ASGIApp = build_app(
            Parts(
                settings=settings,
                database=self._database,
                verifier=context.verifier,
                signer=signer,
                issuer=TokenIssuer(settings, signer, access_token_hook(auth.hook)),
                passwords=self._passwords,
                policy=PasswordPolicy(auth.minimum_password_length, auth.password_requirements),
                redirects=RedirectPolicy(auth.site_url, auth.additional_redirect_urls),
                postman=Postman(settings, MailTemplates(settings.templates), limits),
                inbox=self.inbox,
                limits=limits,
                clock=clock,
            )
        )

    async def start(self) -> None:
        """Be ready for requests."""
        await self._database.open()

    async def stop(self) -> None:
        """Close connections and threads."""
        await self._database.close()
        self._passwords.close()

    def status(self) -> Mapping[str, Any]:
        """Figures for ``headway status``."""
        return {
            "connections": self._database.size,
            "mails": len(self.inbox),
            "signing_algorithm": self._signer.algorithm,
        }


def build(context: StackContext) -> AuthService:
    """The service, not started."""
    return AuthService(context)
