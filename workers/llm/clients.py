"""The providers' own clients: made once per process, closed when the worker stops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from google import genai
from google.genai import types
from openai import AsyncOpenAI
from pydantic import SecretStr

from headway import ConfigError
from workers.llm.settings import LlmSettings

__all__ = ["gemini_client", "openai_client"]


@asynccontextmanager
async def openai_client(settings: LlmSettings | None = None) -> AsyncIterator[AsyncOpenAI]:
    """OpenAI's client, with its own retries off: ``await ctx.shared(openai_client)``.

    Args:
        settings: The environment's when omitted.

    Raises:
        ConfigError: there is no key.
    """
    settings = settings or LlmSettings.load()
    async with AsyncOpenAI(
        api_key=_key(settings.openai_api_key, "OPENAI_API_KEY"),
        base_url=str(settings.openai_base_url).rstrip("/"),
        max_retries=0,
        timeout=httpx.Timeout(settings.read_timeout, connect=settings.connect_timeout),
    ) as client:
        yield client


@asynccontextmanager
async def gemini_client(settings: LlmSettings | None = None) -> AsyncIterator[genai.Client]:
    """Gemini's client, with its own retries off: ``await ctx.shared(gemini_client)``.

    Args:
        settings: The environment's when omitted.

    Raises:
        ConfigError: there is no key.
    """
    settings = settings or LlmSettings.load()
    key = _key(settings.gemini_api_key, "GEMINI_API_KEY")
    # With a transport of our own, or it takes aiohttp wherever some other package has brought that along.
    async with httpx.AsyncClient(
        timeout=httpx.Timeout(settings.read_timeout, connect=settings.connect_timeout)
    ) as http:
        client = genai.Client(
            api_key=key,
            # Said outright, or GOOGLE_GENAI_USE_VERTEXAI in the environment would make it another service.
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=str(settings.gemini_base_url).rstrip("/"),
                timeout=round(settings.read_timeout * 1000),
                retry_options=types.HttpRetryOptions(attempts=1),
                httpx_async_client=http,
            ),
        )
        try:
            yield client
        finally:
            await client.aio.aclose()
            client.close()


def _key(key: SecretStr | None, variable: str) -> str:
    if key is None or not key.get_secret_value():
        raise ConfigError(
            f"{variable} is not set",
            hint=f"Set {variable} for the worker; without a key, use what `headway sandbox` prints.",
            code="provider_key_missing",
        )
    return key.get_secret_value()
