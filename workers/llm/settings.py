"""Which model answers, where it is reached, and how patient we are with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, AnyHttpUrl, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from workers.settings import PipelineSettings

__all__ = ["LlmSettings"]


_FEWEST_THOUGHTS = 512


def _none_or_enough(tokens: int) -> int:
    if 0 < tokens < _FEWEST_THOUGHTS:  # Gemini refuses fewer
        raise ValueError(f"0, or at least {_FEWEST_THOUGHTS}")
    return tokens


class LlmSettings(PipelineSettings):
    """Which language model answers, and with which key."""

    model_config = SettingsConfigDict(env_prefix="HEADWAY_LLM_", protected_namespaces=())

    provider: Literal["openai", "gemini"] = Field(
        default="openai", description="Whose model answers: openai or gemini."
    )
    openai_model: str = Field(
        default="gpt-4.1-mini", min_length=1, description="OpenAI's model; prices.toml must have its prices."
    )
    gemini_model: str = Field(
        default="gemini-2.5-flash",
        min_length=1,
        description="Gemini's model; prices.toml must have its prices.",
    )
    realtime_model: str = Field(
        default="gpt-realtime", min_length=1, description="OpenAI's model for spoken interviews."
    )
    openai_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("OPENAI_API_KEY"), description="OpenAI's key."
    )
    openai_base_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("https://api.openai.com/v1"),
        validation_alias=AliasChoices("OPENAI_BASE_URL"),
        description="Where OpenAI's API is; the sandbox's address for work without a key.",
    )
    gemini_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        description="Gemini's key.",
    )
    gemini_base_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("https://generativelanguage.googleapis.com"),
        validation_alias=AliasChoices("GEMINI_BASE_URL"),
        description="Where Gemini's API is; the sandbox's address for work without a key.",
    )
    max_output_tokens: int = Field(
        default=16_000,
        ge=16,
        le=128_000,
        description="The most tokens of one answer; the greatest cost of a call is reserved by it.",
    )
    thinking_tokens: Annotated[int, AfterValidator(_none_or_enough)] = Field(
        default=0,
        ge=0,
        le=24_576,
        description="The most tokens that a model which thinks may think before its answer, paid like the "
        "answer: 0 for as few as it can, or 512 and more.",
    )
    connect_timeout: float = Field(
        default=10, gt=0, le=120, description="Seconds until a connection must stand."
    )
    read_timeout: float = Field(
        default=180, gt=0, le=1800, description="Seconds without a byte after which an answer is given up."
    )
    tries: int = Field(
        default=4, ge=1, le=10, description="How often one attempt of a job asks before it is tried later."
    )
    patience: float = Field(
        default=30,
        ge=0,
        le=600,
        description="The longest pause in seconds, Retry-After included, that an attempt waits for itself; "
        "longer ones are left to the job's retry.",
    )
    repairs: int = Field(
        default=2, ge=0, le=5, description="How often a model may correct an answer that is not valid."
    )
    concurrency: int = Field(
        default=16, ge=1, le=1000, description="Calls to the model at the same time, in one worker process."
    )
