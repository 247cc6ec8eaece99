"""Files go to Storage and come back as they were."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway.client.files import TransferProgress
from headway.errors import Conflict, InvalidRequest, NotFound, TransportError

from .conftest import House, Party

MIB = 1024 * 1024


async def pieces_of(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 100_000):
        yield content[start : start + 100_000]


@pytest.mark.parametrize("size", [0, 1, 300_000, 6 * MIB, 6 * MIB + 1, 13 * MIB])
async def test_what_was_uploaded_comes_back(house: House, ada: Party, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    source = tmp_path / "source.bin"
    source.write_bytes(content)
    files = house.files(ada)
    ref = await files.upload(source)
    assert (ref.name, ref.bytes, ref.sha256) == ("source.bin", size, hashlib.sha256(content).hexdigest())
    assert ref.path.startswith(f"{ada.user_id}/")
    target = await files.download(ref, tmp_path / "target.bin")
    assert target.read_bytes() == content
    assert await files.read(ref) == content
    assert sorted(each.name for each in tmp_path.iterdir() if each.name != "resume") == [
        "source.bin",
        "target.bin",
    ]
    memory = house.memory.directory
    assert memory is not None
    assert not memory.exists() or list(memory.iterdir()) == []


@pytest.mark.parametrize("size", [1000, 7 * MIB])
@pytest.mark.parametrize("kind", ["bytes", "file", "pipe", "pieces"])
async def test_every_kind_of_source(house: House, ada: Party, tmp_path: Path, kind: str, size: int) -> None:
    content = os.urandom(size)
    if kind == "pipe":
        # A file without a beginning to go back to.
        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

        source: object = Pipe(content)
    elif kind == "file":
        source = io.BytesIO(b"skipped" + content)
        source.seek(7)
    else:
        source = content if kind == "bytes" else pieces_of(content)
    files = house.files(ada)
    ref = await files.upload(source, name="Lebenslauf Ärztin №1.pdf")  # type: ignore[arg-type]
    assert ref.content_type == "application/pdf"
    assert ref.name == "Lebenslauf Ärztin №1.pdf"
    assert ref.path.endswith("/Lebenslauf_Arztin_No1.pdf")
    assert await files.read(ref) == content
    if kind == "file":
        assert source.tell() == 7  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "nul", "closed", "written", "text", "pieces"])
async def test_what_cannot_be_read_is_refused_at_once(
    house: House, ada: Party, tmp_path: Path, kind: str
) -> None:
    async def texts() -> AsyncIterator[str]:
        yield "no bytes"

    os.mkfifo(tmp_path / "pipe")
    closed = io.BytesIO(b"x")
    closed.close()
    with (tmp_path / "written").open("wb") as written, (tmp_path / "written").open() as text:
        sources: dict[str, Any] = {
            "pipe": tmp_path / "pipe",
            "device": Path("/dev/zero"),
            "folder": tmp_path,
            "nul": "a\0b",
            "closed": closed,
            "written": written,
            "text": text,
            "pieces": texts(),
        }
        async with asyncio.timeout(60):
            with pytest.raises(InvalidRequest) as refusal:
                await house.files(ada).upload(sources[kind])
    assert refusal.value.details == "source"
    assert refusal.value.hint


async def test_a_pipe_that_was_opened_is_read(house: House, ada: Party, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writing = asyncio.create_task(asyncio.to_thread((tmp_path / "pipe").write_bytes, b"through a pipe"))
    with await asyncio.to_thread((tmp_path / "pipe").open, "rb") as pipe:
        files = house.files(ada)
        assert await files.read(await files.upload(pipe)) == b"through a pipe"
    await writing


@pytest.mark.parametrize("wrong", ["", "pdf", "text/plain\r\nx-evil: 1", "täxt/plain", "text/" + "x" * 300])
async def test_what_is_no_media_type_is_refused_before_anything_is_sent(
    house: House, ada: Party, wrong: str
) -> None:
    unreachable = Party("http://127.0.0.1:9", ada.key, ada.http, ada.user_id, ada.token)
    with pytest.raises(InvalidRequest) as refusal:
        await house.files(unreachable).upload(b"x", content_type=wrong)
    assert refusal.value.details == "content_type"


async def test_a_checksum_may_be_in_capitals_and_must_be_one(
    house: House, ada: Party, tmp_path: Path
) -> None:
    files = house.files(ada)
    ref = await files.upload(b"right")
    assert ref.sha256 is not None
    address = f"{ref.bucket}/{ref.path}"
    await files.download(address, tmp_path / "right", sha256=ref.sha256.upper())
    with pytest.raises(InvalidRequest) as refusal:
        await files.download(address, tmp_path / "wrong", sha256="zz")
    assert refusal.value.details == "sha256"


async def test_progress_is_told_up_to_the_end_and_may_raise(house: House, ada: Party) -> None:
    told: list[TransferProgress] = []
    files = house.files(ada)
    ref = await files.upload(bytes(7 * MIB), on_progress=told.append)
    done = [each.done for each in told]
    assert done == sorted(done)
    assert done[-1] == 7 * MIB
    assert told[-1].fraction == 1
    assert len(done) > 10
    assert all(each < 7 * MIB for each in done[:-1]), "told as done before the server had said so"

    async def broken(_: TransferProgress) -> None:
        raise RuntimeError("an app's bug")

    assert await files.read(await files.upload(b"x", on_progress=broken)) == b"x"
    assert ref.bytes == 7 * MIB


async def test_an_object_is_replaced_only_when_that_is_wanted(house: House, ada: Party) -> None:
    files = house.files(ada)
    path = f"{ada.user_id}/one.txt"
    for content in (b"first", bytes(7 * MIB)):
        await files.upload(content, path=path, replace=True)
        with pytest.raises(Conflict):
            await files.upload(b"second", path=path)
        with pytest.raises(Conflict):
            await files.upload(b"second", path=path, resumable=True)
        assert await files.read(f"job-files/{path}") == content


async def test_what_is_not_what_it_should_be_is_refused_and_leaves_nothing(
    house: House, ada: Party, tmp_path: Path
) -> None:
    files = house.files(ada)
    ref = await files.upload(b"right", path=f"{ada.user_id}/checked.txt")
    await files.upload(b"wrong", path=ref.path, replace=True)
    with pytest.raises(TransportError) as refusal:
        await files.download(ref, tmp_path / "checked.txt")
    assert refusal.value.code == "checksum_mismatch"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TransportError):
        await files.read(ref)
    assert await files.read(f"job-files/{ref.path}") == b"wrong"


async def test_a_download_goes_where_it_is_told(house: House, ada: Party, tmp_path: Path) -> None:
    files = house.files(ada)
    ref = await files.upload(b"content", name="report.txt")
    assert await files.download(ref, tmp_path) == tmp_path / "report.txt"
    with pytest.raises(FileExistsError):
        await files.download(ref, tmp_path, replace=False)
    evil = ref.model_copy(update={"name": "../../evil.sh"})
    with pytest.raises(InvalidRequest, match="to: "):
        await files.download(evil, tmp_path)
    with pytest.raises(InvalidRequest, match="more than 3 bytes"):
        await files.read(ref, most_bytes=3)


async def test_signed_addresses_work_without_a_user(house: House, ada: Party, tmp_path: Path) -> None:
    files = house.files(ada)
    ref = await files.upload(b"shown", name="a b.txt")
    url = await files.signed_url(ref, expires=60, download_as="a, b.txt")
    async with httpx.AsyncClient() as anybody:
        answer = await anybody.get(url)
    assert answer.content == b"shown"
    assert "attachment" in answer.headers["content-disposition"]

    nobody = Party(ada.url, ada.key, ada.http)
    for size in (10, 7 * MIB):
        signed = await files.signed_upload(f"{ada.user_id}/by signature {size}.bin")
        source = tmp_path / "by.bin"
        source.write_bytes(os.urandom(size))
        made = await house.files(nobody).upload_signed(signed.url, source)
        assert (made.path, made.bytes) == (signed.path, size)
        assert await files.read(made) == source.read_bytes()
        assert signed.token not in repr(signed)


async def test_a_file_that_came_into_being_meanwhile_is_not_replaced(house: House, ada: Party) -> None:
    files = house.files(ada)
    path = f"{ada.user_id}/race.bin"
    others: list[str] = []

    async def overtake(progress: TransferProgress) -> None:
        if progress.done > 6 * MIB and not others:
            others.append((await files.upload(b"first", path=path)).path)

    with pytest.raises(Conflict) as refusal:
        await files.upload(bytes(7 * MIB), path=path, on_progress=overtake)
    assert refusal.value.hint == "Pass replace=True, or another path."
    assert await files.read(f"job-files/{path}") == b"first"


@pytest.mark.parametrize(
    ("content", "options", "hint"),
    [
        (bytes(11 * MIB), {"bucket": "cvs", "content_type": "application/pdf"}, "smaller file"),
        (
            bytes(11 * MIB),
            {"bucket": "cvs", "content_type": "application/pdf", "resumable": False},
            "smaller",
        ),
        (b"MZ", {"bucket": "cvs", "name": "cv.exe"}, "content_type"),
        (b"MZ", {"bucket": "cvs", "name": "cv.exe", "resumable": True}, "content_type"),
    ],
)
async def test_what_a_bucket_does_not_take_is_refused_with_the_remedy(
    house: House, ada: Party, content: bytes, options: dict[str, Any], hint: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await house.files(ada).upload(content, **options)
    assert hint in str(refusal.value.hint)


async def test_removed_files_are_gone(house: House, ada: Party) -> None:
    files = house.files(ada)
    refs = [await files.upload(b"x") for _ in range(2)]
    gone = await files.remove([*refs, f"job-files/{ada.user_id}/never"])
    assert sorted(gone) == sorted(f"job-files/{ref.path}" for ref in refs)
    for ref in refs:
        with pytest.raises(NotFound):
            await files.read(ref)
