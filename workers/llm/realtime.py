"""Short-lived secrets with which a browser speaks to OpenAI's Realtime API; the key itself never leaves.

Source: https://platform.openai.com/docs/api-reference/realtime-sessions/create-realtime-client-secret.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from openai import AsyncOpenAI
from openai.types.realtime import RealtimeSessionCreateRequestParam

from workers.llm.clients import openai_client
from workers.llm.openai_adapter import OpenAIAdapter
from workers.llm.retries import patiently
from workers.llm.settings import LlmSettings

__all__ = ["ClientSecret", "RealtimeSecrets", "realtime_secrets"]


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A secret for one browser.

    Attributes:
        value: The secret, ``ek_...``.
        expires_at: Until when it opens sessions.
        model: The model that it is for.
        session_id: The session's id, or ``None``.
    """

    value: str = field(repr=False)
    expires_at: datetime
    model: str
    session_id: str | None


class RealtimeSecrets:
    """Mints client secrets.

    Args:
        client: OpenAI's.
        settings: The model, and how patient to be.
    """

    def __init__(self, client: AsyncOpenAI, settings: LlmSettings) -> None:
        self._client = client
        self._settings = settings
        self._adapter = OpenAIAdapter(client)

    async def mint(
        self,
        *,
        instructions: str,
        seconds: int = 600,
        session: Mapping[str, Any] | None = None,
        time_left: float = 60,
    ) -> ClientSecret:
        """A new secret.

        Args:
            instructions: What the model is in this session, and what it asks.
            seconds: How long the secret opens sessions, 10 to 7200.
            session: More of the session's configuration, such as ``audio``.
            time_left: Seconds that the caller has.

        Raises:
            Retry: OpenAI cannot answer now.
            QuotaExhausted, ProviderDenied: as they say.
        """

        configuration = cast(
            RealtimeSessionCreateRequestParam,
            {
                **(session or {}),
                "type": "realtime",
                "model": self._settings.realtime_model,
                "instructions": instructions,
            },
        )

        async def once() -> ClientSecret:
            try:
                made = await self._client.realtime.client_secrets.create(
                    expires_after={"anchor": "created_at", "seconds": seconds},
                    session=configuration,
                )
            except Exception as error:
                meaning = self._adapter.explain(error)
                if meaning is None:
                    raise
                raise meaning from error
            return ClientSecret(
                made.value,
                datetime.fromtimestamp(made.expires_at, UTC),
                self._settings.realtime_model,
                getattr(made.session, "id", None),
            )

        return await patiently(
            once, tries=self._settings.tries, patience=self._settings.patience, time_left=lambda: time_left
        )


@asynccontextmanager
async def realtime_secrets() -> AsyncIterator[RealtimeSecrets]:
    """One per process: ``await ctx.shared(realtime_secrets)``.

    Raises:
        ConfigError: there is no key.
    """
    settings = LlmSettings.load()
    async with openai_client(settings) as client:
        yield RealtimeSecrets(client, settings)
