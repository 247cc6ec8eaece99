"""``POST /v1/realtime/client_secrets``: short-lived keys for browsers.

Source: https://platform.openai.com/docs/api-reference/realtime-sessions/create-realtime-client-secret.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headway.sandbox.openai.asking import json_body
from headway.sandbox.openai.errors import OpenAIError, request_headers
from headway.sandbox.openai.models import find_model

if TYPE_CHECKING:
    from headway.sandbox.app import Sandbox

__all__ = ["create_client_secret"]

_KNOWN = frozenset({"expires_after", "session"})
_SHORTEST_S, _DEFAULT_S, _LONGEST_S = 10, 600, 7200


async def create_client_secret(sandbox: Sandbox, request: Request) -> Response:
    """Make a secret for a session.

    Args:
        sandbox: Its ledger is used.
        request: The request.

    Raises:
        OpenAIError: it is refused.
    """
    body = await json_body(request, _KNOWN)
    seconds = _lifetime(body.get("expires_after"))
    session = body.get("session") or {}
    if not isinstance(session, Mapping) or session.get("type") not in ("realtime", "transcription"):
        raise OpenAIError(
            400,
            "Missing required parameter: 'session.type'.",
            param="session.type",
            code="missing_required_parameter",
        )
    model = find_model(session.get("model", "gpt-realtime"))
    sandbox.ledger.count("openai", model=model.id, unit="client_secret", quantity=1)
    return JSONResponse(
        {
            "value": f"ek_sandbox_{secrets.token_hex(20)}",
            "expires_at": int(time.time()) + seconds,
            "session": {
                "object": "realtime.session",
                "id": f"sess_sandbox_{secrets.token_hex(12)}",
                "output_modalities": ["audio"],
                "instructions": "",
                "tools": [],
                "tool_choice": "auto",
                "max_output_tokens": "inf",
                "tracing": None,
                "truncation": "auto",
                "prompt": None,
                "expires_at": 0,
                "include": None,
                **session,
                "model": model.answering,
            },
        },
        headers=request_headers(),
    )


def _lifetime(value: object) -> int:
    if value is None:
        return _DEFAULT_S
    seconds = value.get("seconds", _DEFAULT_S) if isinstance(value, Mapping) else None
    if not isinstance(seconds, int) or not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise OpenAIError(
            400,
            f"Invalid 'expires_after.seconds': expected an integer from {_SHORTEST_S} to {_LONGEST_S}.",
            param="expires_after.seconds",
            code="invalid_value",
        )
    return seconds
