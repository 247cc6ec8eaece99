"""The requests of the TUS protocol 1.0.0, as Supabase speaks it.

Sources: https://tus.io/protocols/resumable-upload; supabase/storage ``src/http/routes/tus``. The chunk size
is Supabase's own rule: exactly 6 MiB, but for the last chunk.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator

import httpx

from headway.client.files.destination import Destination
from headway.client.files.exchange import Exchange
from headway.errors import TransportError

__all__ = ["CHUNK", "UPLOAD_ID", "Tus"]

CHUNK = 6 * 1024 * 1024

_VERSION = "1.0.0"
_BODY = "application/offset+octet-stream"
UPLOAD_ID = re.compile(r"^[A-Za-z0-9_=-]{1,4096}$")
"""What an upload is called; in an address it leads nowhere else."""

_NUMBER = re.compile(r"\d{1,18}")


class Tus:
    """Speaks with the TUS server about one destination.

    Args:
        exchange: Storage.
        destination: What is to be written.
    """

    def __init__(self, exchange: Exchange, destination: Destination) -> None:
        self._exchange = exchange
        self._destination = destination
        self._base = "/upload/resumable" + ("/sign" if destination.token else "")

    async def create(self, length: int) -> str:
        """Begin an upload; its id.

        Args:
            length: Bytes of the whole.
        """
        destination = self._destination
        values = {
            "bucketName": destination.bucket,
            "objectName": destination.path,
            "contentType": destination.content_type,
            "metadata": destination.metadata,
        }
        metadata = ",".join(
            f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items()
        )
        answer = await self._exchange.send(
            "POST",
            self._base,
            headers=self._headers({"upload-length": str(length), "upload-metadata": metadata}),
        )
        # Only the last part: behind a proxy the rest may name a host that nobody reaches, and the token is
        # sent to no address that an answer names.
        upload_id = str(answer.headers.get("location", "")).split("?")[0].rstrip("/").rpartition("/")[2]
        if not UPLOAD_ID.fullmatch(upload_id):
            raise _nonsense("did not say under which address the upload goes on")
        return upload_id

    async def offset(self, upload_id: str) -> int:
        """How many bytes of an upload are there.

        Raises:
            NotFound: there is no such upload any more (also as an ``ApiError`` with status 410).
        """
        return _offset(await self._exchange.send("HEAD", self._at(upload_id), headers=self._headers()))

    async def append(self, upload_id: str, offset: int, length: int, content: AsyncIterator[bytes]) -> int:
        """Send a chunk; how many bytes are there now."""
        headers = {"upload-offset": str(offset), "content-type": _BODY, "content-length": str(length)}
        return _offset(
            await self._exchange.send(
                "PATCH", self._at(upload_id), headers=self._headers(headers), content=content
            )
        )

    async def terminate(self, upload_id: str) -> None:
        """Drop an upload that nobody will continue."""
        await self._exchange.send("DELETE", self._at(upload_id), headers=self._headers())

    def _at(self, upload_id: str) -> str:
        return f"{self._base}/{upload_id}"

    def _headers(self, more: dict[str, str] | None = None) -> dict[str, str]:
        headers = {"tus-resumable": _VERSION, **(more or {})}
        if self._destination.token:
            headers["x-signature"] = self._destination.token
        else:
            headers["x-upsert"] = "true" if self._destination.replace else "false"
        return headers


def _offset(answer: httpx.Response) -> int:
    said = answer.headers.get("upload-offset", "")
    if not _NUMBER.fullmatch(said):
        raise _nonsense("did not say how far the upload is")
    return int(said)


def _nonsense(what: str) -> TransportError:
    return TransportError(
        f"Storage {what}", hint="Check that no proxy removes the headers of TUS.", code="tus_answer"
    )
