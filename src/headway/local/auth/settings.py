"""What config.toml and this machine's settings mean for Auth, decided once at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from headway.local.config import AuthEmailTemplateConfig, AuthRateLimitConfig
from headway.local.service import StackContext

__all__ = ["AUDIENCE", "DEFAULT_ROLE", "AuthSettings"]

AUDIENCE = "authenticated"
DEFAULT_ROLE = "authenticated"


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Auth's choices; the names follow the real server's configuration."""

    external_url: str
    """Where clients reach Auth, without a trailing slash: ``…/auth/v1``."""
    issuer: str
    site_url: str
    jwt_expiry_s: int
    signup_enabled: bool
    email_enabled: bool
    anonymous_enabled: bool
    manual_linking_enabled: bool
    autoconfirm: bool
    double_confirm_changes: bool
    secure_password_change: bool
    mail_frequency: timedelta
    otp_length: int
    otp_expiry: timedelta
    rotation_enabled: bool
    reuse_interval: timedelta
    session_timebox: timedelta
    """How long a session lasts at most; zero is for ever."""
    session_inactivity: timedelta
    """How long a session lasts without a refresh; zero is for ever."""
    templates: Mapping[str, AuthEmailTemplateConfig]
    rate_limits: AuthRateLimitConfig | None

    @classmethod
    def of(cls, context: StackContext) -> AuthSettings:
        """The settings of a stack.

        Args:
            context: The stack's.
        """
        auth, email = context.config.auth, context.config.auth.email
        external_url = f"{context.public_url}/auth/v1"
        return cls(
            external_url=external_url,
            issuer=auth.jwt_issuer or external_url,
            site_url=auth.site_url,
            jwt_expiry_s=auth.jwt_expiry,
            signup_enabled=auth.enable_signup,
            email_enabled=email.enable_signup,
            anonymous_enabled=auth.enable_anonymous_sign_ins,
            manual_linking_enabled=auth.enable_manual_linking,
            autoconfirm=not email.enable_confirmations,
            double_confirm_changes=email.double_confirm_changes,
            secure_password_change=email.secure_password_change,
            mail_frequency=timedelta(seconds=email.max_frequency),
            otp_length=email.otp_length,
            otp_expiry=timedelta(seconds=email.otp_expiry),
            rotation_enabled=auth.enable_refresh_token_rotation,
            reuse_interval=timedelta(seconds=auth.refresh_token_reuse_interval),
            session_timebox=timedelta(seconds=auth.sessions.timebox),
            session_inactivity=timedelta(seconds=auth.sessions.inactivity_timeout),
            templates=email.template,
            rate_limits=auth.rate_limit if context.settings.rate_limits else None,
        )
