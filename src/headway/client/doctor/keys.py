"""Are the keys of the right kind and role, of this project, and alive?"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Literal
from urllib.parse import urlsplit

from headway.client.doctor.finding import Finding, fault, passed, skipped, warning
from headway.client.doctor.subject import Subject
from headway.errors import HeadwayError

__all__ = ["examine_public_key", "examine_secret_key", "examine_token"]

_COPY = "Copy it from Settings, API Keys."
_LEAST_TOKEN_LIFE_S = 60


async def examine_public_key(subject: Subject) -> Finding:
    """Whether the key that apps carry is one that everybody may have."""
    if subject.public_key is None:
        return skipped("public_key", "no publishable key is set", "Set SUPABASE_PUBLISHABLE_KEY.")
    kind, role = _kind(subject.public_key)
    if role == "service_role":
        return fault(
            "public_key",
            "SUPABASE_PUBLISHABLE_KEY holds a secret key: whoever has your app has all your data",
            "Put the publishable key there, and make a new secret key in Settings, API Keys.",
            kind=kind,
        )
    if (wrong := _foreign_or_expired("public_key", subject, subject.public_key)) is not None:
        return wrong
    if kind == "unknown":
        return fault("public_key", "SUPABASE_PUBLISHABLE_KEY is no key", _COPY, kind=kind)
    try:
        await subject.ask("GET", "/auth/v1/settings", caller="public")
    except HeadwayError as error:
        return fault("public_key", f"the publishable key is refused: {error.message}", _COPY, kind=kind)
    return passed("public_key", f"the public key is a {_NAMES[kind]} and is accepted", kind=kind)


async def examine_secret_key(subject: Subject) -> Finding:
    """Whether the key that workers carry speaks for the service role."""
    if subject.secret_key is None:
        return skipped("secret_key", "no secret key is set", "Set SUPABASE_SECRET_KEY where workers run.")
    kind, role = _kind(subject.secret_key)
    if role is not None and role != "service_role":
        return fault(
            "secret_key",
            f"SUPABASE_SECRET_KEY holds a key of role {role}, which may do nothing that a worker does",
            "Put the secret key (sb_secret_… or the legacy service_role key) there.",
            kind=kind,
            role=role,
        )
    if (wrong := _foreign_or_expired("secret_key", subject, subject.secret_key)) is not None:
        return wrong
    if kind == "unknown":
        return fault("secret_key", "SUPABASE_SECRET_KEY is no key", _COPY, kind=kind)
    try:
        await subject.ask("GET", "/auth/v1/admin/users?page=1&per_page=1", caller="secret")
    except HeadwayError as error:
        return fault("secret_key", f"the secret key is refused: {error.message}", _COPY, kind=kind)
    return passed("secret_key", f"the secret key is a {_NAMES[kind]} and is accepted", kind=kind)


async def examine_token(subject: Subject) -> Finding:
    """Whether the user's token is alive, and for how long."""
    if subject.token is None:
        return skipped(
            "token",
            "nobody is signed in",
            "`headway login`, or set HEADWAY_ACCESS_TOKEN, to have RLS checked.",
        )
    claims = _claims(subject.token)
    sign_in = "Sign in again, and send the session's access_token."
    if not claims:
        return fault("token", "the access token is no JWT", sign_in)
    if claims.get("role") != "authenticated":
        return fault(
            "token", f"the access token is of role {str(claims.get('role'))[:40]}, not a user's", sign_in
        )
    try:
        await subject.ask("GET", "/auth/v1/user", caller="user")
    except HeadwayError as error:
        return fault("token", f"the access token is refused: {error.message}", sign_in)
    expires = claims.get("exp")
    if not isinstance(expires, (int, float)):
        return warning("token", "the access token never expires", "Use tokens that Auth has made.")
    left = expires - subject.wall()
    facts = {"seconds_left": round(left), "user_id": subject.user_id}
    if left < _LEAST_TOKEN_LIFE_S:
        return warning(
            "token",
            f"the access token lives for {max(left, 0):.0f} s more",
            "Give a function that makes fresh tokens, or raise auth.jwt_expiry.",
            **facts,
        )
    return passed(
        "token", f"the access token of user {subject.user_id} lives for {left / 60:.0f} min more", **facts
    )


_Kind = Literal["publishable", "secret", "anon", "service_role", "jwt", "unknown"]
_NAMES: dict[str, str] = {
    "publishable": "publishable key",
    "secret": "secret key",
    "anon": "legacy anon key",
    "service_role": "legacy service_role key",
    "jwt": "JWT",
}


def _kind(key: str) -> tuple[_Kind, str | None]:
    if key.startswith("sb_publishable_"):
        return "publishable", "anon"
    if key.startswith("sb_secret_"):
        return "secret", "service_role"
    role = _claims(key).get("role")
    if role == "anon":
        return "anon", "anon"
    if role == "service_role":
        return "service_role", "service_role"
    return ("jwt", role) if isinstance(role, str) else ("unknown", None)


def _foreign_or_expired(check: str, subject: Subject, key: str) -> Finding | None:
    claims = _claims(key)
    expires = claims.get("exp")
    if isinstance(expires, (int, float)) and expires < subject.wall():
        return fault(check, "the key has expired", "Use the new keys of Settings, API Keys.")
    ref, host = claims.get("ref"), urlsplit(subject.url).hostname or ""
    if isinstance(ref, str) and host.endswith(".supabase.co") and host != f"{ref}.supabase.co":
        return fault(check, f"the key is of project {ref[:40]}, the URL of {host}", _COPY)
    return None


def _claims(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        decoded = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
