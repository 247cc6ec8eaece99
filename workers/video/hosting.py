"""A video while it is with Gemini: uploaded, prepared, and deleted again whatever happens.

Source: https://ai.google.dev/gemini-api/docs/files (files live 48 hours, unless they are deleted).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TypeVar

from google import genai
from google.genai import errors, types

from headway import ApiError, Context, InvalidRequest
from workers.llm.clients import gemini_client
from workers.llm.gemini_adapter import GeminiAdapter
from workers.llm.retries import Passing, patiently
from workers.llm.settings import LlmSettings
from workers.video.settings import VideoSettings
from workers.video.source import Aborted, PulledFile, VideoSource
from workers.video.uploading import upload_client

__all__ = ["HostedVideo", "hosted"]

T = TypeVar("T")

_MISSING = (403, 404)
# Cancelled jobs have to be gone in two seconds; what could not be deleted in this time goes by itself after
# 48 hours.
_FAREWELL_S = 1.2
_EARLIER = 10
_FIRST_LOOK_S = 0.25


@asynccontextmanager
async def hosted(
    ctx: Context,
    source: Callable[[], Awaitable[VideoSource]],
    settings: VideoSettings,
    told: Callable[[float], None],
) -> AsyncIterator[HostedVideo]:
    """A video that is uploaded when it is needed, and deleted at the end.

    Args:
        ctx: The job's context.
        source: Finds the video; not called when it need not be uploaded.
        settings: How patient to be.
        told: Called in another thread, with the share of the video that is uploaded.
    """
    client = await ctx.shared(gemini_client)
    video = HostedVideo(ctx, client, await ctx.shared(upload_client), source, settings, told)
    try:
        yield video
    finally:
        await video.close()


class HostedVideo:
    """As ``hosted`` gives it.

    Its name at the provider follows from job and execution, so that a later execution can delete what a
    killed one has left behind, and none can delete what another one uses.
    """

    def __init__(
        self,
        ctx: Context,
        client: genai.Client,
        uploader: genai.Client,
        source: Callable[[], Awaitable[VideoSource]],
        settings: VideoSettings,
        told: Callable[[float], None],
    ) -> None:
        self._ctx = ctx
        self._client = client
        self._uploader = uploader
        self._explain = GeminiAdapter(client).explain
        self._source = source
        self._settings = settings
        self._llm = LlmSettings.load()
        self._told = told
        self._file: types.File | None = None
        self._lock = asyncio.Lock()
        self._begun = False

    async def ready(self) -> types.File:
        """The file, once the provider has prepared it; uploaded on the first call.

        Raises:
            InvalidRequest: the provider cannot read it.
            Retry: the provider cannot take it now.
            ApiError: the provider refuses.
        """
        async with self._lock:
            if self._file is None:
                source = await self._source()
                await self._sweep()
                uploaded = await self._patiently(partial(self._upload, source))
                self._file = await self._prepared(uploaded)
            return self._file

    async def close(self) -> None:
        """Delete the file, if there is one; never fails."""
        if self._begun:
            self._begun, self._file = False, None
            try:
                async with asyncio.timeout(_FAREWELL_S):
                    await self._delete(self._name(self._ctx.job.attempt))
            except Exception as error:  # noqa: BLE001 - the job is over, and the provider deletes it in two days
                self._ctx.log.warning(
                    "the video could not be deleted at the provider: %s", type(error).__name__
                )

    def _name(self, attempt: int) -> str:
        # At most 40 characters after the slash.
        return f"files/{self._ctx.job.id.hex}-{attempt}"

    async def _sweep(self) -> None:
        """Delete what executions before this one could not."""
        first = max(1, self._ctx.job.attempt - _EARLIER)
        for attempt in range(first, self._ctx.job.attempt):
            await self._patiently(partial(self._delete, self._name(attempt)))

    async def _delete(self, name: str) -> None:
        try:
            await self._client.aio.files.delete(name=name)
        except errors.APIError as error:
            if error.code not in _MISSING:
                raise

    async def _upload(self, source: VideoSource) -> types.File:
        name = self._name(self._ctx.job.attempt)
        if self._begun:
            # A try before this one may have arrived although its answer was lost.
            await self._delete(name)
        self._begun = True
        config = types.UploadFileConfig(
            name=name, mime_type=source.content_type, display_name=f"Headway job {self._ctx.job.id}"
        )
        async with aclosing(source.stream()) as pieces:
            file = PulledFile(pieces, source.size, lambda count: self._told(count / source.size))

            def send() -> types.File:
                # The library's own async upload sleeps and reads with the event loop standing still.
                sent = self._uploader.files.upload(file=file, config=config)
                if file.aborted:
                    self._uploader.files.delete(name=name)
                    raise Aborted
                return sent

            sending = asyncio.ensure_future(asyncio.to_thread(send))
            try:
                return await asyncio.shield(sending)
            except asyncio.CancelledError:
                file.abort()
                await asyncio.wait({sending}, timeout=_FAREWELL_S)
                if sending.done():
                    sending.exception()
                raise

    async def _prepared(self, file: types.File) -> types.File:
        deadline = asyncio.get_running_loop().time() + self._settings.ready_seconds
        pause = min(_FIRST_LOOK_S, self._settings.poll_seconds)
        while file.state != types.FileState.ACTIVE:
            if file.state == types.FileState.FAILED:
                reason = file.error.message if file.error and file.error.message else "no reason was given"
                raise InvalidRequest(
                    f"video: the provider cannot read it: {reason}",
                    hint="Play it to see whether it is damaged; convert it to MP4 (H.264, AAC).",
                    code="video_unreadable",
                    details="video",
                )
            if asyncio.get_running_loop().time() > deadline:
                raise Passing(
                    "Gemini has not prepared the video in time.", code="provider_timeout"
                ).as_retry()
            await asyncio.sleep(pause)
            # A short video is ready at once, a long one in minutes.
            pause = min(2 * pause, self._settings.poll_seconds)
            file = await self._patiently(partial(self._client.aio.files.get, name=file.name or ""))
        return file

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        async def attempt() -> T:
            try:
                return await call()
            except (ApiError, Passing):
                raise
            except (KeyError, ValueError) as error:
                # How the library says that an upload broke off.
                raise Passing("Gemini has not taken the whole video.", code="provider_cut_off") from error
            except OSError as error:
                raise Passing("Storage has not given the whole video.", code="storage_cut_off") from error
            except Exception as error:
                meant = self._explain(error)
                if meant is None:
                    raise
                raise meant from error

        return await patiently(
            attempt,
            tries=self._llm.tries,
            patience=self._llm.patience,
            time_left=lambda: self._ctx.time_left,
        )
