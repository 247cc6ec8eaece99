"""The project's own SQL function that changes the claims of access tokens.

Source: the documentation page "Custom Access Token Hook"; supabase/auth ``internal/hooks/hookspgfunc``,
``internal/hooks/hookserrors`` and ``internal/tokens/service.go`` (validateTokenClaims).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

from headway.errors import ConfigError
from headway.local.auth.database import Connection
from headway.local.auth.errors import AuthError, unexpected
from headway.local.config import AuthHookConfig

__all__ = ["AccessTokenHook", "access_token_hook"]

_log = logging.getLogger("headway.auth")

_NAME = "custom_access_token"
_URI = re.compile(r"pg-functions://postgres/([A-Za-z_][\w$]*)/([A-Za-z_][\w$]*)")
_TIMEOUT_MS = 2000
_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "aud": (str, list),
    "exp": int,
    "iat": int,
    "sub": str,
    "email": str,
    "phone": str,
    "role": str,
    "aal": str,
    "session_id": str,
    "is_anonymous": bool,
}


class AccessTokenHook:
    """Asks a function of the database which claims a token shall have.

    Args:
        uri: As in config.toml, for messages.
        schema: The function's schema.
        function: Its name; it takes and returns jsonb and ``supabase_auth_admin`` may execute it.
    """

    def __init__(self, uri: str, schema: str, function: str) -> None:
        self._uri = uri
        self._sql = f'select "{schema}"."{function}"($1::jsonb)::jsonb'

    async def claims(
        self, connection: Connection, user_id: UUID, claims: Mapping[str, Any], method: str
    ) -> dict[str, Any]:
        """The claims to sign.

        Args:
            connection: In the transaction of the sign-in, which fails with the function.
            user_id: Whose token.
            claims: As they would be without the hook.
            method: How the user proved who they are, or ``token_refresh``.

        Raises:
            AuthError: with the function's own message and status, or 500 when it fails or answers nonsense.
        """
        event = {"user_id": str(user_id), "claims": dict(claims), "authentication_method": method}
        try:
            async with connection.transaction():
                await connection.execute(f"set local statement_timeout to {_TIMEOUT_MS}")
                output = await connection.fetchval(self._sql, event)
        except asyncpg.PostgresError as error:
            raise unexpected(f"Error running hook URI: {self._uri}") from error
        # A subtransaction that ends well leaves its settings to the transaction.
        await connection.execute("set local statement_timeout to default")
        return _checked(output)


def _checked(output: object) -> dict[str, Any]:
    if not isinstance(output, dict):
        raise unexpected("output claims field is missing")
    refusal = output.get("error")
    if isinstance(refusal, dict) and (message := refusal.get("message")):
        status = refusal.get("http_code")
        if isinstance(status, int) and 400 <= status <= 599:
            raise AuthError(status, "unknown", str(message))
        raise unexpected(str(message))
    claims = output.get("claims")
    if not isinstance(claims, dict):
        raise unexpected("output claims field is missing")
    faults = [
        f"- (root): {name} is required" if name not in claims else f"- {name}: Invalid type"
        for name, kind in _REQUIRED.items()
        if name not in claims or not isinstance(claims[name], kind) or (kind is int and claims[name] is True)
    ]
    if faults:
        raise unexpected("output claims do not conform to the expected schema: \n" + "\n".join(faults))
    return claims


def access_token_hook(hooks: Mapping[str, AuthHookConfig]) -> AccessTokenHook | None:
    """The hook that config.toml switches on, ``None`` when it does not.

    Hooks of other kinds are not run here, which is said once.

    Args:
        hooks: ``auth.hook`` by name.

    Raises:
        ConfigError: its ``uri`` is not that of a function of this database.
    """
    for name in sorted(hooks.keys() - {_NAME}):
        if hooks[name].enabled:
            _log.warning("auth.hook.%s is not run by this stack; hosted Supabase runs it", name)
    chosen = hooks.get(_NAME)
    if chosen is None or not chosen.enabled:
        return None
    match = _URI.fullmatch(chosen.uri)
    if match is None:
        raise ConfigError(
            f"auth.hook.{_NAME}.uri: {chosen.uri!r} is not the address of a function of this database",
            hint="Write it as pg-functions://postgres/<schema>/<function>.",
            code="config_invalid",
        )
    return AccessTokenHook(chosen.uri, match[1], match[2])
