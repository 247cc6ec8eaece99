"""An n8n workflow below ``/n8n`` that writes handbook documents, in both of the ways that webhooks answer.

``/webhook/document`` answers when it is done. ``/webhook/document-later`` answers 202 and calls back; its
query says how: ``delay`` in seconds, and ``repeat``, how often it calls; a call that does not arrive is made
again. Calls must be signed, and callbacks
are, as Standard Webhooks (https://www.standardwebhooks.com). Errors have n8n's form: ``{"code": ...,
"message": ...}``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from headway.core.webhook import check_signature, sign
from headway.errors import HeadwayError
from headway.sandbox.answers.handbook import handbook_page
from headway.sandbox.disturbance import retry_after_headers
from headway.sandbox.environment import SANDBOX_KEYS
from headway.sandbox.faults import Fault

if TYPE_CHECKING:
    from headway.sandbox.app import Sandbox

__all__ = ["refusal", "routes"]

_log = logging.getLogger("headway.sandbox")
_SECRETS = (SANDBOX_KEYS["N8N_WEBHOOK_SECRET"],)
_TOLERANCE = 300
_MOST_CALLBACKS = 10
_MOST_DELAY = 60.0
_MOST_TRIES = 30
_PAUSE_S = 1.0


def routes(sandbox: Sandbox) -> list[BaseRoute]:
    """The provider's routes.

    Args:
        sandbox: Its faults, its ledger and its background are used.
    """

    async def answer_when_done(request: Request) -> Response:
        asked = await _read(request)
        if isinstance(asked, Response):
            return asked
        sandbox.ledger.count("n8n", model="webhook", unit="execution")
        return Response(_content(asked, sandbox.faults.wanted(request)), media_type="application/json")

    async def answer_later(request: Request) -> Response:
        asked = await _read(request)
        if isinstance(asked, Response):
            return asked
        url = asked.get("callback_url")
        if not isinstance(url, str):
            return _error(422, "callback_url: missing; this workflow answers later (Headway sandbox)")
        try:
            delay = min(max(float(request.query_params.get("delay", "0.1")), 0.0), _MOST_DELAY)
            repeat = min(max(int(request.query_params.get("repeat", "1")), 0), _MOST_CALLBACKS)
        except ValueError:
            return _error(422, "delay and repeat must be numbers (Headway sandbox)")
        sandbox.ledger.count("n8n", model="webhook", unit="execution")
        content = _content(asked, sandbox.faults.wanted(request))
        sandbox.spawn(_call_back(url, content, f"{asked.get('job_id')}-{asked.get('call')}", delay, repeat))
        return JSONResponse({"message": "Workflow was started"}, 202)

    return [
        Route("/webhook/document", answer_when_done, methods=["POST"]),
        Route("/webhook/document-later", answer_later, methods=["POST"]),
    ]


def refusal(fault: Fault, request: Request) -> Response:
    """The answer for a fault that refuses a request outright.

    Args:
        fault: One of 429, quota, 500, 503.
        request: What is refused.
    """
    status = {"429": 429, "quota": 402, "500": 500, "503": 503}[fault.kind]
    message = {
        "429": "Too many requests",
        "quota": "The plan's executions are used up",
        "500": "Error in workflow",
        "503": "Service unavailable",
    }[fault.kind]
    return _error(status, f"{message} (Headway sandbox fault)", retry_after_headers(fault))


async def _read(request: Request) -> dict[str, Any] | Response:
    """The call, or the answer to what is none."""
    body = await request.body()
    try:
        check_signature(body, request.headers, _SECRETS, now=time.time(), tolerance=_TOLERANCE)
    except HeadwayError as error:
        return _error(401, f"{error.message} (Headway sandbox)")
    try:
        asked = json.loads(body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("prompt"), str):
        return _error(422, "prompt: missing (Headway sandbox)")
    return asked


def _content(asked: dict[str, Any], fault: Fault | None) -> bytes:
    kind = fault.kind if fault else None
    if kind == "malformed":
        said: dict[str, Any] = {"output": "Here is your document!", "sandbox": True}
    elif kind in ("refusal", "content_filter"):
        said = {"error": "The model does not write about this (Headway sandbox fault).", "sandbox": True}
    else:
        title, page = handbook_page(asked["prompt"], asked.get("title"))
        said = {"title": title, "html": page, "sandbox": True}
    content = json.dumps(said, ensure_ascii=False).encode()
    return content[: len(content) // 2] if kind == "truncated" else content


async def _call_back(url: str, content: bytes, message_id: str, delay: float, repeat: int) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for _ in range(repeat):
            await asyncio.sleep(delay)
            # As n8n's node does with "Retry On Fail": a worker may be away while it is replaced.
            for _ in range(_MOST_TRIES):
                if await _arrived(client, url, content, message_id):
                    break
                await asyncio.sleep(_PAUSE_S)


async def _arrived(client: httpx.AsyncClient, url: str, content: bytes, message_id: str) -> bool:
    headers = sign(content, message_id=message_id, timestamp=int(time.time()), secrets=_SECRETS)
    try:
        answer = await client.post(
            url, content=content, headers={**headers, "content-type": "application/json"}
        )
    except httpx.HTTPError as error:
        _log.warning("the callback did not arrive: %s", type(error).__name__)
        return False
    _log.info("the callback was answered with HTTP %d", answer.status_code)
    return answer.status_code < 500


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"code": status, "message": message}, status, headers)
