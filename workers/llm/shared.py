"""The models that a worker's jobs share: each is made once per process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from workers.llm.clients import gemini_client, openai_client
from workers.llm.gemini_adapter import GeminiAdapter
from workers.llm.model import TextModel
from workers.llm.openai_adapter import OpenAIAdapter
from workers.llm.prices import PriceList
from workers.llm.settings import LlmSettings

__all__ = ["gemini_model", "openai_model", "text_model"]


@asynccontextmanager
async def openai_model() -> AsyncIterator[TextModel]:
    """OpenAI's model, whatever the settings choose: ``await ctx.shared(openai_model)``.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    settings = LlmSettings.load()
    async with openai_client(settings) as client:
        yield TextModel(OpenAIAdapter(client), settings.openai_model, PriceList.load(), settings)


@asynccontextmanager
async def gemini_model() -> AsyncIterator[TextModel]:
    """Gemini's model, whatever the settings choose: ``await ctx.shared(gemini_model)``.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    settings = LlmSettings.load()
    async with gemini_client(settings) as client:
        yield TextModel(GeminiAdapter(client), settings.gemini_model, PriceList.load(), settings)


@asynccontextmanager
async def text_model() -> AsyncIterator[TextModel]:
    """The model that the settings choose: ``await ctx.shared(text_model)``.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    chosen = openai_model if LlmSettings.load().provider == "openai" else gemini_model
    async with chosen() as model:
        yield model
