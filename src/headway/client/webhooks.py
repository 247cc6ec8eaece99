"""Webhooks as their receivers meet them: verified, or signed for a test of one's own."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway.core.webhook import check_signature, sign
from headway.errors import ConfigError, InvalidRequest

__all__ = ["Webhook", "check_webhook_signature", "sign_webhook", "verify_webhook"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A message that Headway has sent.

    Attributes:
        id: The same whenever the message is sent again: remember it, and do nothing the second time.
        type: ``job.completed``, ``job.failed``, ``job.cancelled`` or ``ping``.
        data: The job as it ended; docs/sql.md, Notifications, lists the fields.
        document: The whole body.
    """

    id: str
    type: str
    data: dict[str, Any]
    document: dict[str, Any]


def verify_webhook(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    tolerance: float = 300,
) -> Webhook:
    """The message in a webhook's body, if Headway has signed it just now; an error otherwise.

    Args:
        body: The request's body as it was received, before any parsing.
        headers: Its headers; names in any case.
        secret: The endpoint's secret, ``whsec_…``; several while one is being replaced.
        tolerance: How many seconds ago it may have been sent; what is older may be somebody's recording.

    Raises:
        Denied: somebody else has made it, it was changed on its way, or it is old. Answer 401.
        InvalidRequest: it is no webhook of Headway's. Answer 400.
        ConfigError: the secret is none, or the body was parsed already.
    """
    received = _bytes(body)
    message_id = check_webhook_signature(received, headers, secret, tolerance)
    try:
        document = json.loads(received)
    except (ValueError, RecursionError):
        document = None
    if not (
        isinstance(document, dict)
        and isinstance(document.get("type"), str)
        and isinstance(document.get("data"), dict)
    ):
        raise InvalidRequest(
            "body: not a message of Headway's",
            hint="Give this secret to one endpoint only.",
            code="webhook_body_invalid",
            details="body",
        )
    return Webhook(message_id, document["type"], document["data"], document)


def check_webhook_signature(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    tolerance: float = 300,
) -> str:
    """The id of a Standard Webhooks message of anybody, if the secret has signed it just now.

    Args:
        body: The request's body as it was received; any content.
        headers: As in ``verify_webhook``.
        secret: As in ``verify_webhook``.
        tolerance: As in ``verify_webhook``.

    Raises:
        Denied: as ``verify_webhook``.
        InvalidRequest: a header is missing or malformed.
        ConfigError: the secret is none.
    """
    return check_signature(_bytes(body), headers, _list(secret), now=time.time(), tolerance=tolerance)


def sign_webhook(
    body: bytes | str,
    secret: str | Sequence[str],
    *,
    message_id: str,
    timestamp: int | None = None,
) -> dict[str, str]:
    """The three headers with which ``verify_webhook`` accepts a body.

    Args:
        body: Exactly what is sent.
        secret: ``whsec_…``; with several, each signs.
        message_id: What stays the same when the message is sent again; without a dot.
        timestamp: Seconds since 1970; now when omitted.

    Raises:
        ConfigError: the secret is none.
    """
    moment = int(time.time()) if timestamp is None else timestamp
    return sign(_bytes(body), message_id=message_id, timestamp=moment, secrets=_list(secret))


def _bytes(body: bytes | str) -> bytes:
    if isinstance(body, str):
        return body.encode()
    if not isinstance(body, bytes | bytearray | memoryview):
        raise ConfigError(
            f"body: is a {type(body).__name__}, not what was received",
            hint="Pass the request's raw body, such as `await request.body()`, before anything parses it.",
            code="webhook_body_parsed",
        )
    return bytes(body)


def _list(secret: str | Sequence[str]) -> Sequence[str]:
    secrets = [secret] if isinstance(secret, str) else secret
    if not isinstance(secrets, Sequence) or not secrets or not all(isinstance(one, str) for one in secrets):
        # As when the variable that holds it is not set: nobody's signature must be what is wrong then.
        raise ConfigError(
            "secret: is missing",
            hint="Pass what create_endpoint answered, beginning with whsec_.",
            code="webhook_secret_invalid",
        )
    return secrets
