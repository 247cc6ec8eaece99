"""``POST /v1/responses``.

Source: https://platform.openai.com/docs/api-reference/responses.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from itertools import count
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

__all__ = ["create_response"]

_KNOWN = frozenset(
    {
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "model",
        "parallel_tool_calls",
        "prompt_cache_key",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_p",
        "truncation",
        "user",
    }
)


async def create_response(sandbox: Sandbox, request: Request) -> Response:
    """Answer an input.

    Args:
        sandbox: Its faults and its ledger are used.
        request: The request.

    Raises:
        OpenAIError: it is refused.
    """
    body = await json_body(request, _KNOWN)
    ask = _read(body, sandbox.images)
    # A long document takes a while to read, and other callers need not wait for it.
    given = await asyncio.to_thread(answer, sandbox, ask, sandbox.faults.wanted(request), param="input")
    shape = _Shape(body, ask, given)
    if body.get("stream"):
        return StreamingResponse(_stream(shape), headers=request_headers(), media_type="text/event-stream")
    return JSONResponse(shape.response(shape.final, [shape.item()]), headers=request_headers())


def _read(body: Mapping[str, Any], images: Images) -> Ask:
    model = find_model(body.get("model"))
    check_reasoning(model, body)
    if body.get("tools"):
        raise OpenAIError(400, "The sandbox's models know no tools.", param="tools")
    prompt = Prompt(model, images)
    if isinstance(body.get("instructions"), str):
        prompt.message("developer", body["instructions"], param="instructions")
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list) or not items:
        raise OpenAIError(
            400, "Missing required parameter: 'input'.", param="input", code="missing_required_parameter"
        )
    for number, item in enumerate(items):
        param = f"input[{number}]"
        if not isinstance(item, Mapping) or item.get("type", "message") != "message":
            raise OpenAIError(
                400, f"Invalid '{param}': the sandbox reads messages only.", param=param, code="invalid_type"
            )
        prompt.message(item.get("role"), item.get("content", ""), param=param)
    text = body.get("text")
    form = read_format(
        text.get("format") if isinstance(text, Mapping) else None,
        param="text.format",
        schema_param="text.format.schema",
    )
    return Ask.check(prompt, form, body.get("max_output_tokens"), param="input", limit="max_output_tokens")


class _Shape:
    """The answer as response objects and their parts."""

    def __init__(self, body: Mapping[str, Any], ask: Ask, given: Answer) -> None:
        self._body, self._ask, self.given = body, ask, given
        self._id = f"resp_sandbox_{secrets.token_hex(16)}"
        self.item_id = f"msg_sandbox_{secrets.token_hex(16)}"
        self._created = time.time()

    @property
    def final(self) -> str:
        """The status at the end."""
        return "completed" if self.given.finish == "stop" else "incomplete"

    def part(self, text: str | None = None) -> dict[str, Any]:
        """The one part of the message; ``text`` instead of the whole."""
        if self.given.refusal is not None:
            return {"type": "refusal", "refusal": self.given.refusal if text is None else text}
        return {
            "type": "output_text",
            "text": self.given.text if text is None else text,
            "annotations": [],
            "logprobs": [],
        }

    def item(self, *, begun: bool = False) -> dict[str, Any]:
        """The message; as it is when it has only begun."""
        return {
            "id": self.item_id,
            "type": "message",
            "role": "assistant",
            "status": "in_progress" if begun else self.final,
            "content": [] if begun else [self.part()],
        }

    def response(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        """The response, in some status."""
        body, given, prompt_tokens = self._body, self.given, self._ask.prompt.tokens
        reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(given.finish)
        ended = status in ("completed", "incomplete")
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": {"reason": reason} if ended and reason else None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "model": self._ask.model.answering,
            "output": output,
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "service_tier": "default",
            "store": bool(body.get("store", False)),
            "temperature": body.get("temperature", 1.0),
            "text": body.get("text") or {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": body.get("top_p", 1.0),
            "truncation": "disabled",
            "usage": {
                "input_tokens": prompt_tokens,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": given.tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": prompt_tokens + given.tokens,
            }
            if ended
            else None,
            "user": body.get("user"),
            "metadata": body.get("metadata") or {},
        }


async def _stream(shape: _Shape) -> AsyncIterator[str]:
    numbers = count()
    given = shape.given
    place = {"item_id": shape.item_id, "output_index": 0, "content_index": 0}
    kind = "output_text" if given.refusal is None else "refusal"
    whole = given.text if given.refusal is None else given.refusal
    logs: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}

    def event(name: str, **values: Any) -> str:
        data = {"type": name, "sequence_number": next(numbers), **values}
        return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"

    yield event("response.created", response=shape.response("in_progress", []))
    yield event("response.in_progress", response=shape.response("in_progress", []))
    yield event("response.output_item.added", output_index=0, item=shape.item(begun=True))
    yield event("response.content_part.added", **place, part=shape.part(""))
    for piece in pieces(whole or ""):
        yield event(f"response.{kind}.delta", **place, delta=piece, **logs)
    yield event(
        f"response.{kind}.done", **place, **{"text" if kind == "output_text" else "refusal": whole}, **logs
    )
    yield event("response.content_part.done", **place, part=shape.part())
    yield event("response.output_item.done", output_index=0, item=shape.item())
    yield event(f"response.{shape.final}", response=shape.response(shape.final, [shape.item()]))
