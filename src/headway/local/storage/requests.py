"""A request as Storage's handlers see it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import orjson
from starlette.types import Receive, Scope

from headway.local.storage.bodies import Record, parse_json
from headway.local.storage.faults import StorageFault, unreadable_request

__all__ = ["ClientGone", "StorageRequest"]

_MAX_JSON_BYTES = 1024 * 1024
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class ClientGone(Exception):
    """The client closed the connection before its request was complete; nobody waits for an answer."""


class StorageRequest:
    """Method, path, headers, query and body of one request.

    Args:
        scope: The ASGI scope, with the gateway's prefix removed.
        receive: The ASGI channel of the body.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self.method: str = scope["method"]
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        self.raw_path = raw.decode("latin-1")
        self.headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            self.headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        self.operation = ""
        self.body_taken = False

    @property
    def target(self) -> str:
        """Path and query as sent."""
        query = self._scope["query_string"].decode("latin-1")
        return f"{self.raw_path}?{query}" if query else self.raw_path

    @cached_property
    def query(self) -> dict[str, str]:
        """The first value of each query parameter."""
        values: dict[str, str] = {}
        for name, value in parse_qsl(
            self._scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="replace"
        ):
            values.setdefault(name, value)
        return values

    @cached_property
    def headers_json(self) -> str:
        """All headers as JSON, for the GUC ``request.headers``."""
        return orjson.dumps(self.headers).decode()

    @property
    def base_url(self) -> str | None:
        """Scheme, host and prefix under which the client reached this service."""
        host = self.headers.get("host")
        if not host:
            return None
        return f"{self._scope.get('scheme', 'http')}://{host}{self._scope.get('root_path', '')}"

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")

    @cached_property
    def content_length(self) -> int | None:
        """Bytes of the body as announced; ``None`` for a chunked body."""
        value = self.headers.get("content-length", "")
        return int(value) if value.isascii() and value.isdigit() else None

    @property
    def upsert(self) -> bool:
        """Whether the caller wants to replace what is there."""
        return self.headers.get("x-upsert") == "true"

    def decode(self, text: str) -> str:
        """A part of the raw path, percent-decoded once.

        Args:
            text: As it stands in ``raw_path``.

        Raises:
            StorageFault: an escape is broken, or it is no UTF-8.
        """
        try:
            if _BAD_ESCAPE.search(text):
                raise ValueError(text)
            return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
        except ValueError:
            raise unreadable_request("the path is not a valid url component") from None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece, as it arrives.

        Raises:
            ClientGone: the connection ended before the body did.
        """
        self.body_taken = True
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            if chunk := message.get("body", b""):
                yield chunk
            if not message.get("more_body", False):
                return

    async def gone(self) -> None:
        """Return when the client has closed the connection; to be awaited beside a long answer."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def json(self, schema: Record, *, may_be_empty: bool = False) -> dict[str, Any]:
        """The JSON body, checked.

        Args:
            schema: Its shape.
            may_be_empty: Whether no body at all counts as an empty object.

        Raises:
            StorageFault: it is missing, too large, not JSON, or of another shape.
        """
        content = await self._small_body()
        media_type = (self.content_type or "").partition(";")[0].strip().lower()
        if not content and may_be_empty:
            return schema.check({}, "body")
        if media_type == "application/json":
            if not content:
                raise StorageFault(
                    400,
                    "InvalidRequest",
                    "Body cannot be empty when content-type is set to 'application/json'",
                    error="FastifyError",
                    http_status=400,
                )
            return schema.check(parse_json(content), "body")
        # Another media type has no parser there, which leaves no body at all.
        return schema.check(None, "body")

    async def _small_body(self) -> bytes:
        too_large = StorageFault(
            413, "EntityTooLarge", "Request body is too large", error="FastifyError", http_status=413
        )
        if (self.content_length or 0) > _MAX_JSON_BYTES:
            raise too_large
        content = bytearray()
        async for chunk in self.chunks():
            content += chunk
            if len(content) > _MAX_JSON_BYTES:
                raise too_large
        return bytes(content)
