"""``POST /v1/chat/completions``.

Source: https://platform.openai.com/docs/api-reference/chat.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from headway.sandbox.openai.answering import Answer, answer, pieces
from headway.sandbox.openai.asking import Ask, Prompt, json_body, read_format
from headway.sandbox.openai.errors import OpenAIError, request_headers
from headway.sandbox.openai.models import find_model
from headway.sandbox.openai.reasoning import check_reasoning
from headway.sandbox.vision import Images

if TYPE_CHECKING:
    from headway.sandbox.app import Sandbox

__all__ = ["chat_completion"]

_KNOWN = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "n",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
    }
)
_FINGERPRINT = "fp_headway_sandbox"


async def chat_completion(sandbox: Sandbox, request: Request) -> Response:
    """Answer a chat.

    Args:
        sandbox: Its faults and its ledger are used.
        request: The request.

    Raises:
        OpenAIError: it is refused.
    """
    body = await json_body(request, _KNOWN)
    ask = _read(body, sandbox.images)
    # A long document takes a while to read, and other callers need not wait for it.
    given = await asyncio.to_thread(answer, sandbox, ask, sandbox.faults.wanted(request), param="messages")
    head = {
        "id": f"chatcmpl-sandbox-{secrets.token_hex(12)}",
        "created": int(time.time()),
        "model": ask.model.answering,
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
    }
    if body.get("stream"):
        options = body.get("stream_options") or {}
        stream = _stream(head, given, _usage(ask, given) if options.get("include_usage") else None)
        return StreamingResponse(stream, headers=request_headers(), media_type="text/event-stream")
    message: dict[str, Any] = {
        "role": "assistant",
        "content": given.text if given.refusal is None else None,
        "refusal": given.refusal,
        "annotations": [],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": given.finish}
    return JSONResponse(
        {**head, "object": "chat.completion", "choices": [choice], "usage": _usage(ask, given)},
        headers=request_headers(),
    )


def _read(body: Mapping[str, Any], images: Images) -> Ask:
    model = find_model(body.get("model"))
    check_reasoning(model, body)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise OpenAIError(
            400,
            "Missing required parameter: 'messages'."
            if messages is None
            else "Invalid 'messages': expected an array with minimum length 1.",
            param="messages",
            code="missing_required_parameter" if messages is None else "empty_array",
        )
    if body.get("n", 1) not in (1, None):
        raise OpenAIError(400, "The sandbox gives one choice: 'n' must be 1.", param="n")
    prompt = Prompt(model, images)
    for number, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise OpenAIError(
                400,
                f"Invalid type for 'messages[{number}]': expected an object.",
                param=f"messages[{number}]",
                code="invalid_type",
            )
        prompt.message(message.get("role"), message.get("content", ""), param=f"messages[{number}]")
    form = body.get("response_format")
    if isinstance(form, Mapping) and form.get("type") == "json_schema":
        inner = form.get("json_schema")
        form = {"type": "json_schema", **(inner if isinstance(inner, Mapping) else {})}
    read = read_format(form, param="response_format", schema_param="response_format")
    if read.kind == "json_object" and "json" not in json.dumps(messages).lower():
        raise OpenAIError(
            400,
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type "
            "'json_object'.",
            param="messages",
        )
    limit = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
    return Ask.check(prompt, read, body.get(limit), param="messages", limit=limit)


def _usage(ask: Ask, given: Answer) -> dict[str, Any]:
    return {
        "prompt_tokens": ask.prompt.tokens,
        "completion_tokens": given.tokens,
        "total_tokens": ask.prompt.tokens + given.tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


async def _stream(
    head: Mapping[str, Any], given: Answer, usage: Mapping[str, Any] | None
) -> AsyncIterator[str]:
    wanted = {} if usage is None else {"usage": None}

    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**head, "object": "chat.completion.chunk", "choices": [choice], **wanted})

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    name, text = ("content", given.text) if given.refusal is None else ("refusal", given.refusal)
    for piece in pieces(text):
        yield chunk({name: piece})
    yield chunk({}, given.finish)
    if usage is not None:
        yield _event({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _event(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
