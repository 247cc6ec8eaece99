"""How webhooks are signed: Standard Webhooks, https://www.standardwebhooks.com, symmetric scheme ``v1``.

HMAC-SHA256, keyed with the bytes that the secret encodes after ``whsec_``, over ``<id>.<timestamp>.<body>``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping

from headway.errors import ConfigError, Denied, InvalidRequest

__all__ = ["SIGNATURE_HEADERS", "check_signature", "sign"]

_PREFIX = "whsec_"
_ID, _TIMESTAMP, _SIGNATURE = SIGNATURE_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
# A header with thousands of signatures would make the receiver compute for each.
_MOST_SIGNATURES = 16


def sign(body: bytes, *, message_id: str, timestamp: int, secrets: Iterable[str]) -> dict[str, str]:
    """The headers that prove where a body comes from and when it was sent.

    Args:
        body: Exactly what is sent.
        message_id: What stays the same when the message is sent again.
        timestamp: Seconds since 1970 of this sending.
        secrets: Each adds a signature, so that a receiver may hold the new one or the former.

    Raises:
        ConfigError: a secret is none.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = " ".join(f"v1,{_signature(signed, secret)}" for secret in secrets)
    return {_ID: message_id, _TIMESTAMP: str(timestamp), _SIGNATURE: signatures}


def check_signature(
    body: bytes, headers: Mapping[str, str], secrets: Iterable[str], *, now: float, tolerance: float
) -> str:
    """The id of a message that one of the secrets has signed a short while ago.

    Args:
        body: What was received, unchanged.
        headers: The request's headers; names in any case.
        secrets: Those of which one must have signed.
        now: Seconds since 1970.
        tolerance: How many seconds the sending may be away from ``now``, before or after.

    Raises:
        InvalidRequest: a header is missing or malformed.
        Denied: no secret has signed this, or the sending was too long ago.
        ConfigError: a secret is none.
    """
    given = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in SIGNATURE_HEADERS if not given.get(name)]
    if missing:
        raise InvalidRequest(
            f"{missing[0]}: the header is missing",
            hint="Only signed webhooks are accepted.",
            code="webhook_header_missing",
            details=missing[0],
        )
    stated = given[_TIMESTAMP]
    if not (stated.isascii() and stated.isdigit() and len(stated) <= 12):
        raise InvalidRequest(
            f"{_TIMESTAMP}: not a number of seconds since 1970",
            hint="Only signed webhooks are accepted.",
            code="webhook_timestamp_invalid",
            details=_TIMESTAMP,
        )
    signed = f"{given[_ID]}.{stated}.".encode() + body
    presented = [
        signature.removeprefix("v1,").encode()
        for signature in given[_SIGNATURE].split()[:_MOST_SIGNATURES]
        if signature.startswith("v1,")
    ]
    expected = [_signature(signed, secret).encode() for secret in secrets]
    if not any(hmac.compare_digest(one, other) for one in presented for other in expected):
        raise Denied(
            f"{_SIGNATURE}: no secret has signed this body",
            hint="Verify the body as it was received, with the endpoint's own secret.",
            code="webhook_signature_invalid",
            details=_SIGNATURE,
        )
    if abs(now - int(stated)) > tolerance:
        raise Denied(
            f"{_TIMESTAMP}: the webhook was not sent just now",
            hint="Set the clock of this machine; a webhook that is sent again has a new timestamp.",
            code="webhook_too_old",
            details=_TIMESTAMP,
        )
    return given[_ID]


def _signature(signed: bytes, secret: str) -> str:
    return base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ConfigError(
            "secret: not a webhook secret",
            hint=f"Pass what create_endpoint answered, beginning with {_PREFIX}.",
            code="webhook_secret_invalid",
        )
    return key
