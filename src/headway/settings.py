"""What Headway reads from the environment, validated when it is constructed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, AnyHttpUrl, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from headway.errors import ConfigError

__all__ = ["ClientSettings", "LocalSettings", "WorkerSettings"]

Port = Annotated[int, Field(ge=0, le=65535)]


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=None, extra="ignore", frozen=True, populate_by_name=True)

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment, or say which variable is missing or wrong.

        Args:
            overrides: Values that win over the environment, by field name; ``None`` means not given.

        Raises:
            ConfigError: naming every variable at fault; values of secrets are never shown.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            faults = [
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)
            ]
            raise ConfigError(
                "; ".join(faults),
                hint="Set it in the environment; .env.example lists every variable.",
                code="config_invalid",
            ) from None


class ClientSettings(_Settings):
    """Which project an app talks to, and with which public key."""

    url: AnyHttpUrl = Field(validation_alias=AliasChoices("SUPABASE_URL"), description="The project's URL.")
    key: SecretStr = Field(
        validation_alias=AliasChoices("SUPABASE_PUBLISHABLE_KEY", "SUPABASE_ANON_KEY"),
        description="The publishable key, or the legacy anon key.",
    )


class WorkerSettings(_Settings):
    """Which project a worker serves, and with which secret key."""

    url: AnyHttpUrl = Field(validation_alias=AliasChoices("SUPABASE_URL"), description="The project's URL.")
    secret_key: SecretStr = Field(
        validation_alias=AliasChoices("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"),
        description="The secret key, or the legacy service_role key.",
    )


class LocalSettings(_Settings):
    """How the embedded stack runs on this machine; the project's own choices are in config.toml."""

    model_config = SettingsConfigDict(
        env_prefix="HEADWAY_LOCAL_", env_file=None, extra="ignore", frozen=True, populate_by_name=True
    )

    data_dir: Path | None = Field(
        default=None, description="Where the stack's data live; .headway in the project when unset."
    )
    host: str = Field(
        default="127.0.0.1", description="The address to listen on; anything but loopback is your decision."
    )
    api_port: Port | None = Field(
        default=None, description="The gateway's port; config.toml's api.port when unset, 0 for a free one."
    )
    db_port: Port | None = Field(
        default=None, description="Postgres's TCP port on loopback; config.toml's db.port when unset."
    )
    inbox_port: Port | None = Field(
        default=None, description="The mail inbox's port; config.toml's inbucket.port when unset."
    )
    postgres_bin: Path | None = Field(
        default=None, description="A directory with postgres and initdb, instead of the packaged ones."
    )
    run_as: str | None = Field(
        default=None, description="The user that Postgres runs as when started by root; nobody when unset."
    )
    jwt_algorithm: Literal["ES256", "HS256"] = Field(
        default="ES256",
        description="What signs access tokens: the stack's key pair, or its secret as on older projects. "
        "auth.signing_keys_path in config.toml wins.",
    )
    rate_limits: bool = Field(
        default=False,
        description="Whether auth.rate_limit in config.toml is enforced; the CLI's stack never does.",
    )
    resumable_chunk_bytes: int = Field(
        default=6 * 1024 * 1024,
        ge=0,
        description="The size that every chunk of a resumable upload but the last must have, as on hosted "
        "Supabase; 0 admits any.",
    )
    durable: bool = Field(
        default=True, description="Whether commits reach the disk; throwaway stacks switch it off."
    )
