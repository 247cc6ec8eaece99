"""Files that go with a job: uploaded before it is submitted, removed if it never comes to be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, TypeVar
from uuid import UUID

from headway.client.files.progress import OnProgress, TransferProgress
from headway.client.files.source import Source, Upload
from headway.client.files.withdrawing import seen_through
from headway.core.parts import FileRef
from headway.core.submission import InputFile
from headway.errors import ConnectFailed, HeadwayError, TransportError

__all__ = ["Attachable", "Attaching"]

_log = logging.getLogger(__name__)

Attachable: TypeAlias = Source | Upload | FileRef | InputFile
"""What can go with a job; files that are in Storage already are only named."""

_AT_ONCE = 4
# The database gives up a statement after 8 s.
_PATIENCE_S = 10.0

T = TypeVar("T")


class _Store(Protocol):
    async def upload(
        self,
        source: Source,
        *,
        bucket: str,
        path: str | None,
        name: str | None,
        content_type: str | None,
        organization_id: UUID | str | None,
        on_progress: OnProgress | None,
    ) -> FileRef: ...

    async def remove(self, files: list[FileRef]) -> tuple[str, ...]: ...


class Attaching:
    """One submission's files.

    Left normally, they stay, unless ``settle(keep=False)`` was said. Left by an exception, those that were
    uploaded here are removed, except when the job may exist all the same: an answer was lost, and ``stored``
    says that the job is there, or nobody could be asked.

    Attributes:
        files: What to submit, in the order of the mapping.
        stored: Asked whether the job exists, when the outcome of the submission is unknown.
    """

    def __init__(
        self,
        store: _Store,
        files: Mapping[str, Attachable],
        *,
        bucket: str,
        organization_id: UUID | str | None,
        on_progress: OnProgress | None,
    ) -> None:
        self._store = store
        self._wanted = dict(files)
        self._bucket = bucket
        self._organization_id = organization_id
        self._on_progress = on_progress
        self._uploaded: list[FileRef] = []
        self._keep = True
        self._sent: asyncio.Task[Any] | None = None
        self.files: tuple[InputFile, ...] = ()
        self.stored: Callable[[], Awaitable[bool]] | None = None

    async def sending(self, submission: Coroutine[Any, Any, T]) -> T:
        """What a submission is answered. It is seen through when the caller is cancelled.

        Nobody could tell otherwise whether there will be a job for the files: a request that is on its way
        cannot be called back, and the job is not there yet when it is looked up.

        Args:
            submission: Sends the job.

        Raises:
            HeadwayError: as the submission.
        """
        self._sent = asyncio.create_task(submission, name="headway submission")
        return await asyncio.shield(self._sent)

    def settle(self, *, keep: bool) -> None:
        """Say whether the files belong to the job: not when an earlier job was found instead."""
        self._keep = keep

    async def __aenter__(self) -> Self:
        turns = asyncio.Semaphore(_AT_ONCE)

        async def attach(name: str, wanted: Attachable) -> InputFile:
            async with turns:
                return await self._attach(name, wanted)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(attach(*entry)) for entry in self._wanted.items()]
        except BaseExceptionGroup as failures:
            await self._remove()
            # The first of them says what to do; the others would say the same, or were cancelled by it.
            raise failures.exceptions[0] from None
        except BaseException:
            await self._remove()
            raise
        self.files = tuple(task.result() for task in tasks)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            if not self._keep:
                await self._remove()
        elif not await self._may_exist(error):
            await self._remove()

    async def _attach(self, name: str, wanted: Attachable) -> InputFile:
        if isinstance(wanted, InputFile):
            return wanted.model_copy(update={"name": name})
        if isinstance(wanted, FileRef):
            return _input_file(name, wanted)
        upload = wanted if isinstance(wanted, Upload) else Upload(wanted)
        ref = await self._store.upload(
            upload.source,
            bucket=upload.bucket or self._bucket,
            path=upload.path,
            name=upload.name,
            content_type=upload.content_type,
            organization_id=self._organization_id,
            on_progress=self._telling(name),
        )
        self._uploaded.append(ref)
        return _input_file(name, ref)

    def _telling(self, name: str) -> OnProgress | None:
        told = self._on_progress
        if told is None:
            return None

        def tell(progress: TransferProgress) -> Awaitable[None] | None:
            return told(replace(progress, name=name))

        return tell

    async def _may_exist(self, error: BaseException) -> bool:
        sent = self._sent
        if isinstance(error, asyncio.CancelledError) and sent is not None:
            # To the end even when the caller is cancelled once more.
            await asyncio.shield(asyncio.ensure_future(seen_through(sent, _PATIENCE_S)))
            if not sent.cancelled():
                failure = sent.exception()
                return failure is None or await self._may_exist(failure)
        unknown = isinstance(error, TransportError) and not isinstance(error, ConnectFailed)
        if not unknown and not isinstance(error, asyncio.CancelledError):
            return False
        if self.stored is None:
            return unknown
        try:
            return await self.stored()
        except HeadwayError:
            # Better a file too many than a job without its file.
            return True

    async def _remove(self) -> None:
        if not self._uploaded:
            return
        # To the end even when the caller is cancelled meanwhile.
        removal = asyncio.ensure_future(self._store.remove(self._uploaded))
        try:
            await asyncio.shield(removal)
        except HeadwayError as error:
            _log.warning(
                "files of a job that was not submitted stay in Storage: %s: %s",
                ", ".join(f"{ref.bucket}/{ref.path}" for ref in self._uploaded),
                error,
            )
        else:
            self._uploaded = []


def _input_file(name: str, ref: FileRef) -> InputFile:
    return InputFile(
        name=name,
        bucket=ref.bucket,
        path=ref.path,
        content_type=ref.content_type,
        bytes=ref.bytes,
        sha256=ref.sha256,
    )
