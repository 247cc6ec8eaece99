"""An upload that goes on where it was interrupted, in this process or a later one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

from headway.client.files.destination import Destination, is_there
from headway.client.files.digest import RunningDigest
from headway.client.files.exchange import Exchange
from headway.client.files.patience import MOST_FAILURES, patiently, pause_after, worth_another_try
from headway.client.files.progress import ProgressTeller
from headway.client.files.resume_store import Claim, Unfinished
from headway.client.files.source import Opened
from headway.client.files.tus import CHUNK, Tus
from headway.errors import ApiError, Conflict, HeadwayError, NotFound, TransportError

__all__ = ["ResumableUpload"]

_log = logging.getLogger(__name__)

_GONE = 410
_LOCKED = 423
_FAREWELL_S = 10.0


class ResumableUpload:
    """One upload by TUS.

    Args:
        exchange: Storage.
        source: The file.
        destination: Where it goes.
        claim: The memory of this very upload; what it recalls decides the path.
        progress: Whom to tell.
    """

    def __init__(
        self,
        exchange: Exchange,
        source: Opened,
        destination: Destination,
        claim: Claim,
        progress: ProgressTeller,
    ) -> None:
        self._exchange = exchange
        self._source = source
        self._claim = claim
        self._progress = progress
        self._digest = RunningDigest(source)
        self._offset = 0
        self._upload_id: str | None = None
        self._aim_at(destination)

    async def run(self) -> str:
        """Upload what is missing; the SHA-256 of the whole.

        Raises:
            ApiError: it was refused, and is forgotten.
            TransportError: it was interrupted too often; another call goes on where it stopped.
        """
        try:
            upload_id = await self._begin()
            await self._send(upload_id)
        except BaseException as error:
            if not self._is_to_be_continued(error):
                self._claim.forget()
                await self._farewell()
            raise
        self._claim.forget()
        await self._progress.tell(self._source.size)
        return await self._digest.hexdigest()

    def _aim_at(self, destination: Destination) -> None:
        self.destination = destination
        self._tus = Tus(self._exchange, destination)

    async def _begin(self) -> str:
        earlier, wanted = self._claim.recall(), self.destination
        if earlier is None:
            return await self._create()
        self._aim_at(replace(wanted, path=earlier.path, mark=earlier.mark))
        offset = await self._offset_of(earlier.upload_id)
        if offset is None and await is_there(self._exchange, self.destination, self._source.size):
            offset = self._source.size
        if offset is None or offset > self._source.size:
            self._aim_at(wanted)
            return await self._create()
        self._upload_id, self._offset = earlier.upload_id, offset
        self._progress.resumed = offset
        await self._progress.tell(min(offset, self._source.size - 1))
        return earlier.upload_id

    async def _create(self) -> str:
        self._upload_id = await patiently(lambda _: self._tus.create(self._source.size))
        self._offset = 0
        self._claim.remember(
            Unfinished(upload_id=self._upload_id, path=self.destination.path, mark=self.destination.mark)
        )
        return self._upload_id

    async def _offset_of(self, upload_id: str) -> int | None:
        try:
            return await patiently(lambda _: self._tus.offset(upload_id))
        except ApiError as error:
            if isinstance(error, NotFound) or error.status == _GONE:
                return None
            raise

    async def _send(self, upload_id: str) -> None:
        failures, begun_anew = 0, False
        while self._offset < self._source.size:
            try:
                self._offset = await self._send_chunk(upload_id)
                failures = 0
                continue
            except HeadwayError as error:
                if not _passes(error):
                    raise
                failures += 1
                if failures >= MOST_FAILURES:
                    raise _interrupted(error, self._claim.remembers) from error
                _log.info("upload of %s was interrupted at %d: %s", self._source.name, self._offset, error)
                refused = error if isinstance(error, Conflict) and error.status != _LOCKED else None
                await asyncio.sleep(pause_after(failures, error))
            there = await self._offset_of(upload_id)
            if there is None:
                if await is_there(self._exchange, self.destination, self._source.size):
                    return
                if begun_anew:
                    raise TransportError(
                        "Storage has lost the upload twice", hint="Upload it again.", code="upload_lost"
                    )
                begun_anew = True
                upload_id, there = await self._create(), 0
            if refused is not None and there == self._offset:
                # Not about how far we are: another file is in its place by now.
                raise refused
            if there > self._offset:
                failures = 0
            self._offset = there

    async def _send_chunk(self, upload_id: str) -> int:
        self._source.check_unchanged()
        length = min(CHUNK, self._source.size - self._offset)
        start = self._offset

        async def body() -> AsyncIterator[bytes]:
            sent = 0
            async for piece in self._digest.passing(start, length):
                yield piece
                sent += len(piece)
                await self._progress.tell(min(start + sent, self._source.size - 1))

        return await self._tus.append(upload_id, start, length, body())

    def _is_to_be_continued(self, error: BaseException) -> bool:
        """Whether it makes sense that another process finds this upload."""
        if not self._claim.remembers:
            return False
        return isinstance(error, TransportError) or not isinstance(error, Exception)

    async def _farewell(self) -> None:
        if self._upload_id is None:
            return
        try:
            # Even when the caller was cancelled; Storage drops it by itself in a day if this fails.
            await asyncio.shield(asyncio.wait_for(self._tus.terminate(self._upload_id), _FAREWELL_S))
        except (HeadwayError, TimeoutError, asyncio.CancelledError) as error:
            _log.info("an unfinished upload stays in Storage until it expires: %s", error)


def _passes(error: HeadwayError) -> bool:
    """Whether asking how far the upload is, and going on from there, may help."""
    if isinstance(error, Conflict) or (isinstance(error, ApiError) and error.status == _GONE):
        return True
    return isinstance(error, NotFound) or worth_another_try(error)


def _interrupted(error: HeadwayError, remembered: bool) -> TransportError:
    hint = "Upload the same file again: it goes on where it stopped." if remembered else "Upload it again."
    return TransportError(
        f"the upload was interrupted {MOST_FAILURES} times in a row: {error.message}",
        hint=hint,
        code="upload_interrupted",
        status=getattr(error, "status", None),
    )
