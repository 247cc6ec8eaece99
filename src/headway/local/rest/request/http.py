"""An HTTP request, as far as this service looks at it.

Source: the ASGI specification, "HTTP Connection Scope"; RFC 6265, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import Receive, Scope

from headway.local.rest.errors import RestError

__all__ = ["MAX_BODY_BYTES", "HttpRequest", "read_body"]

MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """The request line and headers.

    Args:
        method: In upper case.
        path: The decoded path behind the service's prefix, with its slash.
        query: The raw query string.
        headers: Names in lower case, and values, in order.
    """

    method: str
    path: str
    query: bytes
    headers: Sequence[tuple[str, str]]

    @classmethod
    def from_scope(cls, scope: Scope) -> HttpRequest:
        """The request that an ASGI scope describes."""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        return cls(scope["method"], scope["path"] or "/", scope["query_string"], headers)

    def header(self, name: str) -> str | None:
        """The first value of a header, or ``None``."""
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]

    @property
    def bearer(self) -> str | None:
        """The bearer token, ``None`` without one; an empty text when the header has none behind the word."""
        scheme, _, token = (self.header("authorization") or "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def cookies(self) -> dict[str, str]:
        """The cookies by name."""
        cookies: dict[str, str] = {}
        for header in self.all("cookie"):
            for pair in header.split(";"):
                name, _, value = pair.strip().partition("=")
                if name:
                    cookies[name] = value
        return cookies


async def read_body(receive: Receive, limit: int = MAX_BODY_BYTES) -> bytes:
    """The whole body.

    Args:
        receive: The ASGI channel.
        limit: The most bytes to accept.

    Raises:
        RestError: the body is larger.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise RestError(413, "PGRST102", f"The request's body is larger than {limit} bytes")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
