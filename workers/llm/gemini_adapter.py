"""Gemini behind the common interface: generateContent with a JSON schema for the response.

Source: https://ai.google.dev/api/generate-content, .../gemini-api/docs/structured-output and
https://cloud.google.com/apis/design/errors (``RetryInfo``, ``QuotaFailure``).
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
from google import genai
from google.genai import errors, types

from headway import retry_after_of
from workers.llm.calls import Call, Finish, Reply, Tokens, Turn
from workers.llm.errors import PromptTooLong, ProviderDenied, QuotaExhausted
from workers.llm.gemini_schema import unbounded_schema
from workers.llm.media import FileUri, Image
from workers.llm.retries import Passing

__all__ = ["GeminiAdapter"]

_MOST_TOKENS_BY_IMAGE = 5_000
_OVERHEAD_TOKENS = 200
_FILTERED = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE"}
)
# They think unless they are told not to, as part of the answer's limit.
_THINKING = re.compile(r"gemini-2\.5-flash(?:-.+)?")
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")


class GeminiAdapter:
    """Calls Gemini.

    Args:
        client: With its own retries off.
    """

    provider = "gemini"

    def __init__(self, client: genai.Client) -> None:
        self._client = client

    async def ask(self, call: Call) -> Reply:
        """Make a call and wait for all of its answer.

        Args:
            call: What is asked.
        """
        done = await self._client.aio.models.generate_content(
            model=call.model, contents=_contents(call), config=_config(call)
        )
        if not done.candidates and done.prompt_feedback is None:
            raise _unreadable()
        return _reply(call, done, _text(done))

    async def stream(self, call: Call) -> AsyncIterator[str | Reply]:
        """Make a call and give its words as they come, and then the whole reply.

        Args:
            call: What is asked.
        """
        words: list[str] = []
        last: types.GenerateContentResponse | None = None
        async for chunk in await self._client.aio.models.generate_content_stream(
            model=call.model, contents=_contents(call), config=_config(call)
        ):
            last = chunk
            if text := _text(chunk):
                words.append(text)
                yield text
        if last is None or (_reason(last) is None and last.prompt_feedback is None):
            raise Passing("Gemini's answer ended in the middle.", code="provider_cut_off", spent=True)
        yield _reply(call, last, "".join(words))

    def explain(self, error: Exception) -> Exception | None:
        """What an error of the client means.

        Args:
            error: As raised.
        """
        if isinstance(error, errors.APIError):
            return _explain_status(error)
        if isinstance(error, httpx.TimeoutException):
            spent = not isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
            return Passing("Gemini did not answer in time.", code="provider_timeout", spent=spent)
        if isinstance(error, httpx.TransportError):
            spent = not isinstance(error, httpx.ConnectError)
            return Passing("The connection to Gemini failed.", code="provider_unreachable", spent=spent)
        if isinstance(error, errors.UnknownApiResponseError | json.JSONDecodeError):
            return _unreadable()
        return None

    def most_prompt_tokens(self, call: Call) -> int:
        """The most tokens that a call's prompt can have: no token is shorter than a byte.

        Args:
            call: What will be asked.
        """
        texts = [call.system, *(turn.text for turn in call.turns), json.dumps(call.schema or "")]
        media = sum(
            _MOST_TOKENS_BY_IMAGE if isinstance(medium, Image) else medium.most_tokens
            for turn in call.turns
            for medium in turn.media
        )
        return _OVERHEAD_TOKENS + sum(len(text.encode()) for text in texts) + media


def _unreadable() -> Passing:
    return Passing("Gemini's answer could not be read.", code="provider_answer_broken", spent=True)


def _contents(call: Call) -> list[types.ContentUnion]:
    return [
        types.Content(role="user" if turn.role == "user" else "model", parts=_parts(turn))
        for turn in call.turns
    ]


def _parts(turn: Turn) -> list[types.Part]:
    shown = [
        types.Part.from_bytes(data=medium.data, mime_type=medium.media_type)
        if isinstance(medium, Image)
        else _file_part(medium)
        for medium in turn.media
    ]
    return [*shown, types.Part.from_text(text=turn.text)]


def _file_part(file: FileUri) -> types.Part:
    part = types.Part.from_uri(file_uri=file.uri, mime_type=file.media_type)
    if file.start is not None or file.end is not None:
        part.video_metadata = types.VideoMetadata(
            start_offset=None if file.start is None else f"{file.start:.3f}s",
            end_offset=None if file.end is None else f"{file.end:.3f}s",
        )
    return part


def _config(call: Call) -> types.GenerateContentConfig:
    special: dict[str, Any] = {}
    if call.schema is not None:
        special = {
            "response_mime_type": "application/json",
            "response_json_schema": unbounded_schema(call.schema),
        }
    if _THINKING.fullmatch(call.model):
        special["thinking_config"] = types.ThinkingConfig(thinking_budget=call.thinking)
    return types.GenerateContentConfig(
        system_instruction=call.system or None,
        max_output_tokens=call.max_tokens,
        temperature=call.temperature,
        # There are no functions; left on, the client says so in the log at every call.
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        http_options=types.HttpOptions(
            timeout=round(call.timeout * 1000), retry_options=types.HttpRetryOptions(attempts=1)
        ),
        **special,
    )


def _text(done: types.GenerateContentResponse) -> str:
    content = done.candidates[0].content if done.candidates else None
    parts = (content.parts or []) if content else []
    return "".join(part.text or "" for part in parts if not part.thought)


def _reason(done: types.GenerateContentResponse) -> str | None:
    reason = done.candidates[0].finish_reason if done.candidates else None
    return reason.value if reason is not None else None


def _reply(call: Call, done: types.GenerateContentResponse, text: str) -> Reply:
    blocked = done.prompt_feedback.block_reason if done.prompt_feedback else None
    reason = _reason(done)
    finish: Finish = "stop"
    if blocked is not None or reason in _FILTERED:
        finish = "content_filter"
    elif reason == "MAX_TOKENS":
        finish = "length"
    usage = done.usage_metadata
    tokens = None
    if usage is not None:
        tokens = Tokens(
            (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
            usage.cached_content_token_count or 0,
            (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
            sum(
                each.token_count or 0
                for each in usage.prompt_tokens_details or ()
                if each.modality is types.MediaModality.AUDIO
            ),
        )
    return Reply(text, finish, tokens, done.model_version or call.model)


def _explain_status(error: errors.APIError) -> Exception:
    details = _details(error)
    if error.code == 429:
        quotas = [
            str(violation.get("quotaId", ""))
            for detail in details
            for violation in detail.get("violations", ())
            if isinstance(violation, dict)
        ]
        used_up = any("PerDay" in quota for quota in quotas)
        unpaid = not quotas and "check your plan and billing" in (error.message or "")
        if used_up or unpaid:
            return QuotaExhausted(
                "The Gemini account has no quota left.",
                hint="Raise the quota (ai.google.dev/gemini-api/docs/rate-limits), then retry the job.",
                status=429,
            )
        return Passing("Gemini's rate limit is reached.", code="provider_rate_limited", after=_after(error))
    if error.code in (408, 409, 425, 499) or error.code >= 500:
        return Passing(
            f"Gemini cannot answer now (HTTP {error.code}).",
            code="provider_unavailable",
            after=_after(error),
            spent=error.code == 504,
        )
    if error.code == 400 and "token count" in (error.message or ""):
        return PromptTooLong(
            "The text is longer than the model can read.",
            hint="Give a shorter document, or choose another model (HEADWAY_LLM_GEMINI_MODEL).",
            status=400,
        )
    if error.code == 400 and "API key" not in (error.message or ""):
        # Its own words alone say what it does not like: a file's format, a model's limits.
        said = " ".join((error.message or "it gives no reason.").split())[:300]
        return ProviderDenied(
            f"Gemini refuses the request: {said}",
            hint="Look at the file, if there is one, and at HEADWAY_LLM_GEMINI_MODEL: not every model reads "
            "every kind.",
            status=400,
        )
    return ProviderDenied(
        f"Gemini refuses the request (HTTP {error.code}, {error.status or 'no status'}).",
        hint="Check GEMINI_API_KEY, GEMINI_BASE_URL and HEADWAY_LLM_GEMINI_MODEL of the worker.",
        status=error.code,
    )


def _details(error: errors.APIError) -> list[dict[str, Any]]:
    body = error.details
    inner = body.get("error", body) if isinstance(body, dict) else {}
    found = inner.get("details", []) if isinstance(inner, dict) else []
    return [detail for detail in found if isinstance(detail, dict)] if isinstance(found, list) else []


def _after(error: errors.APIError) -> float | None:
    for detail in _details(error):
        if delay := _DELAY.fullmatch(str(detail.get("retryDelay", ""))):
            return float(delay[1])
    headers = getattr(error.response, "headers", None)
    return retry_after_of(headers, datetime.now(UTC)) if headers is not None else None
