"""Which project a command talks to, and as whom."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from headway.cli.jobs.sessions import PasswordSession, SessionStore, StoredSession
from headway.client.address import checked_url
from headway.client.headway import AsyncHeadway
from headway.client.identity import AccessToken
from headway.errors import ConfigError, HeadwayError
from headway.settings import ClientSettings, CommandSettings, WorkerSettings

__all__ = ["Access", "find_access", "open_client"]


@dataclass(frozen=True, slots=True)
class Access:
    """A project's address and keys.

    Attributes:
        public_key: The publishable key; ``None`` when only a secret one is known.
        secret_key: ``None`` when it is not known.
        origin: Where these were found.
    """

    url: str
    public_key: str | None = field(repr=False)
    secret_key: str | None = field(repr=False)
    origin: Literal["environment", "local"]


def find_access(project: Path | None, *, needs: Literal["public", "secret", "any"] = "public") -> Access:
    """The project that the environment names; without any, the stack that runs in this folder's project.

    Args:
        project: The option ``--project``: that folder's stack, whatever the environment says.
        needs: Which key must be known.

    Raises:
        ConfigError: none is named, or the key is missing.
        HeadwayError: no stack is running (``not_running``).
    """
    if project is None and os.environ.get("SUPABASE_URL"):
        return _of_environment(needs)
    try:
        return _of_local_stack(project)
    except HeadwayError as error:
        if project is not None:
            raise
        raise HeadwayError(
            "no project is named: SUPABASE_URL is not set, and no stack is running here",
            hint="Set SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY, or start a stack with `headway up`.",
            code="not_running",
        ) from error


def _of_environment(needs: str) -> Access:
    public = secret = None
    try:
        client = ClientSettings.load()
        url, public = str(client.url), client.key.get_secret_value()
    except ConfigError:
        if needs == "public":
            raise
        url = os.environ["SUPABASE_URL"]
    try:
        secret = WorkerSettings.load().secret_key.get_secret_value()
    except ConfigError:
        if needs == "secret":
            raise
    if public is None and secret is None:
        raise ConfigError(
            "SUPABASE_PUBLISHABLE_KEY: is not set",
            hint="Copy the publishable key from Settings, API Keys.",
            code="config_invalid",
        )
    return Access(checked_url(url), public, secret, "environment")


def _of_local_stack(project: Path | None) -> Access:
    try:
        from headway.cli.status import running_values
        from headway.cli.target import running_target
    except ImportError as error:
        raise ConfigError(
            f"the local stack is not installed: {error.name} is missing",
            hint="pip install 'headway[local]', or set SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY.",
            code="extra_missing",
        ) from error
    values = running_values(running_target(project, None))
    return Access(
        checked_url(values["api.url"]), values["auth.publishable_key"], values["auth.secret_key"], "local"
    )


def open_client(project: Path | None, *, service: bool) -> AsyncHeadway:
    """A client as whoever the environment, ``headway login`` or ``--service`` says.

    Args:
        project: The option ``--project``.
        service: With the secret key, past row level security.

    Raises:
        ConfigError: no project or key is known, or nobody is signed in (``not_signed_in``).
    """
    access = find_access(project, needs="secret" if service else "public")
    if service:
        assert access.secret_key is not None
        return AsyncHeadway(url=access.url, key=access.secret_key)
    assert access.public_key is not None
    return AsyncHeadway(url=access.url, key=access.public_key, access_token=access_token(access))


def access_token(access: Access) -> AccessToken:
    """Whose token to use with a project.

    Raises:
        ConfigError: nobody is signed in (``not_signed_in``).
    """
    assert access.public_key is not None
    settings = CommandSettings.load()
    if settings.access_token is not None:
        return settings.access_token.get_secret_value()
    if settings.email is not None and settings.password is not None:
        return PasswordSession(
            access.url, access.public_key, settings.email, settings.password.get_secret_value()
        ).token
    store = SessionStore.default(access.url)
    if store.exists():
        return StoredSession(access.url, access.public_key, store).token
    raise ConfigError(
        f"nobody is signed in to {access.url}",
        hint="`headway login`, or set HEADWAY_ACCESS_TOKEN or HEADWAY_EMAIL and HEADWAY_PASSWORD; "
        "--service uses the secret key.",
        code="not_signed_in",
    )
