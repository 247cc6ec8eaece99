"""A download that goes on after every interruption, and is what was uploaded or fails.

Source: RFC 9110 (``Range``, ``If-Range``); supabase/storage ``src/storage/renderer``.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx

from headway.client.files.exchange import Exchange
from headway.client.files.part_file import PartFile
from headway.client.files.patience import MOST_FAILURES, pause_after, worth_another_try
from headway.client.files.places import Place
from headway.client.files.progress import ProgressTeller
from headway.core.transport import error_from_httpx
from headway.errors import ApiError, HeadwayError, TransportError

__all__ = ["download_to", "stream"]

_PIECE = 256 * 1024
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_UNSATISFIABLE = 416


class _Replaced(Exception):
    """The object is not the one that the first bytes came from."""


class _Download:
    """The bytes of one object, from a position on.

    Args:
        exchange: Storage.
        place: The object.
        position: How many bytes are at hand already, of the object with this ``etag``.
        etag: The object's version; ``None`` takes what is there.
    """

    def __init__(
        self, exchange: Exchange, place: Place, *, position: int = 0, etag: str | None = None
    ) -> None:
        self._exchange = exchange
        self._place = place
        self.position = position
        self.etag = etag
        self.total: int | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes from ``position`` on; a connection that breaks is replaced.

        Raises:
            ApiError: it is not there, or not for this caller.
            TransportError: it was interrupted too often.
        """
        failures = 0
        while True:
            before = self.position
            try:
                async for piece in self._once():
                    yield piece
                return
            except HeadwayError as error:
                failures = 1 if self.position > before else failures + 1
                if not worth_another_try(error) or failures >= MOST_FAILURES:
                    raise
                await asyncio.sleep(pause_after(failures, error))

    async def _once(self) -> AsyncIterator[bytes]:
        headers = {"range": f"bytes={self.position}-", "if-range": self.etag or ""} if self.position else {}
        address = f"/object/authenticated/{self._place.address}"
        async with self._exchange.stream("GET", address, headers=headers) as answer:
            self._check(answer)
            try:
                # As they arrive: httpx would hold pieces back to make them even, and lose them in a break.
                async for piece in answer.aiter_bytes():
                    self.position += len(piece)
                    yield piece
            except httpx.HTTPError as error:
                raise error_from_httpx(error, now=datetime.now(UTC)) from error
        if self.total is not None and self.position < self.total:
            raise TransportError(
                f"only {self.position} of {self.total} bytes came", hint="Try again.", code="cut_short"
            )

    def _check(self, answer: httpx.Response) -> None:
        etag = answer.headers.get("etag")
        if self.position:
            said = _RANGE.fullmatch(answer.headers.get("content-range", ""))
            if said is None or int(said[1]) != self.position or etag != self.etag:
                raise _Replaced
            self.total = int(said[2])
            return
        self.etag = etag
        length = answer.headers.get("content-length", "")
        self.total = int(length) if length.isdigit() else None


async def stream(exchange: Exchange, place: Place) -> AsyncIterator[bytes]:
    """An object's bytes as they come; raises after the last if they are not what they should be.

    Raises:
        ApiError: it is not there, or not for this caller.
        TransportError: it was interrupted too often, replaced meanwhile, or has another checksum.
    """
    download, digest = _Download(exchange, place), hashlib.sha256()
    try:
        async for piece in download.pieces():
            digest.update(piece)
            yield piece
    except _Replaced:
        raise TransportError(
            f"{place.name} was replaced while it was downloaded", hint="Download it again.", code="replaced"
        ) from None
    _verify(place, download.position, digest.hexdigest())


async def download_to(
    exchange: Exchange, place: Place, target: Path, *, overwrite: bool, progress: ProgressTeller
) -> None:
    """Bring an object into a file, which appears when it is whole and verified.

    What has come before an interruption stays beside it as a part, and the next call, in whichever process,
    goes on from there if the object is still the same.

    Raises:
        FileExistsError: the file is there, and is not to be overwritten.
        ApiError: it is not there, or not for this caller.
        TransportError: it was interrupted too often, or is not what it should be.
    """
    if not overwrite and target.exists():
        raise FileExistsError(errno.EEXIST, "is there already", str(target))
    left = PartFile.left_over(target)
    try:
        await _bring(exchange, place, target, left, overwrite, progress)
    except _Replaced:
        await _again(exchange, place, target, left, overwrite, progress)
    except ApiError as error:
        if left is not None:
            left.discard()
        if left is None or error.status != _UNSATISFIABLE:
            raise
        await _again(exchange, place, target, left, overwrite, progress)


async def _again(
    exchange: Exchange,
    place: Place,
    target: Path,
    left: PartFile | None,
    overwrite: bool,
    progress: ProgressTeller,
) -> None:
    if left is not None:
        left.discard()
    try:
        await _bring(exchange, place, target, None, overwrite, progress)
    except _Replaced:
        raise TransportError(
            f"{place.name} is being replaced again and again", hint="Download it later.", code="replaced"
        ) from None


async def _bring(
    exchange: Exchange,
    place: Place,
    target: Path,
    part: PartFile | None,
    overwrite: bool,
    progress: ProgressTeller,
) -> None:
    digest = hashlib.sha256()
    try:
        position = await part.read_into(digest) if part is not None else 0
        download = _Download(exchange, place, position=position, etag=part.etag if part else None)
        progress.resumed = position
        async for piece in download.pieces():
            if part is None:
                part = PartFile.begin(target, download.etag)
            await part.write(piece)
            digest.update(piece)
            progress.total = download.total
            await progress.tell(download.position)
        if part is None:
            part = PartFile.begin(target, download.etag)
        try:
            _verify(place, download.position, digest.hexdigest())
        except TransportError:
            part.discard()
            raise
        part.publish(target, overwrite=overwrite)
    finally:
        if part is not None:
            part.close()


def _verify(place: Place, size: int, sha256: str) -> None:
    if place.size is not None and size != place.size:
        raise _corrupt(place, f"has {size} bytes instead of {place.size}")
    if place.sha256 is not None and sha256 != place.sha256:
        raise _corrupt(place, "has another SHA-256 checksum than when it was uploaded")


def _corrupt(place: Place, reason: str) -> TransportError:
    return TransportError(
        f"{place.name} {reason}",
        hint="Download it again; if that does not help, the object was replaced: upload the file again.",
        code="checksum_mismatch",
    )
