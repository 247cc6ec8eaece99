"""What Headway reads from the environment, validated when it is constructed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from headway.errors import ConfigError

__all__ = [
    "ClientSettings",
    "CommandSettings",
    "FileSettings",
    "LocalSettings",
    "WebSettings",
    "WorkerSettings",
]

Port = Annotated[int, Field(ge=0, le=65535)]


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Written with commas in between."""


class _Settings(BaseSettings):
    # "NAME=" in a compose file means that it is not set.
    model_config = SettingsConfigDict(
        env_file=None, env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

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
                f"{'.'.join(map(str, e['loc']))}: {'is not set' if e['type'] == 'missing' else e['msg']}"
                for e in error.errors(include_input=False)
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


class FileSettings(_Settings):
    """Where this machine keeps what transfers of files need."""

    model_config = SettingsConfigDict(
        env_prefix="HEADWAY_", env_file=None, extra="ignore", frozen=True, populate_by_name=True
    )

    resume_dir: Path | None = Field(
        default=None,
        description="Where unfinished uploads are remembered, for a later process to go on with them; "
        "headway/uploads in the user's cache when unset.",
    )
    cache_home: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("XDG_CACHE_HOME"),
        description="The user's cache; the usual place of the system when unset.",
    )


class WebSettings(_Settings):
    """How an app's server brings jobs into browsers."""

    model_config = SettingsConfigDict(
        env_prefix="HEADWAY_", env_file=None, extra="ignore", frozen=True, populate_by_name=True
    )

    streams_per_person: int = Field(
        default=20,
        ge=0,
        description="How many streams of server-sent events one person may hold open in one process; 0 for "
        "any number.",
    )


class CommandSettings(_Settings):
    """Whom the command line speaks for, when it is not whoever signed in with `headway login`."""

    model_config = SettingsConfigDict(
        env_prefix="HEADWAY_", env_file=None, extra="ignore", frozen=True, populate_by_name=True
    )

    access_token: SecretStr | None = Field(
        default=None, description="A user's access token, as an app's session has it."
    )
    email: str | None = Field(
        default=None, description="A user's e-mail address, to sign in with a password."
    )
    password: SecretStr | None = Field(default=None, description="That user's password.")
    state_dir: Path | None = Field(
        default=None,
        description="Where `headway login` keeps sessions; headway in the user's state folder when unset.",
    )
    state_home: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("XDG_STATE_HOME"),
        description="The user's state folder; ~/.local/state when unset.",
    )


class WorkerSettings(_Settings):
    """Which project a worker serves, with which secret key, and what it does beside running jobs."""

    model_config = SettingsConfigDict(
        env_prefix="HEADWAY_", env_file=None, extra="ignore", frozen=True, populate_by_name=True
    )

    url: AnyHttpUrl = Field(validation_alias=AliasChoices("SUPABASE_URL"), description="The project's URL.")
    secret_key: SecretStr = Field(
        validation_alias=AliasChoices("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"),
        description="The secret key, or the legacy service_role key.",
    )
    worker_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="What this worker is called; its host and process when unset.",
    )
    version: str = Field(
        default="", max_length=100, description="The deployed version, for people who look at the workers."
    )
    concurrency: int = Field(
        default=20, ge=1, le=10_000, description="How many jobs this process runs at once."
    )
    kinds: Names = Field(
        default=(), description="Which of its kinds this worker runs; all that it knows when empty."
    )
    queues: Names = Field(
        default=(),
        description="From which queues it takes jobs, in order of preference; all that hold its kinds "
        "when empty.",
    )
    wake: Literal["broadcast", "changes"] = Field(
        default="broadcast",
        description="How it is woken: by one broadcast per statement and queue, or by postgres_changes.",
    )
    lease_seconds: int = Field(
        default=7,
        ge=5,
        le=3600,
        description="How long a job stays with a worker that is not heard of; after that another one starts "
        "it.",
    )
    grace_seconds: float = Field(
        default=25.0,
        ge=0,
        description="How long running jobs may take to finish when the worker is told to stop; "
        "the rest is handed back.",
    )
    messages_per_second: float = Field(
        default=100.0,
        gt=0,
        description="How many Realtime messages the progress of this worker's jobs may cause; "
        "the free plan allows 100.",
    )
    stall_seconds: float = Field(
        default=30.0,
        ge=1,
        description="How long a handler may block the event loop before it is interrupted.",
    )
    capture_output: bool = Field(
        default=True,
        description="Whether what handlers print goes to the log, with the job's name and without secrets.",
    )
    memory_limit: int | None = Field(
        default=None,
        ge=64,
        description="At how many MB of memory the worker stops by itself, to be started anew; "
        "nine tenths of its control group's limit when unset.",
    )
    public_url: AnyHttpUrl | None = Field(
        default=None, description="Where the world outside reaches the HTTP port, for callbacks."
    )
    scheduler: bool = Field(default=True, description="Whether this worker fires schedules.")
    retention: bool = Field(
        default=True, description="Whether this worker removes what is past its retention, files included."
    )
    notifier: bool = Field(default=True, description="Whether this worker delivers webhooks and e-mails.")
    http_host: str = Field(
        default="127.0.0.1",
        description="The address of the HTTP port; 0.0.0.0 in a container.",
    )
    http_port: Port | None = Field(
        default=None,
        description="Where /healthz, /readyz, /metrics and the jobs' own routes are; 0 for a free one, "
        "unset for none.",
    )
    http_body_limit: int = Field(
        default=1_048_576,
        ge=1,
        description="The longest request body that the jobs' own routes accept, in bytes.",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="What scrapers of /metrics must send as bearer token; unset lets everybody read.",
    )
    loop_lag_warning: float = Field(
        default=0.5,
        gt=0,
        description="How long a handler may block the event loop before it is named, in seconds.",
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="How log lines look; auto is text in a terminal and json elsewhere."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least severe lines to log."
    )
    traces: bool = Field(
        default=False,
        description="Whether OpenTelemetry spans are sent, to where the OTEL_ variables say; "
        "needs headway[otel].",
    )
    webhook_origins: Names = Field(
        default=(),
        description="Origins inside your network, such as http://hooks:8080, that webhooks may reach "
        "all the same.",
    )
    webhook_timeout: float = Field(
        default=15.0,
        gt=0,
        le=300,
        description="How long a receiver may take to answer a webhook, in seconds.",
    )
    smtp_host: str | None = Field(
        default=None,
        min_length=1,
        description="The mail server for notifications; no e-mail is sent when unset.",
    )
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = Field(default=587, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the connection is encrypted; none is for a server on this machine.",
    )
    smtp_username: str | None = Field(default=None, description="The account there, if it asks for one.")
    smtp_password: SecretStr | None = Field(default=None, description="The account's password.")
    mail_from: str | None = Field(
        default=None, description="The sender of notifications, such as Jobs <jobs@example.com>."
    )
    mail_templates: Path | None = Field(
        default=None,
        description="A directory with your own mail templates; docs/operations.md names the files.",
    )

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Self:
        if self.smtp_host is not None and self.mail_from is None:
            raise ValueError("HEADWAY_SMTP_HOST is set, but HEADWAY_MAIL_FROM is not")
        if (self.smtp_username is None) != (self.smtp_password is None):
            raise ValueError("HEADWAY_SMTP_USERNAME and HEADWAY_SMTP_PASSWORD belong together")
        return self


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
