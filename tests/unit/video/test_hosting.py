"""A video is handed to Gemini piece by piece, by Google's own client, and is gone afterwards."""

from __future__ import annotations

import asyncio
import io
import os
import threading
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from google.genai import types

from headway import Context, Worker
from headway.sandbox.environment import SANDBOX_KEYS
from headway.sandbox.server import SandboxServer
from headway.testing import run_job
from workers.video.hosting import HostedVideo, hosted
from workers.video.samples.make_sample import make_video
from workers.video.settings import VideoSettings
from workers.video.source import Aborted, PulledFile, VideoSource, open_source

Body = Callable[[HostedVideo], Awaitable[Any]]
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def sandboxed(sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("workers.llm.retries._backoff", lambda state: 0.0)
    # The library waits seconds between its own tries, in the thread.
    monkeypatch.setattr("google.genai._api_client.INITIAL_RETRY_DELAY", 0.0)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "tour.mp4")


def files_left(server: SandboxServer) -> list[str]:
    key = {"x-goog-api-key": SANDBOX_KEYS["GEMINI_API_KEY"]}
    listed = httpx.get(f"{server.url}/gemini/v1beta/files", headers=key).json()
    return [file["name"] for file in listed["files"]]


def holding(body: Body, shares: list[float] | None = None) -> Worker:
    """A worker whose job has a video at the provider for a while."""
    worker = Worker()

    @worker.job("test.hold")
    async def hold(ctx: Context) -> Any:
        settings = VideoSettings(poll_seconds=0.01)

        async def source() -> VideoSource:
            return await open_source(ctx, ctx.files.inputs[0].path, most_bytes=settings.most_bytes)

        async with hosted(ctx, source, settings, (shares if shares is not None else []).append) as held:
            return await body(held)

    return worker


async def run(worker: Worker, content: Path | bytes, **more: Any) -> Any:
    return await run_job(worker, "test.hold", files={"video.mp4": content}, **more)


@pytest.fixture(autouse=True)
def in_bucket_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.testing.run._BUCKET", "videos")


async def ready(held: HostedVideo) -> Any:
    file = await held.ready()
    assert file.state is types.FileState.ACTIVE
    assert await held.ready() is file
    return file.name


async def test_a_video_is_active_while_it_is_needed_and_gone_afterwards(
    sandbox_server: SandboxServer, video: Path
) -> None:
    shares: list[float] = []
    job = uuid4()
    recording = await run(holding(ready, shares), video, job_id=job, attempt=3)
    assert recording.document == f"files/{job.hex}-3"
    assert shares[-1] == 1.0
    assert files_left(sandbox_server) == []


@pytest.mark.parametrize("kind", ["500", "503", "429", "cut"])
async def test_an_upload_that_breaks_off_is_made_again(
    sandbox_server: SandboxServer, video: Path, kind: Any
) -> None:
    sandbox_server.sandbox.faults.add(kind, path="/upload/", times=2)
    recording = await run(holding(ready), video)
    assert recording.error is None
    assert files_left(sandbox_server) == []


async def test_a_failure_leaves_nothing_behind(sandbox_server: SandboxServer, video: Path) -> None:
    async def fail(held: HostedVideo) -> None:
        await held.ready()
        raise RuntimeError("the work has failed")

    recording = await run(holding(fail), video)
    assert recording.error is not None
    assert files_left(sandbox_server) == []


async def test_a_later_execution_removes_what_a_killed_one_has_left(
    sandbox_server: SandboxServer, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = uuid4()
    with monkeypatch.context() as patched:

        async def killed(self: HostedVideo) -> None:
            return None

        patched.setattr(HostedVideo, "close", killed)
        await run(holding(ready), video, job_id=job, attempt=1)
    assert files_left(sandbox_server) == [f"files/{job.hex}-1"]
    await run(holding(ready), video, job_id=job, attempt=2)
    assert files_left(sandbox_server) == []


async def test_a_later_execution_removes_it_even_when_it_needs_no_upload(
    sandbox_server: SandboxServer, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = uuid4()
    with monkeypatch.context() as patched:

        async def killed(self: HostedVideo) -> None:
            return None

        patched.setattr(HostedVideo, "close", killed)
        await run(holding(ready), video, job_id=job, attempt=2)

    async def nothing(held: HostedVideo) -> None:
        return None

    assert files_left(sandbox_server) == [f"files/{job.hex}-2"]
    await run(holding(nothing), video, job_id=job, attempt=4)
    assert files_left(sandbox_server) == []


async def test_what_cannot_be_removed_is_no_reason_to_fail(
    sandbox_server: SandboxServer, video: Path
) -> None:
    sandbox_server.sandbox.faults.add("503", path=f"files/{(job := uuid4()).hex}-1")
    recording = await run(holding(ready), video, job_id=job, attempt=2)
    assert recording.document == f"files/{job.hex}-2"
    assert files_left(sandbox_server) == []


async def test_a_cancellation_in_the_middle_of_the_upload_leaves_nothing(
    sandbox_server: SandboxServer,
) -> None:
    begun = asyncio.Event()

    async def never(held: HostedVideo) -> None:
        begun.set()
        await held.ready()

    sandbox_server.sandbox.faults.add("slow", path="/upload/", times=1, seconds=0.3)
    stopping: list[Any] = []
    running = asyncio.ensure_future(run(holding(never), os.urandom(20 * MIB), watch=stopping.append))
    await begun.wait()
    while sandbox_server.sandbox.requests.as_dict()["faults"].get("slow") != 1:
        await asyncio.sleep(0.01)
    stopping[0].stop("cancelled")
    recording = await running
    assert recording.outcome == "cancelled"
    assert files_left(sandbox_server) == []


async def test_a_large_video_is_never_held_in_memory(
    sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 128 * MIB

    async def pieces() -> AsyncGenerator[bytes, None]:
        for _ in range(size // MIB):
            yield bytes(MIB)

    async def large(ctx: Context, path: str, *, most_bytes: int) -> VideoSource:
        return VideoSource(pieces, size, "application/octet-stream")

    monkeypatch.setitem(globals(), "open_source", large)
    tracemalloc.start()
    try:
        recording = await run(holding(ready), b"x")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert recording.error is None
    # The piece of eight that the library sends, the next one, and what that is made of.
    assert peak < 48 * MIB


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("a.pdf", b"%PDF", "file_not_video"), ("a.mp4", b"", "file_empty")],
)
async def test_what_cannot_be_a_video_is_refused_before_it_is_sent(
    sandbox_server: SandboxServer, name: str, content: bytes, code: str
) -> None:
    recording = await run_job(holding(ready), "test.hold", files={name: content})
    assert recording.error is not None
    assert recording.error.code == code
    assert sandbox_server.sandbox.requests.as_dict()["total"] == 0


async def test_what_is_too_large_is_told_how_large_it_may_be(
    sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_VIDEO_MOST_BYTES", "1000")
    recording = await run(holding(ready), bytes(12_345))
    assert recording.error is not None
    assert recording.error.code == "file_too_large"
    assert recording.error.message == "video: has 12,345 bytes; at most 1,000 are taken"
    assert sandbox_server.sandbox.requests.as_dict()["total"] == 0


class TestPulledFile:
    @staticmethod
    async def pieces(*given: bytes) -> AsyncGenerator[bytes, None]:
        for piece in given:
            yield piece

    async def test_it_is_read_as_any_other_file(self) -> None:
        file = PulledFile(self.pieces(b"abc", b"", b"defg", b"h"), 8)
        assert file.seek(0, os.SEEK_END) == 8
        assert file.seek(0) == 0
        assert await asyncio.to_thread(file.read, 5) == b"abcde"
        assert file.tell() == 5
        assert await asyncio.to_thread(file.read) == b"fgh"
        assert await asyncio.to_thread(file.read, 5) == b""
        with pytest.raises(io.UnsupportedOperation):
            file.seek(2)

    async def test_an_end_that_comes_too_early_is_an_error(self) -> None:
        file = PulledFile(self.pieces(b"abc"), 8)
        with pytest.raises(OSError, match="ends after 3 of 8 bytes"):
            await asyncio.to_thread(file.read, 5)

    async def test_more_than_was_said_is_left_alone(self) -> None:
        file = PulledFile(self.pieces(b"abcdef"), 4)
        assert await asyncio.to_thread(file.read) == b"abcd"

    async def test_a_reader_that_waits_can_be_called_off(self) -> None:
        async def silent() -> AsyncGenerator[bytes, None]:
            await asyncio.Event().wait()
            yield b""

        file = PulledFile(silent(), 8)
        reading = asyncio.ensure_future(asyncio.to_thread(file.read, 1))
        threading.Timer(0.05, file.abort).start()
        with pytest.raises(Aborted):
            await reading
