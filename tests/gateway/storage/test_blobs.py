"""The files themselves: durable, complete or gone, whatever the disk does."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway.local.storage import intake as intake_module
from headway.local.storage.blob_names import BlobMissing, BlobName
from headway.local.storage.blobs import BlobStore
from headway.local.storage.intake import Intake

from .harness import StorageSite
from .test_http_shapes import refusal


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[BlobStore]:
    """A durable store."""
    store = BlobStore(tmp_path / "storage", durable=True)
    await store.start()
    yield store
    await store.stop()
    await store.stop()


def files_of(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "storage").rglob("*") if path.is_file()]


def blob(key: str = "k") -> BlobName:
    return BlobName("b", key, str(uuid.uuid4()))


def open_files(tmp_path: Path) -> list[str]:
    """What this process has open below the store, its directories aside."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except FileNotFoundError:
            continue
        if target.startswith(str(tmp_path)) and not Path(target).is_dir():
            found.append(target)
    return found


async def stored(store: BlobStore, content: bytes, name: BlobName) -> None:
    intake = Intake.new(store)
    await intake.write(content)
    await intake.finish()
    await store.run(store.place, intake.area, intake.name, name)


async def test_bytes_are_synced_while_they_come_and_at_the_end(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "_SYNC_BYTES", 1024 * 1024)
    synced: list[tuple[Path, int]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}")).relative_to(tmp_path / "storage")
        synced.append((path, os.fstat(descriptor).st_size))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    intake = Intake.new(store)
    pieces = [os.urandom(300_000) for _ in range(20)]
    for piece in pieces:
        await intake.write(piece)
    await intake.finish()
    name = blob()
    await store.run(store.place, intake.area, intake.name, name)
    sizes = [size for path, size in synced if path.parts[0] == "incoming"]
    assert len(sizes) >= 2, "nothing was synced on the way"
    assert sizes[-1] == 6_000_000
    # The new name is on disk too, and the shard that was made for it.
    assert [path for path, _ in synced[-2:]] == [Path("objects"), Path("objects") / name.file_name[:2]]
    opened = await store.run(store.open, name)
    assert opened.read(0, 10_000_000) == b"".join(pieces)
    opened.close()
    opened.close()
    assert open_files(tmp_path) == []
    assert len(files_of(tmp_path)) == 1


async def test_a_disk_that_fails_behind_our_back_fails_the_upload(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel reports lost bytes once; whoever hears of it must not be the only one to know."""
    monkeypatch.setattr(intake_module, "_SYNC_BYTES", 1024 * 1024)
    failed = threading.Event()

    def fail_once(_: int) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(os, "fsync", fail_once)
    intake = Intake.new(store)

    async def upload() -> None:
        for _ in range(10):
            await intake.write(bytes(1024 * 1024))
        await intake.finish()

    with pytest.raises(OSError, match="the disk is gone"):
        await upload()
    assert failed.is_set()
    await intake.abandon()
    assert files_of(tmp_path) == []
    assert open_files(tmp_path) == []


async def test_an_upload_that_is_cancelled_leaves_nothing_open(store: BlobStore, tmp_path: Path) -> None:

    async def upload() -> None:
        intake = Intake.new(store)
        try:
            while True:
                await intake.write(bytes(1024 * 1024))
        finally:
            await intake.abandon()

    for rounds in (1, 5, 20):
        task = asyncio.create_task(upload())
        for _ in range(rounds):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert files_of(tmp_path) == []
    assert open_files(tmp_path) == []


async def test_copies_share_bytes_where_the_file_system_can(store: BlobStore, tmp_path: Path) -> None:
    source, target = blob(), blob("copy")
    await stored(store, b"content", source)
    await store.run(store.copy, source, target)
    assert {path.stat().st_nlink for path in files_of(tmp_path)} == {2}
    await store.run(store.remove, source, blob())
    opened = await store.run(store.open, target)
    assert opened.read(0, 100) == b"content"
    opened.close()
    for missing in (source, BlobName("b", "k", None), BlobName("b", "k", "../x")):
        with pytest.raises(BlobMissing):
            await store.run(store.open, missing)
    with pytest.raises(BlobMissing):
        await store.run(store.copy, source, blob())


@pytest.mark.parametrize("code", [errno.EPERM, errno.EMLINK, errno.ENOTSUP])
async def test_copies_are_made_where_it_cannot(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(code, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    source, target = blob(), blob("copy")
    await stored(store, b"content", source)
    await store.run(store.copy, source, target)
    assert [path.read_bytes() for path in files_of(tmp_path)] == [b"content"] * 2
    assert {path.stat().st_nlink for path in files_of(tmp_path)} == {1}


async def test_what_was_never_acknowledged_is_cut_off(store: BlobStore) -> None:
    name = str(uuid.uuid4())
    store.create_empty("resumable", name)
    for kept, content in ((0, b"abcdef"), (3, b"XYZ")):
        descriptor = store.open_for_append("resumable", name, kept)
        intake = Intake(store, "resumable", name, descriptor)
        await intake.write(content)
        await intake.finish(sync=False)
    assert store.length("resumable", name) == 6
    with pytest.raises(BlobMissing):
        store.open_for_append("resumable", name, 7)
    with pytest.raises(BlobMissing):
        store.open_for_append("resumable", "none", 0)
    target = blob()
    store.place("resumable", name, target, keep=True)
    opened = store.open(target)
    assert opened.read(0, 100) == b"abcXYZ"
    opened.close()


async def test_the_sweep_leaves_alone_what_is_claimed(store: BlobStore) -> None:
    claimed, free = blob("a"), blob("b")
    with store.claim(claimed):
        await stored(store, b"1", claimed)
        await stored(store, b"1", free)
        assert store.unclaimed(store.listing()) == [free.file_name]
    assert set(store.unclaimed(store.listing())) == {claimed.file_name, free.file_name}
    store.remove_file(free.file_name)
    store.remove_file(free.file_name)
    assert store.listing() == [claimed.file_name]


def test_a_full_disk_is_an_error_and_leaves_nothing(
    site: StorageSite, service: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = site.bucket()
    files = site.stored_files()
    service.post(f"/object/{bucket}/small", content=b"1")

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device: /secret/path")

    with monkeypatch.context() as patched:
        patched.setattr(os, "writev", full)
        for content in (b"x", b"x" * 3_000_000):
            answer = service.put(f"/object/{bucket}/small", content=content)
            assert refusal(answer) == (500, "500", "Internal", "Internal Server Error")
            assert "secret" not in answer.text
    assert service.get(f"/object/{bucket}/small").content == b"1"
    assert list((site.root / "incoming").iterdir()) == []
    assert len(site.stored_files() - files) == 1
