"""Answers, and how they reach the ASGI channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Protocol

import orjson
from starlette.types import Send

from headway.local.storage.faults import StorageFault
from headway.local.storage.names import check_header_value

__all__ = ["BodyStream", "Reply", "fault_reply", "http_date", "js_time", "json_reply", "send_reply"]


class BodyStream(Protocol):
    """Content that is read while it is sent; closed in any case, even if it was never read."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Args:
        status: The HTTP status.
        headers: Name and value; values may hold text that a caller stored, so they are checked when sent.
        body: The content, or a stream of it.
        close: Whether the connection ends with this answer.
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | BodyStream = b""
    close: bool = False


def json_reply(content: Any, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Reply:
    """A JSON answer.

    Args:
        content: What to encode.
        status: The HTTP status.
        headers: More headers.
    """
    body = orjson.dumps(content)
    return Reply(
        status,
        [
            ("content-type", "application/json; charset=utf-8"),
            ("content-length", str(len(body))),
            *(headers or ()),
        ],
        body,
    )


def fault_reply(fault: StorageFault) -> Reply:
    """The answer that an error becomes.

    Args:
        fault: The error.
    """
    return json_reply(fault.body(), fault.http_status, list(fault.headers))


async def send_reply(reply: Reply, send: Send) -> None:
    """Send an answer.

    Args:
        reply: The answer; a stream is read to its end.
        send: The ASGI channel.

    Raises:
        StorageFault: a header's value cannot be sent; nothing has been sent then.
    """
    try:
        headers = [
            (name.encode(), check_header_value(name, value).encode("latin-1"))
            for name, value in reply.headers
        ]
        if reply.close:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if isinstance(reply.body, bytes):
            await send({"type": "http.response.body", "body": reply.body})
            return
        async for chunk in reply.body:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        if not isinstance(reply.body, bytes):
            await reply.body.aclose()


def js_time(moment: datetime | None) -> str | None:
    """A timestamp as JavaScript's ``toISOString`` writes it, with milliseconds and ``Z``.

    Args:
        moment: With a time zone, or ``None``.
    """
    if moment is None:
        return None
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def http_date(moment: datetime) -> str:
    """A timestamp as HTTP headers write it (RFC 9110, section 5.6.7).

    Args:
        moment: With a time zone.
    """
    return format_datetime(moment.astimezone(UTC), usegmt=True)
