"""The variables by which programs find a stack, and the table by which people do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from headway.errors import ConfigError
from headway.local.keys import StackKeys

__all__ = ["NAMES", "named", "print_json", "print_table", "shell_lines", "stack_variables"]

NAMES: Mapping[str, str] = {
    "api.url": "SUPABASE_URL",
    "auth.publishable_key": "SUPABASE_PUBLISHABLE_KEY",
    "auth.secret_key": "SUPABASE_SECRET_KEY",
    "auth.anon_key": "SUPABASE_ANON_KEY",
    "auth.service_role_key": "SUPABASE_SERVICE_ROLE_KEY",
    "auth.jwt_secret": "SUPABASE_JWT_SECRET",
    "db.url": "SUPABASE_DB_URL",
    "inbucket.url": "SUPABASE_INBOX_URL",
}
"""The Supabase CLI's name of each value, and the variable it is exported as."""

_LABELS = {
    "api.url": "API URL",
    "db.url": "Database URL",
    "inbucket.url": "Mail inbox URL",
    "auth.publishable_key": "Publishable key",
    "auth.secret_key": "Secret key",
    "auth.anon_key": "anon key",
    "auth.service_role_key": "service_role key",
    "auth.jwt_secret": "JWT secret",
}


def stack_variables(
    keys: StackKeys, *, api_url: str, db_url: str | None, inbox_url: str | None
) -> dict[str, str]:
    """The values by the Supabase CLI's names; what the stack does not have is left out.

    Args:
        keys: The stack's keys.
        api_url: The gateway's address.
        db_url: Postgres's address without its password.
        inbox_url: The mail inbox's address.
    """
    values = {
        "api.url": api_url,
        "db.url": _with_password(db_url, keys.db_password) if db_url else None,
        "inbucket.url": inbox_url,
        "auth.publishable_key": keys.publishable_key,
        "auth.secret_key": keys.secret_key,
        "auth.anon_key": keys.anon_key,
        "auth.service_role_key": keys.service_role_key,
        "auth.jwt_secret": keys.jwt_secret,
    }
    return {name: value for name, value in values.items() if value is not None}


def _with_password(db_url: str, password: str) -> str:
    parts = urlsplit(db_url)
    user = parts.username or "postgres"
    host = parts.netloc.rsplit("@", 1)[-1]
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}").geturl()


def named(values: Mapping[str, str], overrides: Sequence[str] = ()) -> dict[str, str]:
    """The values by the names of environment variables.

    Args:
        values: From ``stack_variables``.
        overrides: Other names, as ``api.url=NAME``.

    Raises:
        ConfigError: an override names no value or no variable.
    """
    names = dict(NAMES)
    for override in overrides:
        key, _, name = override.partition("=")
        if key not in names or not (name.isidentifier() and name.isascii()):
            raise ConfigError(
                f"--override-name {override} is not KEY=NAME",
                hint=f"KEY is one of {', '.join(NAMES)}; NAME is a variable's name.",
                code="override_invalid",
            )
        names[key] = name
    return {names[key]: value for key, value in values.items()}


def shell_lines(variables: Mapping[str, str]) -> str:
    """Lines that a shell, Docker's ``--env-file`` aside, and dotenv readers take alike: ``NAME="value"``.

    Args:
        variables: No value holds a quote, a backslash, a dollar sign or a line break.
    """
    return "".join(f'{name}="{value}"\n' for name, value in sorted(variables.items()))


def print_json(value: Any) -> None:
    """One JSON document on standard output.

    Args:
        value: What to print.
    """
    import sys

    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def print_table(values: Mapping[str, str]) -> None:
    """A stack's addresses and keys on standard output, for people.

    Args:
        values: From ``stack_variables``.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for name, label in _LABELS.items():
        if name in values:
            # Left to the terminal to wrap, so that a key can be copied whole.
            console.print(
                Text(f"{label:>16}  ", style="dim").append(values[name], style="not dim"), soft_wrap=True
            )
