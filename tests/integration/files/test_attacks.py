"""What somebody tries who wants another's files, or to write where no upload belongs."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from headway.client.files import Files, ResumeStore, SignedUpload
from headway.client.files.destination import Destination
from headway.client.files.exchange import Exchange
from headway.client.files.plain import upload_plainly
from headway.client.files.progress import ProgressTeller
from headway.client.files.resumable import ResumableUpload
from headway.client.files.resume_store import Claim
from headway.client.files.source import opened
from headway.errors import ApiError, Denied, HeadwayError, InvalidRequest, NotFound

from .conftest import House, Party

MIB = 1024 * 1024


async def test_nobody_reads_removes_or_signs_anothers_file(house: House, ada: Party, grace: Party) -> None:
    ref = await house.files(ada).upload(b"private", name="cv.pdf")
    others = house.files(grace)
    for attempt in (others.read(ref), others.signed_url(ref)):
        with pytest.raises(NotFound):
            await attempt
    assert await others.remove([ref]) == ()
    nobody = house.files(Party(ada.url, ada.key, ada.http))
    with pytest.raises(ApiError):
        await nobody.read(ref)
    assert await house.files(ada).read(ref) == b"private"


@pytest.mark.parametrize("resumable", [False, True])
async def test_nobody_writes_into_anothers_folder(
    house: House, ada: Party, grace: Party, resumable: bool
) -> None:
    path = f"{ada.user_id}/planted.txt"
    with pytest.raises(InvalidRequest, match="begins neither with your user id"):
        await house.files(grace).upload(b"x", path=path, resumable=resumable)
    with pytest.raises(InvalidRequest):
        await house.files(grace).signed_upload(path)
    # Whoever skips our own check meets the server's.
    destination = Destination("job-files", path, "text/plain")
    async with opened(b"planted") as source:
        progress = ProgressTeller("planted", 7, None)
        upload = ResumableUpload(Exchange(grace), source, destination, Claim(), progress).run
        plain = partial(upload_plainly, Exchange(grace), source, destination, progress)
        with pytest.raises(Denied):
            await (upload if resumable else plain)()
    with pytest.raises(NotFound):
        await house.files(ada).read(f"job-files/{path}")


async def test_an_organisation_is_no_way_in(house: House, grace: Party) -> None:
    with pytest.raises(Denied):
        await house.files(grace).upload(b"x", organization_id=uuid4())
    with pytest.raises(InvalidRequest, match="organization_id: is no UUID"):
        await house.files(grace).upload(b"x", organization_id="../..")


@pytest.mark.parametrize(
    "path",
    [
        "{me}/../{you}/x",
        "{me}/./x",
        "{me}//x",
        "/{me}/x",
        "{me}/x/",
        "../x",
        "{me}/%2e%2e/x",
        "{me}/a\\b",
        "{me}/a\0b",
        "{me}/ä",
        "{me}/" + "x" * 1024,
        "org/x",
        "org/not-an-id/x",
        "",
    ],
)
async def test_no_path_climbs(house: House, ada: Party, grace: Party, path: str) -> None:
    written = path.format(me=ada.user_id, you=grace.user_id)
    with pytest.raises(InvalidRequest) as refusal:
        await house.files(ada).upload(b"x", path=written)
    assert refusal.value.details == "path"
    assert refusal.value.hint
    if not path.startswith("org/"):
        with pytest.raises(InvalidRequest):
            house.files(ada).stream(f"job-files/{written}")


async def test_a_right_to_upload_is_good_for_its_path_only(house: House, ada: Party) -> None:
    signed = await house.files(ada).signed_upload(f"{ada.user_id}/right.txt")
    elsewhere = signed.url.replace("right.txt", "wrong.txt")
    for resumable in (False, True):
        with pytest.raises(HeadwayError):
            await house.files(ada).upload_signed(elsewhere, b"x", resumable=resumable)
    with pytest.raises(NotFound):
        await house.files(ada).read(f"job-files/{ada.user_id}/wrong.txt")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/storage/v1/object/upload/sign/job-files/x?token=t",
        "{url}.evil.example/storage/v1/object/upload/sign/job-files/x?token=t",
        "{url}@evil.example/storage/v1/object/upload/sign/job-files/x?token=t",
        "{url}/storage/v1/object/upload/sign/job-files/a/../../x?token=t",
        "{url}/storage/v1/object/upload/sign/job-files/a",
        "file:///etc/passwd",
    ],
)
async def test_a_foreign_signed_address_gets_nothing(house: House, ada: Party, url: str) -> None:
    sent: list[httpx.Request] = []
    transport = httpx.MockTransport(lambda request: (sent.append(request), httpx.Response(200))[1])
    async with httpx.AsyncClient(transport=transport) as http:
        files = house.files(Party(ada.url, ada.key, http, ada.user_id, ada.token))
        with pytest.raises(InvalidRequest):
            await files.upload_signed(SignedUpload("job-files", "x", url.format(url=ada.url), "t"), b"x")
    assert sent == []


async def test_no_answer_leads_the_token_elsewhere(ada: Party, tmp_path: Path) -> None:
    asked: list[httpx.URL] = []

    def lying(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        if request.method == "POST" and "resumable" in request.url.path:
            return httpx.Response(201, headers={"location": "https://evil.example/steal/abc123"})
        if request.method == "PATCH":
            return httpx.Response(204, headers={"upload-offset": request.headers["content-length"]})
        return httpx.Response(307, headers={"location": "https://evil.example/"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(lying), follow_redirects=True) as http:
        files = Files(
            Party(ada.url, ada.key, http, ada.user_id, ada.token), resume_store=ResumeStore(tmp_path)
        )
        await files.upload(b"x", resumable=True)
        with pytest.raises(HeadwayError):
            await files.read("job-files/a/b")
    assert {url.host for url in asked} == {"127.0.0.1"}


async def test_the_memory_of_uploads_is_private_and_anothers_upload_is_not_continued(
    house: House, ada: Party, grace: Party, tmp_path: Path
) -> None:
    source = tmp_path / "mine.bin"
    source.write_bytes(os.urandom(7 * MIB))
    seen: list[int] = []

    def look(_: object) -> None:
        assert house.memory.directory is not None
        seen.append(house.memory.directory.stat().st_mode & 0o777)
        seen.extend(path.stat().st_mode & 0o777 for path in house.memory.directory.iterdir())

    first = await house.files(ada).upload(source, on_progress=look)
    assert set(seen) == {0o700, 0o600}
    second = await house.files(grace).upload(source)
    assert first.path.startswith(str(ada.user_id))
    assert second.path.startswith(str(grace.user_id))


async def test_a_poisoned_memory_begins_anew(house: House, ada: Party, tmp_path: Path) -> None:
    source = tmp_path / "p.bin"
    source.write_bytes(os.urandom(7 * MIB))
    directory = house.memory.directory
    assert directory is not None
    written: list[Path] = []

    def spy(_: object) -> None:
        written.extend(directory.iterdir())

    await house.files(ada).upload(source, on_progress=spy)
    for poison in (
        b"{",
        b"[]",
        b"\xff" * 100,
        b'{"upload_id": "../../object/cvs", "path": "x", "mark": "m"}',
        b'{"upload_id": "bm9uZQ", "path": "../x", "mark": "m"}',
    ):
        written[0].write_bytes(poison)
        ref = await house.files(ada).upload(source)
        assert await house.files(ada).read(ref) == source.read_bytes()
