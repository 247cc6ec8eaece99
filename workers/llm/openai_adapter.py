"""OpenAI behind the common interface: chat completions with strict structured outputs.

Source: https://platform.openai.com/docs/api-reference/chat and .../docs/guides/error-codes.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import openai
from openai import AsyncOpenAI
from openai.types.completion_usage import CompletionUsage

from headway import ConfigError, retry_after_of
from workers.llm.calls import Call, Finish, Reply, Tokens, Turn
from workers.llm.errors import ContentFiltered, PromptTooLong, ProviderDenied, QuotaExhausted
from workers.llm.media import Image
from workers.llm.retries import Passing
from workers.llm.strict_schema import strict_schema

__all__ = ["OpenAIAdapter"]

_MOST_TOKENS_BY_IMAGE = {"gpt-4o-mini": 48_169}
_USUAL_TOKENS_BY_IMAGE = 2_600
_OVERHEAD_TOKENS = 200
# They think before they answer, as part of the answer's limit, and take no temperature.
_THINKING = re.compile(r"gpt-5(?:-mini|-nano)?(?:-\d{4}-\d\d-\d\d)?")
_PASSING = frozenset({408, 409, 425, 429})


class OpenAIAdapter:
    """Calls OpenAI, or a server that speaks its API.

    Args:
        client: With its own retries off.
    """

    provider = "openai"

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    async def ask(self, call: Call) -> Reply:
        """Make a call and wait for all of its answer.

        Args:
            call: What is asked.
        """
        done = await self._client.chat.completions.create(**_request(call))
        try:
            choice = done.choices[0]
            refusal = choice.message.refusal
            return Reply(
                choice.message.content or "",
                "refusal" if refusal is not None else _finish(choice.finish_reason),
                _tokens(done.usage),
                done.model or call.model,
                refusal,
            )
        except (AttributeError, IndexError, TypeError):
            # The client checks no form: a proxy's page is a string to it, and what is missing is not there.
            raise _unreadable() from None

    async def stream(self, call: Call) -> AsyncIterator[str | Reply]:
        """Make a call and give its words as they come, and then the whole reply.

        Args:
            call: What is asked.
        """
        words: list[str] = []
        refused: list[str] = []
        finish: Finish | None = None
        tokens, model = None, call.model
        stream = await self._client.chat.completions.create(
            **_request(call), stream=True, stream_options={"include_usage": True}
        )
        async with stream:
            async for chunk in stream:
                model = chunk.model or model
                tokens = _tokens(chunk.usage) or tokens
                for choice in chunk.choices or ():
                    finish = _finish(choice.finish_reason) if choice.finish_reason else finish
                    if choice.delta.refusal:
                        refused.append(choice.delta.refusal)
                    if choice.delta.content:
                        words.append(choice.delta.content)
                        yield choice.delta.content
        if finish is None:
            raise Passing("OpenAI's answer ended in the middle.", code="provider_cut_off", spent=True)
        refusal = "".join(refused) or None
        yield Reply("".join(words), "refusal" if refusal else finish, tokens, model, refusal)

    def explain(self, error: Exception) -> Exception | None:
        """What an error of the client means.

        Args:
            error: As raised.
        """
        if isinstance(error, openai.APITimeoutError):
            return Passing("OpenAI did not answer in time.", code="provider_timeout", spent=True)
        if isinstance(error, openai.APIConnectionError):
            spent = not _never_sent(error)
            return Passing("The connection to OpenAI failed.", code="provider_unreachable", spent=spent)
        # Within a stream the client lets its transport's errors through.
        if isinstance(error, httpx.TransportError):
            return Passing("OpenAI's answer was cut off.", code="provider_cut_off", spent=True)
        if isinstance(error, openai.APIStatusError):
            return _explain_status(error)
        if isinstance(error, openai.APIError | json.JSONDecodeError):
            return _unreadable()
        return None

    def most_prompt_tokens(self, call: Call) -> int:
        """The most tokens that a call's prompt can have: no token is shorter than a byte.

        Args:
            call: What will be asked.
        """
        texts = [call.system, *(turn.text for turn in call.turns), json.dumps(call.schema or "")]
        images = sum(len(turn.media) for turn in call.turns)
        by_image = _MOST_TOKENS_BY_IMAGE.get(call.model, _USUAL_TOKENS_BY_IMAGE)
        return _OVERHEAD_TOKENS + sum(len(text.encode()) for text in texts) + images * by_image


def _request(call: Call) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    if call.system:
        messages.append({"role": "system", "content": call.system})
    messages += [{"role": turn.role, "content": _content(turn)} for turn in call.turns]
    request: dict[str, Any] = {
        "model": call.model,
        "messages": messages,
        "max_completion_tokens": call.max_tokens,
        "timeout": call.timeout,
    }
    if _THINKING.fullmatch(call.model):
        request["reasoning_effort"] = "low" if call.thinking else "minimal"
    elif call.temperature is not None:
        request["temperature"] = call.temperature
    if call.schema is not None:
        request["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": call.name, "schema": strict_schema(call.schema), "strict": True},
        }
    return request


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    if not turn.media:
        return turn.text
    parts: list[dict[str, Any]] = [{"type": "text", "text": turn.text}]
    for medium in turn.media:
        if not isinstance(medium, Image):
            raise ConfigError(
                "OpenAI's models cannot read a file of Gemini's Files API",
                hint="Use gemini_model for it.",
                code="medium_unsupported",
            )
        parts.append({"type": "image_url", "image_url": {"url": medium.data_url, "detail": medium.detail}})
    return parts


def _finish(reason: str) -> Finish:
    if reason == "length":
        return "length"
    return "content_filter" if reason == "content_filter" else "stop"


def _tokens(usage: CompletionUsage | None) -> Tokens | None:
    if usage is None:
        return None
    details = usage.prompt_tokens_details
    return Tokens(
        usage.prompt_tokens, (details.cached_tokens or 0) if details else 0, usage.completion_tokens
    )


def _unreadable() -> Passing:
    return Passing("OpenAI's answer could not be read.", code="provider_answer_broken", spent=True)


def _never_sent(error: openai.APIConnectionError) -> bool:
    cause = error.__cause__
    return cause is not None and type(cause).__name__ in ("ConnectError", "ConnectTimeout", "PoolTimeout")


def _explain_status(error: openai.APIStatusError) -> Exception:
    code = error.code
    if code == "insufficient_quota":
        return QuotaExhausted(
            "The OpenAI account has no quota left.",
            hint="Add credit to the account (platform.openai.com, Billing), then retry the job.",
            status=error.status_code,
        )
    if code == "context_length_exceeded":
        return PromptTooLong(
            "The text is longer than the model can read.",
            hint="Give a shorter document, or choose another model (HEADWAY_LLM_OPENAI_MODEL).",
            status=error.status_code,
        )
    if code == "content_filter":
        return ContentFiltered(
            "OpenAI's content filter refused the text.",
            hint="Check the document; the job cannot be done with it.",
            status=error.status_code,
        )
    if error.status_code in _PASSING or error.status_code >= 500:
        return Passing(
            f"OpenAI cannot answer now (HTTP {error.status_code}).",
            code="provider_rate_limited" if error.status_code == 429 else "provider_unavailable",
            after=retry_after_of(error.response.headers, datetime.now(UTC)),
        )
    what = {401: "the key", 403: "access", 404: "the model"}.get(error.status_code, "the request")
    return ProviderDenied(
        f"OpenAI refuses {what} (HTTP {error.status_code}, {code or error.type or 'no code'}).",
        hint="Check OPENAI_API_KEY, OPENAI_BASE_URL and HEADWAY_LLM_OPENAI_MODEL of the worker.",
        status=error.status_code,
    )
