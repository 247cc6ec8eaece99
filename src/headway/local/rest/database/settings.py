"""The configuration: what the project says, overridden by ``pgrst.*`` settings of the login role.

``ALTER ROLE authenticator SET pgrst.db_schemas = 'public, api'`` followed by
``NOTIFY pgrst, 'reload config'`` works as on hosted projects.

Source: PostgREST's documentation, "Configuration", "In-Database Configuration" and "Impersonated Role
Settings".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from headway.local.config import ApiConfig
from headway.local.rest.identifiers import QName

__all__ = [
    "ROLE_SETTINGS_QUERY",
    "SETTINGS_QUERY",
    "RestConfig",
    "RoleSettings",
    "apply_settings",
    "parse_role_settings",
    "project_config",
]

_UNEXPOSABLE = frozenset({"pg_catalog", "information_schema"})

SETTINGS_QUERY: Final = """
    SELECT DISTINCT ON (name) name, value
    FROM (
        SELECT s.setdatabase, split_part(setting, '=', 1) AS name,
            substr(setting, strpos(setting, '=') + 1) AS value
        FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS setting
        WHERE s.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
          AND s.setdatabase IN (
              0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
          )
    ) settings
    WHERE name LIKE 'pgrst.%'
    ORDER BY name, setdatabase DESC
"""
"""What was set on the login role; a setting for this database wins."""

ROLE_SETTINGS_QUERY: Final = """
    SELECT r.rolname AS role, s.name, substr(entry, strpos(entry, '=') + 1) AS value
    FROM pg_catalog.pg_auth_members m
    JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
    CROSS JOIN LATERAL unnest(r.rolconfig) AS entry
    JOIN pg_catalog.pg_settings s ON s.name = split_part(entry, '=', 1)
    WHERE m.member = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
      AND (s.context = 'user' OR has_parameter_privilege(current_user, s.name, 'SET'))
    ORDER BY role, name
"""
"""What was set on the roles that the login role can become, as far as it may set it too."""


@dataclass(frozen=True, slots=True)
class RoleSettings:
    """Settings that apply while a role is impersonated.

    Args:
        values: Names and values.
        isolation: The transactions' isolation level.
    """

    values: tuple[tuple[str, str], ...] = ()
    isolation: str | None = None


@dataclass(frozen=True, slots=True)
class RestConfig:
    """How requests are answered.

    Args:
        schemas: The exposed schemas, the default one first.
        extra_search_path: Schemas at the end of every search path.
        max_rows: The most rows of a response.
        anonymous_role: The role without a token.
        pre_request: A function to call before every request.
        plan_enabled: Whether explain plans are given.
        aggregates_enabled: Whether aggregates may be used.
        rollback: Whether transactions are rolled back unless the client asks for commit.
        transaction_override: Whether a client may ask.
        openapi: ``follow-privileges``, ``ignore-privileges`` or ``disabled``.
        verbose_errors: Whether errors carry details and hints.
        hoisted: Settings of functions that apply to the whole transaction, as prefixes.
        target_names: Whether filters may name an aliased embed by its table.
        root_function: A function that answers at ``/``.
        audience: What tokens must be meant for; anything when unset, as on Supabase.
        roles: The settings of roles.
    """

    schemas: tuple[str, ...] = ("public",)
    extra_search_path: tuple[str, ...] = ("public", "extensions")
    max_rows: int | None = None
    anonymous_role: str = "anon"
    pre_request: QName | None = None
    plan_enabled: bool = False
    aggregates_enabled: bool = False
    rollback: bool = False
    transaction_override: bool = False
    openapi: str = "follow-privileges"
    verbose_errors: bool = True
    hoisted: tuple[str, ...] = (
        "statement_timeout",
        "plan_filter.statement_cost_limit",
        "default_transaction_isolation",
    )
    target_names: bool = True
    root_function: str | None = None
    audience: str | None = None
    roles: Mapping[str, RoleSettings] = field(default_factory=dict)


def project_config(api: ApiConfig) -> RestConfig:
    """The configuration that ``config.toml`` describes.

    Args:
        api: Its ``[api]``.
    """
    return RestConfig(
        schemas=_schemas(api.schemas),
        extra_search_path=tuple(api.extra_search_path),
        max_rows=api.max_rows or None,
    )


def _schemas(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if name not in _UNEXPOSABLE) or ("public",)


def _names(value: str) -> tuple[str, ...]:
    return tuple(name.strip().strip('"') for name in value.split(",") if name.strip())


def _switch(value: str, default: bool) -> bool:
    folded = value.strip().lower()
    if folded in ("true", "on", "yes", "1"):
        return True
    return default if folded not in ("false", "off", "no", "0") else False


def _function(value: str) -> QName | None:
    schema, dot, name = value.strip().partition(".")
    if not value.strip():
        return None
    return QName(schema.strip('"'), name.strip('"')) if dot else QName("", schema.strip('"'))


def apply_settings(
    config: RestConfig, settings: Mapping[str, str], roles: Mapping[str, RoleSettings]
) -> RestConfig:
    """The configuration with ``pgrst.*`` settings applied; a value that is not understood changes nothing.

    Args:
        config: What the project says.
        settings: Names with their ``pgrst.`` prefix, and values.
        roles: The settings of roles.
    """
    changes: dict[str, Any] = {"roles": roles}
    for full_name, value in settings.items():
        name = full_name.removeprefix("pgrst.")
        if name == "db_schemas" and (names := _names(value)):
            changes["schemas"] = _schemas(names)
        elif name == "db_extra_search_path":
            changes["extra_search_path"] = _names(value)
        elif name == "db_max_rows":
            text = value.strip()
            changes["max_rows"] = int(text) if text.isascii() and text.isdigit() else None
        elif name == "db_anon_role" and value:
            changes["anonymous_role"] = value
        elif name == "db_pre_request":
            changes["pre_request"] = _function(value)
        elif name == "db_plan_enabled":
            changes["plan_enabled"] = _switch(value, config.plan_enabled)
        elif name == "db_aggregates_enabled":
            changes["aggregates_enabled"] = _switch(value, config.aggregates_enabled)
        elif name == "db_tx_end":
            changes["rollback"] = value.startswith("rollback")
            changes["transaction_override"] = value.endswith("-allow-override")
        elif name == "db_hoisted_tx_settings":
            changes["hoisted"] = _names(value)
        elif name == "db_root_spec":
            changes["root_function"] = value.strip().rpartition(".")[2].strip('"') or None
        elif name == "jwt_aud":
            changes["audience"] = value or None
        elif name == "openapi_mode" and value in ("follow-privileges", "ignore-privileges", "disabled"):
            changes["openapi"] = value
        elif name == "client_error_verbosity" and value in ("verbose", "minimal"):
            changes["verbose_errors"] = value == "verbose"
        elif name == "url_use_legacy_target_names":
            changes["target_names"] = _switch(value, config.target_names)
    return replace(config, **changes)


def parse_role_settings(rows: Sequence[Mapping[str, str]]) -> dict[str, RoleSettings]:
    """The settings of each role.

    Args:
        rows: Rows of ``ROLE_SETTINGS_QUERY``.
    """
    roles: dict[str, RoleSettings] = {}
    for row in rows:
        before = roles.get(row["role"], RoleSettings())
        if row["name"] == "default_transaction_isolation":
            after = replace(before, isolation=row["value"])
        else:
            after = replace(before, values=(*before.values, (row["name"], row["value"])))
        roles[row["role"]] = after
    return roles
