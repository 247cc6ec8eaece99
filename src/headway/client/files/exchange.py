"""Requests to Storage, whose failures are errors of ``headway.errors``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from headway.client.closed import closed_error
from headway.client.files.access import StorageAccess
from headway.core.refusals import error_from_response
from headway.core.transport import error_from_httpx
from headway.errors import ApiError, HeadwayError

__all__ = ["Exchange", "object_address"]

# A large object is put together after its last byte has come, before the answer.
_TIMEOUT = httpx.Timeout(30, connect=10, read=120)
_LONGEST_ERROR = 64 * 1024
# What the same statuses mean of rows is no help with files.
_REMEDIES = {
    403: "Sign in as somebody whose folder it is: <user id>/… or org/<organisation id>/… of yours.",
    404: "Check bucket and path; what you may not read is not there for you.",
    409: "Pass replace=True, or another path.",
    413: "Send a smaller file, or raise the size limit of the bucket and of the project.",
    415: "Pass the content_type that it really has; the bucket takes only some.",
}


class Exchange:
    """Asks a project's Storage.

    Args:
        access: The caller.
        signed: Leave the caller's token out: a signature in the request says what may be done.
    """

    def __init__(self, access: StorageAccess, *, signed: bool = False) -> None:
        self.access = access
        self._signed = signed

    @property
    def base(self) -> str:
        """Where Storage is."""
        return f"{self.access.url}/storage/v1"

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        content: AsyncIterator[bytes] | bytes | None = None,
    ) -> httpx.Response:
        """One request and its whole answer, which is a success.

        Args:
            method: The HTTP method.
            path: Below ``/storage/v1``, already quoted.
            headers: Beside those of the caller.
            params: The query.
            json: The body, as a value.
            content: The body, as bytes.

        Raises:
            TransportError: no answer came, or the server cannot answer now.
            ApiError: the server refused.
        """
        async with self.stream(
            method, path, headers=headers, params=params, json=json, content=content
        ) as answer:
            try:
                await answer.aread()
            except httpx.HTTPError as error:
                raise self._broken(error) from error
            return answer

    def _broken(self, error: httpx.HTTPError | httpx.InvalidURL) -> HeadwayError:
        if self.access.http.is_closed:
            return closed_error()
        return error_from_httpx(error, now=datetime.now(UTC))

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        content: AsyncIterator[bytes] | bytes | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """As ``send``, with the answer's body unread."""
        own = dict(await self.access.headers())
        if self._signed:
            own = {name: value for name, value in own.items() if name.lower() != "authorization"}
        request = self.access.http.build_request(
            method,
            f"{self.base}{path}",
            headers={**own, "accept-encoding": "identity", **(headers or {})},
            params=params,
            json=json,
            content=content,
            timeout=_TIMEOUT,
        )
        try:
            # Never onwards to another address: the token would go there too.
            answer = await self.access.http.send(request, stream=True, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._broken(error) from error
        except RuntimeError:
            # What httpx says to whoever sends by a client that was closed.
            if not self.access.http.is_closed:
                raise
            raise closed_error() from None
        try:
            if not answer.is_success:
                raise await _refusal(answer)
            yield answer
        finally:
            await answer.aclose()


def object_address(bucket: str, path: str) -> str:
    """A bucket and a path as they stand in an address."""
    return f"{quote(bucket, safe='')}/{quote(path)}"


async def _refusal(answer: httpx.Response) -> HeadwayError:
    body = b""
    try:
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > _LONGEST_ERROR:
                break
    except httpx.HTTPError:
        pass  # the status says enough
    said: bytes | dict[str, str] = body
    if answer.headers.get("content-type", "").startswith("text/plain") and answer.headers.get(
        "tus-resumable"
    ):
        said = {"message": body.decode("utf-8", "replace").strip() or "the server refused the upload"}
    error = error_from_response(answer.status_code, said, answer.headers, now=datetime.now(UTC))
    if isinstance(error, ApiError):
        error.hint = _REMEDIES.get(error.status or 0) or error.hint
    return error
