"""Files that go with a job live exactly as long as the job wants them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from headway import AsyncHeadway
from headway.client.files import TransferProgress, Upload
from headway.core.submission import InputFile
from headway.errors import ConnectFailed, InvalidRequest, NotFound, TimedOut
from support.engine import Engine
from support.wire import Wire

from .conftest import House, Party


async def there(house: House, party: Party, files: tuple[InputFile, ...]) -> list[bool]:
    """Which of some files are in Storage."""
    found = []
    for file in files:
        try:
            await house.files(party).read(file)
        except NotFound:
            found.append(False)
        else:
            found.append(True)
    return found


async def test_files_are_uploaded_under_the_handlers_names(house: House, ada: Party, tmp_path: Path) -> None:
    (tmp_path / "Mein Lebenslauf.pdf").write_bytes(b"%PDF-1.7")
    earlier = await house.files(ada).upload(b"earlier", name="earlier.txt")
    told: set[str] = set()
    files = {
        "cv": tmp_path / "Mein Lebenslauf.pdf",
        "letter": Upload(b"Dear", name="letter.txt", content_type="text/x-letter"),
        "again": earlier,
    }
    async with house.files(ada).attaching(
        files, on_progress=lambda progress: told.add(progress.name)
    ) as attached:
        cv, letter, again = attached.files
    assert (cv.name, cv.content_type, cv.bytes) == ("cv", "application/pdf", 8)
    assert cv.path.endswith("/Mein_Lebenslauf.pdf")
    assert (letter.name, letter.content_type) == ("letter", "text/x-letter")
    assert (again.name, again.path, again.sha256) == ("again", earlier.path, earlier.sha256)
    assert told == {"cv", "letter"}
    assert await there(house, ada, attached.files) == [True, True, True]


async def test_a_refused_submission_leaves_nothing_but_what_was_there(house: House, ada: Party) -> None:
    earlier = await house.files(ada).upload(b"earlier")
    with pytest.raises(InvalidRequest):
        async with house.files(ada).attaching({"new": b"new", "old": earlier}) as attached:
            raise InvalidRequest("kind: unknown")
    assert await there(house, ada, attached.files) == [False, True]


async def test_a_job_that_was_found_needs_no_second_copy(house: House, ada: Party) -> None:
    async with house.files(ada).attaching({"a": b"x"}) as attached:
        attached.settle(keep=False)
    assert await there(house, ada, attached.files) == [False]


@pytest.mark.parametrize(
    ("failure", "stored", "kept"),
    [
        (ConnectFailed(), None, False),
        (TimedOut(), None, True),
        (TimedOut(), True, True),
        (TimedOut(), False, False),
        (asyncio.CancelledError(), True, True),
        (asyncio.CancelledError(), False, False),
        (RuntimeError(), True, False),
    ],
)
async def test_a_job_that_may_exist_keeps_its_files(
    house: House, ada: Party, failure: BaseException, stored: bool | None, kept: bool
) -> None:
    async def is_stored() -> bool:
        assert stored is not None
        return stored

    attached = house.files(ada).attaching({"a": b"x"})
    attached.stored = None if stored is None else is_stored
    with pytest.raises(type(failure)):
        async with attached:
            raise failure
    assert await there(house, ada, attached.files) == [kept]


async def test_when_one_cannot_be_uploaded_none_stays(house: House, ada: Party, tmp_path: Path) -> None:
    path = f"{ada.user_id}/first.bin"
    uploaded = asyncio.Event()

    async def pieces():  # type: ignore[no-untyped-def]
        yield b"first"

    class Late:
        """A file that cannot be read once the other is there."""

        def seekable(self) -> bool:
            return False

        def read(self, _: int) -> bytes:
            while not uploaded.is_set():
                os.sched_yield()
            raise OSError("gone")

    attaching = house.files(ada).attaching(
        {"first": Upload(pieces(), path=path), "second": Late()},  # type: ignore[dict-item]
        on_progress=lambda progress: uploaded.set() if progress.done == 5 else None,
    )
    with pytest.raises(OSError, match="gone"):
        async with attaching:
            pass
    with pytest.raises(NotFound):
        await house.files(ada).read(f"job-files/{path}")


async def test_files_stay_when_the_answer_is_lost(house: House, ada: Party, wire: Wire) -> None:
    engine = await Engine(house.stack.database).open()
    await engine.worker("test.attached")
    lost = False

    def lose(progress: TransferProgress) -> None:
        nonlocal lost
        if progress.done == progress.total and not lost:
            lost = True
            wire.lose_the_answer_after_sending(1)

    async with AsyncHeadway(url=wire.url, key=ada.key, access_token=ada.token) as hw:
        job = await hw.submit("test.attached", files={"cv": b"content"}, on_upload=lose)
        assert (wire.cuts, job.merged) == (1, "id")
        (file,) = await job.files()
        assert await hw.storage.read(file) == b"content"

        again = await hw.submit("test.attached", files={"cv": b"content"}, id=job.id)
        assert again.merged == "id"
        assert await hw.storage.read((await job.files())[0]) == b"content"
    count = "select count(*) from storage.objects where owner_id = $1"
    assert await engine.admin.fetchval(count, ada.user_id) == 1, "the second copy is of no use to anybody"
    await engine.close()
