"""Which automation writes the documents, and what is believed of its answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AliasChoices, AnyHttpUrl, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode, SettingsConfigDict

from workers.settings import PipelineSettings

__all__ = ["DocumentSettings"]


def _split(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class DocumentSettings(PipelineSettings):
    """Which automation writes handbook documents, and what is believed of its answers."""

    model_config = SettingsConfigDict(env_prefix="HEADWAY_DOCUMENT_")

    webhook_url: AnyHttpUrl = Field(
        validation_alias=AliasChoices("N8N_WEBHOOK_URL"),
        description="The webhook of the automation that writes documents.",
    )
    webhook_secret: SecretStr = Field(
        validation_alias=AliasChoices("N8N_WEBHOOK_SECRET"),
        description="What calls and callbacks are signed with, whsec_...; while it is being replaced, the "
        "new one and the former with a comma in between.",
    )
    origins: Names = Field(
        default=(),
        description="Origins inside your network, such as http://n8n:5678, that the webhook may be at all "
        "the same, or redirect to.",
    )
    answer_seconds: float = Field(
        default=300.0, gt=0, le=540, description="How long the webhook may take to answer, in seconds."
    )
    callback_seconds: float = Field(
        default=3600.0,
        gt=0,
        le=604_800,
        description="How long an automation that answered 202 may take to call back, in seconds.",
    )
    callback_signature: bool = Field(
        default=True,
        description="Whether callbacks must be signed; their address alone, which is signed too, suffices "
        "when false.",
    )
    max_bytes: int = Field(
        default=1_000_000, ge=1_000, le=1_000_000, description="How large an answer may be, in bytes."
    )
    image_hosts: Names = Field(
        default=(),
        description="Hosts that a document's pictures may come from over https; without any, only pictures "
        "inside the document are kept.",
    )
    call_cost: Decimal = Field(
        default=Decimal(0), ge=0, description="What one run of the automation costs, in US dollars."
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Those that sign and are believed, the newest first."""
        return tuple(
            filter(None, (part.strip() for part in self.webhook_secret.get_secret_value().split(",")))
        )
