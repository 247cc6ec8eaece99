"""Storage objects as streams, as the service role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeAlias
from urllib.parse import quote

import httpx

from headway.core.refusals import error_from_response
from headway.core.transport import error_from_httpx
from headway.errors import HeadwayError, TransportError

__all__ = ["HttpObjects", "Objects", "Source"]

Source: TypeAlias = "Path | bytes | AsyncIterator[bytes]"

_TRIES = 4
_CHUNK = 256 * 1024


class Objects(Protocol):
    """Storage, as far as files of jobs need it; over HTTP in life, a dictionary in tests."""

    def stream(self, bucket: str, path: str) -> AsyncIterator[bytes]:
        """An object's content, piece by piece.

        Raises:
            NotFound: there is no such object.
            TransportError: Storage could not be asked.
        """
        ...

    async def put(
        self, bucket: str, path: str, pieces: Callable[[], AsyncIterator[bytes]], content_type: str,
        *, size: int | None, repeatable: bool,
    ) -> None:  # fmt: skip
        """Store an object, in place of what is there.

        Args:
            bucket: Where.
            path: Where in it.
            pieces: Makes its content.
            content_type: Its type.
            size: How many bytes, if known.
            repeatable: Whether ``pieces`` may be called again after a failure of transport.
        """
        ...

    async def signed_url(self, bucket: str, path: str, expires: float) -> str:
        """An address under which anybody can read the object for so many seconds."""
        ...


class HttpObjects:
    """Storage over HTTP.

    Args:
        url: The project's URL.
        http: Carries the key and the timeouts.
    """

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self._base = f"{url.rstrip('/')}/storage/v1"
        self._http = http

    async def stream(self, bucket: str, path: str) -> AsyncIterator[bytes]:
        """As ``Objects.stream``; goes on where the connection broke."""
        address = f"{self._base}/object/authenticated/{_quoted(bucket)}/{_quoted(path)}"
        done, failures, etag = 0, 0, None
        while True:
            headers = {"Range": f"bytes={done}-"} if done else {}
            if done and etag:
                headers["If-Range"] = etag
            try:
                async with self._http.stream("GET", address, headers=headers) as response:
                    if response.status_code >= 400:
                        await response.aread()
                        raise _refusal(response)
                    if done and response.status_code != 206:
                        raise TransportError(
                            "the object changed while it was read", hint="Try again.", code="object_changed"
                        )
                    etag = response.headers.get("etag")
                    async for piece in response.aiter_bytes(_CHUNK):
                        done += len(piece)
                        yield piece
                return
            except httpx.HTTPError as error:
                failures += 1
                if failures >= _TRIES:
                    raise error_from_httpx(error, now=datetime.now(UTC)) from error
            except TransportError as error:
                failures += 1
                if failures >= _TRIES or error.status is None:
                    raise
            await asyncio.sleep(min(5.0, 0.2 * 3**failures))

    async def put(
        self, bucket: str, path: str, pieces: Callable[[], AsyncIterator[bytes]], content_type: str,
        *, size: int | None, repeatable: bool,
    ) -> None:  # fmt: skip
        """As ``Objects.put``."""
        address = f"{self._base}/object/{_quoted(bucket)}/{_quoted(path)}"
        headers = {"content-type": content_type, "x-upsert": "true", "cache-control": "max-age=3600"}
        if size is not None:
            headers["content-length"] = str(size)
        failures = 0
        while True:
            failure: HeadwayError
            try:
                response = await self._http.post(address, content=pieces(), headers=headers)
            except httpx.HTTPError as error:
                failure = error_from_httpx(error, now=datetime.now(UTC))
            else:
                if response.status_code < 400:
                    return
                failure = _refusal(response)
            failures += 1
            if not repeatable or failures >= _TRIES or not isinstance(failure, TransportError):
                raise failure
            await asyncio.sleep(min(5.0, 0.2 * 3**failures))

    async def signed_url(self, bucket: str, path: str, expires: float) -> str:
        """As ``Objects.signed_url``."""
        address = f"{self._base}/object/sign/{_quoted(bucket)}/{_quoted(path)}"
        try:
            response = await self._http.post(address, json={"expiresIn": max(1, round(expires))})
        except httpx.HTTPError as error:
            raise error_from_httpx(error, now=datetime.now(UTC)) from error
        if response.status_code >= 400:
            raise _refusal(response)
        return f"{self._base}{response.json()['signedURL']}"


def _refusal(response: httpx.Response) -> HeadwayError:
    return error_from_response(
        response.status_code, response.content, response.headers, now=datetime.now(UTC)
    )


def _quoted(part: str) -> str:
    return quote(part, safe="/")
