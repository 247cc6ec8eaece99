"""Google's client for uploads in a thread, which keeps nothing of what it has sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from google import genai
from google.genai import types

from headway import ConfigError
from workers.llm.settings import LlmSettings

__all__ = ["upload_client"]


class _ForgetfulClient(httpx.Client):
    """Lets go of an answer's stream once it is read.

    An answer and its stream refer to each other, and the answer to its request: of an upload, pieces of 8 MB
    stay in memory until the garbage collector comes by, which with so few objects it hardly does.
    """

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        response = super().send(request, **options)
        if response.is_closed:
            response.stream = httpx.ByteStream(b"")
        return response


@asynccontextmanager
async def upload_client() -> AsyncIterator[genai.Client]:
    """The client for uploads: ``await ctx.shared(upload_client)``.

    Raises:
        ConfigError: there is no key.
    """
    settings = LlmSettings.load()
    if settings.gemini_api_key is None:
        raise ConfigError(
            "GEMINI_API_KEY is not set",
            hint="Set GEMINI_API_KEY for the worker; without a key, use what `headway sandbox` prints.",
            code="provider_key_missing",
        )
    timeout = httpx.Timeout(settings.read_timeout, connect=settings.connect_timeout)
    with _ForgetfulClient(timeout=timeout) as http:
        client = genai.Client(
            api_key=settings.gemini_api_key.get_secret_value(),
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=str(settings.gemini_base_url).rstrip("/"),
                timeout=round(settings.read_timeout * 1000),
                retry_options=types.HttpRetryOptions(attempts=1),
                httpx_client=http,
            ),
        )
        try:
            yield client
        finally:
            client.close()
