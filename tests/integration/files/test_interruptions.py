"""Transfers go on where they were interrupted: by the network, by the server, by the end of their process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headway.client.files import Files, TransferProgress, patience
from headway.errors import HeadwayError, InvalidRequest, TransportError
from support.stack import TestStack, running_stack
from support.wire import Wire, wire_to

from .conftest import House, Party

MIB = 1024 * 1024
PROCESS = Path(__file__).with_name("uploading_process.py")


def order(house: House, party: Party, source: Path, **more: str) -> str:
    assert party.token is not None
    assert party.user_id is not None
    values = {
        "url": party.url,
        "key": party.key,
        "token": party.token,
        "user_id": party.user_id,
        "memory": str(house.memory.directory),
        "source": str(source),
    }
    return json.dumps(values | more)


def random_file(path: Path, size: int) -> bytes:
    content = os.urandom(size)
    path.write_bytes(content)
    return content


async def test_an_upload_survives_cuts_in_the_middle_of_chunks(
    house: House, ada: Party, wire: Wire, tmp_path: Path
) -> None:
    content = random_file(tmp_path / "a.bin", 15 * MIB)
    wire.cut_after_sending(2 * MIB, 9 * MIB, 10 * MIB, 14 * MIB)
    told: list[TransferProgress] = []
    ref = await house.files(ada.through(wire)).upload(tmp_path / "a.bin", on_progress=told.append)
    assert wire.cuts == 4
    assert ref.sha256 == hashlib.sha256(content).hexdigest()
    assert await house.files(ada).read(ref) == content
    # What the cuts lost was less than a chunk each: nothing began from the start.
    assert wire.carried_up < 15 * MIB + 4 * 6 * MIB


async def test_an_upload_whose_last_answer_is_lost_is_done(
    house: House, ada: Party, wire: Wire, tmp_path: Path
) -> None:
    files = house.files(ada.through(wire))
    for size in (7 * MIB, 1000):
        content = random_file(tmp_path / "b.bin", size)
        cuts = wire.cuts
        wire.lose_the_answer_after_sending(size)
        ref = await files.upload(tmp_path / "b.bin", path=f"{ada.user_id}/{size}.bin")
        assert wire.cuts == cuts + 1
        assert await house.files(ada).read(ref) == content


async def test_another_process_goes_on_after_a_kill(
    house: House, ada: Party, wire: Wire, tmp_path: Path
) -> None:
    content = random_file(tmp_path / "c.bin", 14 * MIB)
    wire.hold_after_sending(9 * MIB)
    through = ada.through(wire)
    with subprocess.Popen(
        [sys.executable, str(PROCESS), order(house, through, tmp_path / "c.bin")], stdout=subprocess.PIPE
    ) as process:
        assert await asyncio.to_thread(wire.held.wait, 60)
        process.kill()
    wire.heal()
    before = wire.carried_up
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(PROCESS), order(house, through, tmp_path / "c.bin")],
        capture_output=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert report["resumed"] >= 6 * MIB
    assert report["first"] == report["resumed"], "the bar begins where the upload does"
    assert wire.carried_up - before < 9 * MIB
    assert report["ref"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert await house.files(ada).read(f"job-files/{report['ref']['path']}") == content
    assert house.memory.directory is not None
    assert list(house.memory.directory.iterdir()) == []


async def test_a_file_that_has_changed_is_another_upload(
    house: House, ada: Party, wire: Wire, tmp_path: Path
) -> None:
    source = tmp_path / "d.bin"
    random_file(source, 14 * MIB)
    files = house.files(ada.through(wire))
    wire.hold_after_sending(9 * MIB)
    upload = asyncio.create_task(files.upload(source))
    assert await asyncio.to_thread(wire.held.wait, 60)
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    wire.heal()
    told: list[TransferProgress] = []
    content = random_file(source, 14 * MIB)
    ref = await files.upload(source, on_progress=told.append)
    assert told[0].resumed == 0
    assert await house.files(ada).read(ref) == content


@pytest.mark.parametrize("size", [13 * MIB, 1 * MIB])
async def test_a_file_that_changes_meanwhile_is_refused_and_dropped(
    house: House, ada: Party, tmp_path: Path, size: int
) -> None:
    source = tmp_path / "e.bin"
    random_file(source, size)

    def scribble(progress: TransferProgress) -> None:
        if progress.done > size // 2:
            source.write_bytes(b"short" * 3_000_000)

    with pytest.raises(InvalidRequest, match="was changed while it was uploaded"):
        await house.files(ada).upload(source, path=f"{ada.user_id}/e.bin", on_progress=scribble)
    with pytest.raises(HeadwayError):
        await house.files(ada).read(f"job-files/{ada.user_id}/e.bin")


async def test_two_at_once_do_not_disturb_each_other(house: House, ada: Party, tmp_path: Path) -> None:
    content = random_file(tmp_path / "f.bin", 13 * MIB)
    files = house.files(ada)
    refs = await asyncio.gather(*(files.upload(tmp_path / "f.bin") for _ in range(3)))
    assert len({ref.path for ref in refs}) == 3
    for ref in refs:
        assert await files.read(ref) == content


async def test_the_network_is_down(
    house: House, ada: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE", 0.001)
    random_file(tmp_path / "g.bin", 13 * MIB)
    nowhere = Party("http://127.0.0.1:9", ada.key, ada.http, ada.user_id, ada.token)
    with pytest.raises(TransportError) as refusal:
        await house.files(nowhere).upload(tmp_path / "g.bin")
    assert refusal.value.hint


async def test_an_upload_survives_a_restart_of_everything(tmp_path: Path) -> None:
    content = random_file(tmp_path / "r.bin", 13 * MIB)
    paused, restarted = asyncio.Event(), asyncio.Event()

    async def pause(progress: TransferProgress) -> None:
        if progress.done > 8 * MIB and not restarted.is_set():
            paused.set()
            await restarted.wait()

    with wire_to("http://127.0.0.1:9") as wire:
        async with up(tmp_path / "data") as stack:
            wire.lead_to(stack.url)
            house = House(stack, tmp_path / "resume")
            ada = await house.person()
            uploading = house.files(ada.through(wire)).upload(tmp_path / "r.bin", on_progress=pause)
            upload = asyncio.create_task(uploading)
            await asyncio.wait_for(paused.wait(), 60)
        async with up(tmp_path / "data") as again:
            wire.lead_to(again.url)
            restarted.set()
            ref = await upload
            assert await house.files(ada.through(wire)).read(ref) == content
            await house.close()
    assert wire.carried_up < 13 * MIB + 8 * MIB


@asynccontextmanager
async def up(data: Path) -> AsyncIterator[TestStack]:
    """A stack on some data, on another port each time."""
    running = running_stack(data)
    stack = await asyncio.to_thread(running.__enter__)
    try:
        yield stack
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


async def test_an_expired_upload_begins_anew(house: House, ada: Party, wire: Wire, tmp_path: Path) -> None:
    content = random_file(tmp_path / "h.bin", 13 * MIB)
    files = house.files(ada.through(wire))
    wire.hold_after_sending(7 * MIB)
    upload = asyncio.create_task(files.upload(tmp_path / "h.bin"))
    assert await asyncio.to_thread(wire.held.wait, 60)
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    wire.heal()

    async def forget() -> None:
        connection = await house.stack.database.connect("supabase_admin")
        try:
            await connection.execute("delete from _storage_local.resumable_uploads")
        finally:
            await connection.close()

    house.stack.run(forget())
    assert await house.files(ada).read(await files.upload(tmp_path / "h.bin")) == content


class TestDownload:
    async def test_it_survives_cuts(self, house: House, ada: Party, wire: Wire, tmp_path: Path) -> None:
        content = os.urandom(9 * MIB)
        ref = await house.files(ada).upload(content)
        wire.cut_after_receiving(1 * MIB, 3 * MIB, 8 * MIB)
        files = house.files(ada.through(wire))
        target = await files.download(ref, tmp_path / "i.bin")
        assert wire.cuts == 3
        assert target.read_bytes() == content
        wire.cut_after_receiving(2 * MIB)
        assert await files.read(ref) == content
        assert wire.cuts == 4

    async def test_another_call_goes_on(self, house: House, ada: Party, wire: Wire, tmp_path: Path) -> None:
        content = os.urandom(9 * MIB)
        ref = await house.files(ada).upload(content, path=f"{ada.user_id}/j.bin")
        files, target = house.files(ada.through(wire)), tmp_path / "j.bin"
        await self.interrupted(files, ref.path, target)
        (part,) = tmp_path.glob(".j.bin.*.part")
        there = part.stat().st_size
        told: list[TransferProgress] = []
        await files.download(ref, target, on_progress=told.append)
        assert 0 < there <= told[0].resumed
        assert target.read_bytes() == content
        assert list(tmp_path.glob(".*")) == []

    async def test_an_object_that_was_replaced_begins_anew(
        self, house: House, ada: Party, tmp_path: Path
    ) -> None:
        files, target = house.files(ada), tmp_path / "k.bin"
        path = f"{ada.user_id}/k.bin"
        await files.upload(os.urandom(9 * MIB), path=path)
        await self.interrupted(files, path, target)
        content = os.urandom(9 * MIB)
        await files.upload(content, path=path, replace=True)
        await files.download(f"job-files/{path}", target)
        assert target.read_bytes() == content
        assert list(tmp_path.glob(".*")) == []

    @staticmethod
    async def interrupted(files: Files, path: str, target: Path) -> None:
        """Cancel a download in the middle."""
        middle = asyncio.Event()

        async def stop(progress: TransferProgress) -> None:
            if progress.done > 3 * MIB:
                middle.set()
                await asyncio.Event().wait()

        download = asyncio.create_task(files.download(f"job-files/{path}", target, on_progress=stop))
        await asyncio.wait_for(middle.wait(), 60)
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
        assert not target.exists()


async def test_two_hundred_megabytes_take_no_memory(house: House, ada: Party, tmp_path: Path) -> None:
    source = tmp_path / "large.bin"
    with source.open("wb") as file:
        file.truncate(200 * MIB)
    told = order(house, ada, source, target=str(tmp_path / "back.bin"))
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, str(PROCESS), told], capture_output=True, check=True
    )
    report = json.loads(done.stdout)
    assert report["ref"]["bytes"] == (tmp_path / "back.bin").stat().st_size == 200 * MIB
    assert report["upload_kib"] < 32 * 1024
    assert report["download_kib"] < 32 * 1024
    await house.files(ada).remove([f"job-files/{report['ref']['path']}"])
