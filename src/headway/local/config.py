"""``supabase/config.toml``: what the embedded stack reads of it, with the Supabase CLI's defaults.

Source: the template of supabase/cli (``apps/cli-go/pkg/config/templates/config.toml``). Keys that only the
CLI's own containers need are accepted and ignored, so the stock CLI and this stack share one file.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from headway.errors import ConfigError
from headway.local.left_out import what_is_left_out

__all__ = ["ByteSize", "Duration", "ProjectConfig", "is_unset_variable", "load_config", "parse_byte_size"]

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)\s*", re.IGNORECASE)
_SCALE = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def parse_byte_size(value: object) -> int:
    """Bytes from an integer or text such as ``50MiB``, ``20MB`` or ``1.5g`` (units of 1024, as the CLI's).

    Args:
        value: An integer number of bytes, or text.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a size such as 50MiB")
    unit = match[2].lower().removesuffix("b").removesuffix("i")
    return int(float(match[1]) * 1024 ** _SCALE[unit])


def _parse_duration(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if isinstance(value, str):
        parts = _DURATION_PART.findall(value)
        if parts and "".join(number + unit for number, unit in parts) == value:
            return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))
    raise ValueError("expected a duration such as 1m30s")


ByteSize = Annotated[int, BeforeValidator(parse_byte_size)]
Duration = Annotated[float, BeforeValidator(_parse_duration)]
"""Seconds, written as a Go duration."""
Port = Annotated[int, Field(ge=0, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ApiConfig(_Section):
    """``[api]``: the gateway and the Data API."""

    enabled: bool = True
    port: Port = 54321
    schemas: list[str] = ["public", "graphql_public"]
    extra_search_path: list[str] = ["public", "extensions"]
    max_rows: int = Field(default=1000, ge=0)
    auto_expose_new_tables: bool | None = None
    """Whether default privileges expose new tables in ``public``: unset and false mean today's regime."""


class MigrationsConfig(_Section):
    """``[db.migrations]``."""

    enabled: bool = True
    schema_paths: list[str] = []


class SeedConfig(_Section):
    """``[db.seed]``."""

    enabled: bool = True
    sql_paths: list[str] = ["./seed.sql"]


class DbConfig(_Section):
    """``[db]``."""

    port: Port = 54322
    major_version: int = 17
    migrations: MigrationsConfig = MigrationsConfig()
    seed: SeedConfig = SeedConfig()
    vault: dict[str, SecretStr] = {}
    """Secrets that Vault holds before the first migration runs, by name."""


class RealtimeConfig(_Section):
    """``[realtime]``."""

    enabled: bool = True


class BucketConfig(_Section):
    """``[storage.buckets.NAME]``."""

    public: bool = False
    file_size_limit: ByteSize | None = None
    allowed_mime_types: list[str] | None = None
    objects_path: str | None = None


class StorageConfig(_Section):
    """``[storage]``."""

    enabled: bool = True
    file_size_limit: ByteSize = 50 * 1024 * 1024
    buckets: dict[str, BucketConfig] = {}


class InbucketConfig(_Section):
    """``[inbucket]``: the local mail inbox."""

    enabled: bool = True
    port: Port = 54324


class AuthEmailTemplateConfig(_Section):
    """``[auth.email.template.NAME]``: an own subject and HTML body for one kind of mail."""

    subject: str | None = None
    content_path: str | None = None
    """Relative to the ``supabase`` directory's parent, as with the CLI; absolute after ``load_config``."""


class AuthEmailConfig(_Section):
    """``[auth.email]``."""

    enable_signup: bool = True
    enable_confirmations: bool = False
    double_confirm_changes: bool = True
    secure_password_change: bool = False
    max_frequency: Duration = 1.0
    otp_length: int = Field(default=6, ge=6, le=10)
    otp_expiry: int = Field(default=3600, gt=0, le=86400)
    template: dict[str, AuthEmailTemplateConfig] = {}


class AuthSessionsConfig(_Section):
    """``[auth.sessions]``: when a session ends although nobody ends it; 0 is never."""

    timebox: Duration = 0.0
    inactivity_timeout: Duration = 0.0


class AuthHookConfig(_Section):
    """``[auth.hook.NAME]``."""

    enabled: bool = False
    uri: str = ""


class AuthRateLimitConfig(_Section):
    """``[auth.rate_limit]``: e-mails and anonymous users per hour; the others per five minutes."""

    email_sent: int = Field(default=2, ge=0)
    anonymous_users: int = Field(default=30, ge=0)
    token_refresh: int = Field(default=150, ge=0)
    sign_in_sign_ups: int = Field(default=30, ge=0)
    token_verifications: int = Field(default=30, ge=0)


class AuthConfig(_Section):
    """``[auth]``."""

    enabled: bool = True
    site_url: str = "http://127.0.0.1:3000"
    additional_redirect_urls: list[str] = []
    jwt_expiry: int = Field(default=3600, gt=0, le=604800)
    jwt_issuer: str | None = None
    signing_keys_path: str | None = None
    """A file of private JWKs, relative to the ``supabase`` directory; absolute after ``load_config``."""
    enable_refresh_token_rotation: bool = True
    refresh_token_reuse_interval: int = Field(default=10, ge=0)
    enable_signup: bool = True
    enable_anonymous_sign_ins: bool = False
    enable_manual_linking: bool = False
    minimum_password_length: int = Field(default=6, ge=6)
    password_requirements: Literal[
        "", "letters_digits", "lower_upper_letters_digits", "lower_upper_letters_digits_symbols"
    ] = ""
    email: AuthEmailConfig = AuthEmailConfig()
    rate_limit: AuthRateLimitConfig = AuthRateLimitConfig()
    sessions: AuthSessionsConfig = AuthSessionsConfig()
    hook: dict[str, AuthHookConfig] = {}


class ProjectConfig(_Section):
    """A project's ``supabase/config.toml``."""

    project_id: str | None = None
    api: ApiConfig = ApiConfig()
    db: DbConfig = DbConfig()
    realtime: RealtimeConfig = RealtimeConfig()
    storage: StorageConfig = StorageConfig()
    inbucket: InbucketConfig = InbucketConfig()
    auth: AuthConfig = AuthConfig()
    left_out: tuple[str, ...] = ()
    """What the file switches on and this stack does not do, a sentence each; not read from the file."""


_ENV_REFERENCE = re.compile(r"env\((\w+)\)")


def is_unset_variable(value: str) -> bool:
    """Whether a value of a loaded configuration is a reference to a variable that is not set.

    Args:
        value: A text of the configuration.
    """
    return _ENV_REFERENCE.fullmatch(value) is not None


def _resolve_env(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _resolve_env(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve_env(item) for item in value]
    if isinstance(value, str) and (match := _ENV_REFERENCE.fullmatch(value)):
        return os.environ.get(match[1], value)
    return value


def _resolve_paths(raw: dict[str, Any], directory: Path) -> dict[str, Any]:
    """The same with the paths of ``[auth]`` made absolute, from where the CLI reads each of them."""
    auth = raw.get("auth")
    if not isinstance(auth, dict):
        return raw
    if isinstance(keys := auth.get("signing_keys_path"), str) and keys:
        auth["signing_keys_path"] = str(directory / keys)
    email = auth.get("email")
    templates = email.get("template") if isinstance(email, dict) else None
    for template in templates.values() if isinstance(templates, dict) else ():
        if (
            isinstance(template, dict)
            and isinstance(content := template.get("content_path"), str)
            and content
        ):
            template["content_path"] = str(directory.parent / content)
    return raw


def load_config(path: Path) -> ProjectConfig:
    """Read a project's configuration; every default when there is no file.

    ``env(NAME)`` values are taken from the environment, as the CLI does.

    Args:
        path: ``supabase/config.toml``.

    Raises:
        ConfigError: it is no TOML, or a key has a wrong value; the message names each key.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return ProjectConfig()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}", hint="Fix the TOML.", code="config_invalid") from error
    try:
        resolved = _resolve_paths(_resolve_env(raw), path.absolute().parent)
        return ProjectConfig.model_validate({**resolved, "left_out": what_is_left_out(resolved)})
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        raise ConfigError(
            f"{path}: {'; '.join(faults)}", hint="Correct the named keys.", code="config_invalid"
        ) from None
