"""A video while it is with Gemini: uploaded, prepared, and deleted again whatever happens.

Source: https://ai.google.dev/gemini-api/docs/files (files live 48 hours, unless they are deleted).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TypeVar

from google import genai
from google.genai import types

from headway import ApiError, Context, InvalidRequest
from workers.llm.clients import gemini_client
from workers.llm.gemini_adapter import GeminiAdapter
from workers.llm.retries import Passing, patiently
from workers.llm.settings import LlmSettings
from workers.video.detached import detached
from workers.video.leftovers import delete, earlier_names, leftovers, name_of
from workers.video.settings import VideoSettings
from workers.video.source import Aborted, PulledFile, VideoSource
from workers.video.uploading import upload_client

__all__ = ["HostedVideo", "hosted"]

T = TypeVar("T")

# A cancelled job's handler has 0.8 seconds, in the middle of an upload too; what could not be deleted in this
# time is found by the next video's execution, and goes by itself after 48 hours.
_UNHAND_S = 0.2
_HURRIED_S = 0.5
_FAREWELL_S = 3.0
_SWEEP_S = 10.0
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
    killed one has left behind (``workers.video.leftovers``), and none can delete what another one uses.
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
        self._name = name_of(ctx.job.id, ctx.job.attempt)
        self._earlier = earlier_names(ctx.job.id, ctx.job.attempt)

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
        """Delete the file, if there is one, and those of executions before; never fails."""
        names = [self._name] if self._begun else []
        self._begun, self._file = False, None
        await self._delete([*names, *self._earlier], _HURRIED_S if self._ctx.cancelled else _FAREWELL_S)

    async def _sweep(self) -> None:
        """Delete what others have left: executions of this job that were killed, and jobs that have ended."""
        await self._delete(self._earlier, _SWEEP_S)
        try:
            async with asyncio.timeout(_SWEEP_S):
                left = await leftovers(self._ctx, self._client)
        except Exception as error:  # noqa: BLE001 - another job's file is no reason for this one to fail
            self._ctx.log.debug("leftovers could not be looked for: %s", type(error).__name__)
        else:
            await self._delete(left, _SWEEP_S)

    async def _delete(self, names: Sequence[str], seconds: float) -> None:
        if not names:
            return
        try:
            async with asyncio.timeout(seconds):
                outcomes = await asyncio.gather(
                    *(delete(self._client, name) for name in names), return_exceptions=True
                )
        except TimeoutError as error:
            outcomes = [error]
        faults = [type(outcome).__name__ for outcome in outcomes if isinstance(outcome, Exception)]
        if faults:
            # The next video's execution finds it, and the provider deletes it in two days.
            self._ctx.log.warning("a video could not be deleted at the provider: %s", faults[0])
        elif names is self._earlier:
            self._earlier = []

    async def _upload(self, source: VideoSource) -> types.File:
        name = self._name
        if self._begun:
            # A try before this one may have arrived although its answer was lost.
            await delete(self._client, name)
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

            sending = detached(send, name="headway video upload")
            try:
                return await asyncio.shield(sending)
            except asyncio.CancelledError:
                file.abort()
                await asyncio.wait({sending}, timeout=_UNHAND_S)
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
