"""What this stack does not do, answered as the real server answers when the feature is switched off.

Source: supabase/auth ``internal/api/{api,external,external_oauth,middleware,mfa,web3,token_oidc}.go``.
"""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from headway.local.auth.call import Call
from headway.local.auth.errors import AuthError, bad_request, forbidden, not_found, unprocessable
from headway.local.auth.redirects import with_query
from headway.local.auth.representation import json_response

__all__ = [
    "OAUTH_PROVIDERS",
    "admin_custom_providers",
    "admin_factor",
    "admin_factors",
    "admin_oauth_clients",
    "admin_passkeys",
    "admin_sso_provider",
    "admin_sso_providers",
    "authorize",
    "callback",
    "enroll_factor",
    "factor",
    "id_token_grant",
    "oauth_server",
    "passkeys",
    "sso",
    "web3_grant",
]

OAUTH_PROVIDERS = (
    "apple",
    "azure",
    "bitbucket",
    "discord",
    "facebook",
    "snapchat",
    "figma",
    "fly",
    "github",
    "gitlab",
    "google",
    "keycloak",
    "kakao",
    "linkedin",
    "linkedin_oidc",
    "notion",
    "spotify",
    "slack",
    "slack_oidc",
    "workos",
    "twitch",
    "twitter",
    "zoom",
)
_ISSUERS = {
    "apple": "https://appleid.apple.com",
    "facebook": "https://www.facebook.com",
    "google": "https://accounts.google.com",
    "kakao": "https://kauth.kakao.com",
}
_FACTORS = {"totp": "TOTP", "phone": "Phone", "webauthn": "WebAuthn"}


def unsupported_provider(name: str) -> AuthError:
    """400: no OAuth provider is enabled here."""
    if name.lower() in (*OAUTH_PROVIDERS, "x", "vercel_marketplace"):
        return bad_request("validation_failed", "Unsupported provider: provider is not enabled")
    return bad_request("validation_failed", f"Unsupported provider: Provider {name[:64]} could not be found")


async def authorize(call: Call) -> Response:
    """``GET /authorize``: no OAuth provider is enabled."""
    raise unsupported_provider(call.query("provider"))


async def callback(call: Call) -> Response:
    """``GET`` and ``POST /callback``: no provider was ever asked to call back."""
    return RedirectResponse(
        with_query(
            call.settings.site_url,
            {
                "error": "invalid_request",
                "error_code": "bad_oauth_callback",
                "error_description": "OAuth state parameter missing"
                if not call.query("state")
                else "OAuth state is invalid",
            },
        ),
        303,
    )


async def id_token_grant(call: Call) -> Response:
    """``POST /token?grant_type=id_token``: no OpenID Connect provider is enabled."""
    fields = call.fields()
    provider, issuer = fields.text("provider"), fields.text("issuer")
    if not fields.text("id_token"):
        raise AuthError(400, "validation_failed", "id_token required", oauth="invalid request")
    if not provider and not (fields.text("client_id") and issuer):
        raise AuthError(
            400, "validation_failed", "provider or client_id and issuer required", oauth="invalid request"
        )
    if provider in OAUTH_PROVIDERS or issuer in _ISSUERS.values():
        shown = _ISSUERS.get(provider, issuer)
        raise bad_request("provider_disabled", f'Provider (issuer "{shown[:256]}") is not enabled')
    if provider.startswith("custom:"):
        raise bad_request("validation_failed", "Custom OAuth providers are disabled")
    raise bad_request("validation_failed", f'Custom OIDC provider "{provider[:64]}" not allowed')


async def web3_grant(call: Call) -> Response:
    """``POST /token?grant_type=web3``: no chain is enabled."""
    match call.fields().text("chain"):
        case "solana":
            raise unprocessable("web3_provider_disabled", "Solana Web3 provider is disabled")
        case "ethereum":
            raise unprocessable("web3_provider_disabled", "Ethereum Web3 provider is disabled")
        case _:
            raise bad_request("web3_unsupported_chain", "Unsupported chain")


async def sso(call: Call) -> Response:
    """``/sso``: SAML is off."""
    raise not_found("saml_provider_disabled", "SAML 2.0 is disabled")


async def passkeys(call: Call) -> Response:
    """``/passkeys``: passkeys are off."""
    raise not_found("passkey_disabled", "Passkeys are disabled")


async def oauth_server(call: Call) -> Response:
    """``/oauth``: the OAuth server is off."""
    raise not_found("feature_disabled", "OAuth server is disabled")


async def enroll_factor(call: Call) -> Response:
    """``POST /factors``: no second factor is enabled."""
    await _not_anonymous(call)
    kind = call.fields().text("factor_type")
    if kind not in _FACTORS:
        raise bad_request("validation_failed", "factor_type needs to be totp, phone, or webauthn")
    raise unprocessable(f"mfa_{kind}_enroll_not_enabled", f"MFA enroll is disabled for {_FACTORS[kind]}")


async def factor(call: Call) -> Response:
    """``/factors/{factor_id}``: nobody has a second factor."""
    await _not_anonymous(call)
    raise _no_factor(call)


async def _not_anonymous(call: Call) -> None:
    caller = await call.caller()
    if caller.claims.get("is_anonymous"):
        raise forbidden("no_authorization", "Anonymous user not allowed to perform these actions")


def _no_factor(call: Call) -> AuthError:
    if call.path_id("factor_id") is None:
        return not_found("validation_failed", "factor_id must be an UUID")
    return not_found("mfa_factor_not_found", "Factor not found")


async def admin_factors(call: Call) -> Response:
    """``GET /admin/users/{user_id}/factors``: nobody has a second factor."""
    await call.admin()
    return json_response([])


async def admin_factor(call: Call) -> Response:
    """``/admin/users/{user_id}/factors/{factor_id}``: nobody has a second factor."""
    await call.admin()
    raise _no_factor(call)


async def admin_passkeys(call: Call) -> Response:
    """``/admin/users/{user_id}/passkeys``: passkeys are off."""
    await call.admin()
    raise not_found("passkey_disabled", "Passkeys are disabled")


async def admin_sso_providers(call: Call) -> Response:
    """``GET /admin/sso/providers``: there are none; ``POST``: SAML is off."""
    await call.admin()
    if call.request.method == "GET":
        return json_response({"items": []})
    return await sso(call)


async def admin_sso_provider(call: Call) -> Response:
    """``/admin/sso/providers/{id}``: there are none."""
    await call.admin()
    raise not_found("sso_provider_not_found", "SSO Identity Provider not found")


async def admin_oauth_clients(call: Call) -> Response:
    """``/admin/oauth``: the OAuth server is off."""
    await call.admin()
    return await oauth_server(call)


async def admin_custom_providers(call: Call) -> Response:
    """``/admin/custom-providers``: own OAuth providers are off."""
    await call.admin()
    raise not_found("feature_disabled", "Custom OAuth providers are disabled")
