"""What anybody may know: health, settings and public keys.

Source: supabase/auth ``internal/api/{api,settings,jwks}.go``.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from starlette.responses import Response

from headway.local.auth.call import Call
from headway.local.auth.endpoints.disabled import OAUTH_PROVIDERS
from headway.local.auth.representation import json_response

__all__ = ["health", "jwks", "openid_configuration", "settings"]

_CACHED = {"Cache-Control": "public, max-age=600"}


def _version() -> str:
    try:
        return f"headway-{version('headway')}"
    except PackageNotFoundError:
        return "headway"


async def health(call: Call) -> Response:
    """``GET /health``: that Auth answers."""
    return json_response(
        {
            "version": _version(),
            "name": "GoTrue",
            "description": "GoTrue is a user registration and authentication API",
        }
    )


async def settings(call: Call) -> Response:
    """``GET /settings``: which ways to sign in are open."""
    chosen = call.settings
    return json_response(
        {
            "external": {
                "anonymous_users": chosen.anonymous_enabled,
                **dict.fromkeys(OAUTH_PROVIDERS, False),
                "email": chosen.email_enabled,
                "phone": False,
            },
            "disable_signup": not chosen.signup_enabled,
            "mailer_autoconfirm": chosen.autoconfirm,
            "phone_autoconfirm": False,
            "sms_provider": "",
            "saml_enabled": False,
            "saml_private_key_next_configured": False,
            "passkeys_enabled": False,
        }
    )


async def jwks(call: Call) -> Response:
    """``GET /.well-known/jwks.json``: the public keys that access tokens verify with."""
    return json_response(call.parts.signer.jwks(), headers=_CACHED)


async def openid_configuration(call: Call) -> Response:
    """``GET /.well-known/openid-configuration``: where the keys are, in OpenID Connect's words."""
    issuer = call.settings.issuer.rstrip("/")
    return json_response(
        {
            "issuer": call.settings.issuer,
            "authorization_endpoint": f"{issuer}/oauth/authorize",
            "token_endpoint": f"{issuer}/oauth/token",
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "userinfo_endpoint": f"{issuer}/oauth/userinfo",
            "scopes_supported": ["openid", "profile", "email", "phone"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "claims_supported": [
                "sub",
                "aud",
                "iss",
                "exp",
                "iat",
                "auth_time",
                "nonce",
                "email",
                "email_verified",
                "phone_number",
                "phone_number_verified",
                "name",
                "picture",
                "preferred_username",
                "updated_at",
            ],
            "code_challenge_methods_supported": ["S256", "plain"],
        },
        headers=_CACHED,
    )
