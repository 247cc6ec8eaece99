"""Which providers find and verify businesses and people, and how patient we are with them."""

from __future__ import annotations

from pydantic import AliasChoices, AnyHttpUrl, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from workers.settings import PipelineSettings

__all__ = ["DiscoverySettings"]


class DiscoverySettings(PipelineSettings):
    """Where businesses and their people are looked up, and with which keys."""

    model_config = SettingsConfigDict(env_prefix="HEADWAY_DISCOVERY_")

    places_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("GOOGLE_PLACES_API_KEY"),
        description="The key of Google's Places API (New).",
    )
    places_base_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("https://places.googleapis.com"),
        validation_alias=AliasChoices("GOOGLE_PLACES_BASE_URL"),
        description="Where the Places API is; the sandbox's address for work without a key.",
    )
    hunter_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("HUNTER_API_KEY"), description="Hunter's key."
    )
    hunter_base_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("https://api.hunter.io"),
        validation_alias=AliasChoices("HUNTER_BASE_URL"),
        description="Where Hunter's API is; the sandbox's address for work without a key.",
    )
    neverbounce_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("NEVERBOUNCE_API_KEY"), description="NeverBounce's key."
    )
    neverbounce_base_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("https://api.neverbounce.com"),
        validation_alias=AliasChoices("NEVERBOUNCE_BASE_URL"),
        description="Where NeverBounce's API is; the sandbox's address for work without a key.",
    )
    concurrency: int = Field(
        default=8, ge=1, le=100, description="How many leads of a campaign are looked up at the same time."
    )
    tries: int = Field(
        default=4, ge=1, le=10, description="How often a provider is asked before its field is left empty."
    )
    patience: float = Field(
        default=20, ge=0, le=600, description="The longest pause in seconds before asking a provider again."
    )
    timeout: float = Field(
        default=20, gt=0, le=300, description="Seconds until a provider's answer is given up."
    )
