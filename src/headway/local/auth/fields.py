"""Request bodies: one JSON object whose fields have the right types, or a refusal that names the field.

Source: supabase/auth ``internal/api/helpers.go`` (absent, null and empty mean the same there; so here).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request

from headway.local.auth.errors import AuthError, bad_request

__all__ = ["MAX_BODY_BYTES", "Fields", "parse_fields", "read_body"]

MAX_BODY_BYTES = 1 << 20
_MAX_DEPTH = 64


class Fields:
    """The fields of a request body.

    Args:
        values: The decoded object.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def given(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._values.get(name) is not None

    def text(self, name: str) -> str:
        """A text, empty when absent.

        Raises:
            AuthError: it is something else, or holds a NUL character.
        """
        value = self._values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise bad_request("validation_failed", f"{name} must be a string")
        _check(value, name, 0)
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A truth value, ``default`` when absent.

        Raises:
            AuthError: it is something else.
        """
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise bad_request("validation_failed", f"{name} must be a boolean")
        return value

    def mapping(self, name: str) -> dict[str, Any] | None:
        """An object that Postgres can store as jsonb, ``None`` when absent.

        Raises:
            AuthError: it is something else, nested too deeply, or holds a NUL character.
        """
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise bad_request("validation_failed", f"{name} must be an object")
        _check(value, name, 0)
        return value


def _check(value: object, name: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise bad_request("validation_failed", f"{name} is nested more than {_MAX_DEPTH} levels deep")
    if isinstance(value, str):
        if "\x00" in value:
            raise bad_request("validation_failed", f"{name} must not contain the character U+0000")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, name, depth + 1)
            _check(item, name, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, name, depth + 1)


async def read_body(request: Request) -> bytes:
    """The request's body.

    Args:
        request: A request whose body was not read yet.

    Raises:
        AuthError: 413 when it is larger than 1 MiB.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise AuthError(
                413, "request_entity_too_large", f"Request body too large (max {MAX_BODY_BYTES} bytes)"
            )
    return bytes(body)


def parse_fields(body: bytes, *, optional: bool = False) -> Fields:
    """A body as fields.

    Args:
        body: The whole body.
        optional: Whether no body at all means no fields.

    Raises:
        AuthError: 400 ``bad_json`` when it is no JSON object.
    """
    if optional and not body:
        return Fields({})
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request("bad_json", f"Could not parse request body as JSON: {error.msg}") from error
    if not isinstance(value, dict):
        raise bad_request("bad_json", "Could not parse request body as JSON: expected an object")
    return Fields(value)
