"""How times, users and sessions look in JSON.

Source: supabase/auth ``internal/models/user.go``, ``identity.go`` and ``internal/tokens/service.go`` (tags).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import Response

from headway.local.auth.models import Identity, User

__all__ = ["identity_json", "json_response", "timestamp", "user_json"]


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``body`` as JSON that no cache keeps.

    Args:
        body: What orjson can write.
        status: The HTTP status.
        headers: Further headers; they win over ``Cache-Control: no-store``.
    """
    return Response(
        orjson.dumps(body),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        "application/json",
    )


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC without needless zeros, as Go writes it."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def identity_json(identity: Identity) -> dict[str, Any]:
    """One way in which a user can sign in."""
    body: dict[str, Any] = {
        "identity_id": str(identity.id),
        "id": identity.provider_id,
        "user_id": str(identity.user_id),
        "identity_data": dict(identity.data),
        "provider": identity.provider,
    }
    if identity.last_sign_in_at is not None:
        body["last_sign_in_at"] = timestamp(identity.last_sign_in_at)
    body["created_at"] = timestamp(identity.created_at)
    body["updated_at"] = timestamp(identity.updated_at)
    if identity.email:
        body["email"] = identity.email
    return body


def user_json(user: User, identities: Sequence[Identity]) -> dict[str, Any]:
    """A user as every endpoint shows it; no token, hash or other secret is among the fields."""
    body: dict[str, Any] = {
        "id": str(user.id),
        "aud": user.aud,
        "role": user.role,
        "email": user.email,
        "phone": user.phone,
    }
    for name in (
        "email_confirmed_at",
        "invited_at",
        "phone_confirmed_at",
        "confirmation_sent_at",
        "confirmed_at",
        "recovery_sent_at",
        "email_change_sent_at",
        "phone_change_sent_at",
        "reauthentication_sent_at",
        "last_sign_in_at",
        "banned_until",
        "deleted_at",
    ):
        moment: datetime | None = getattr(user, name)
        if moment is not None:
            body[name] = timestamp(moment)
    if user.email_change:
        body["new_email"] = user.email_change
    if user.phone_change:
        body["new_phone"] = user.phone_change
    body["app_metadata"] = dict(user.app_metadata)
    body["user_metadata"] = dict(user.user_metadata)
    body["identities"] = [identity_json(identity) for identity in identities]
    body["created_at"] = timestamp(user.created_at)
    body["updated_at"] = timestamp(user.updated_at)
    body["is_anonymous"] = user.is_anonymous
    return body
