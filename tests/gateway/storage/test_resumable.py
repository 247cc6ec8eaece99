"""Resumable uploads: by a maintained TUS client, and by hand where it gets rough."""

from __future__ import annotations

import io
import os
import uuid

import httpx
import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from . import tus
from .harness import ALICE, FILE_SIZE_LIMIT, StorageSite, until

CONTENT = os.urandom(tus.CHUNK + 1_000_000)


@pytest.fixture
def bucket(site: StorageSite) -> str:
    return site.bucket()


def official(site: StorageSite, **headers: str) -> TusClient:
    """tuspy with the service key."""
    key = site.stack.keys.service_role_key
    return TusClient(f"{site.url}/upload/resumable", headers={"authorization": f"Bearer {key}", **headers})


def names(bucket: str, key: str, **more: str) -> dict[str, str]:
    return {"bucketName": bucket, "objectName": key, **more}


def test_the_official_client_uploads_in_chunks(site: StorageSite, service: httpx.Client, bucket: str) -> None:
    uploader = official(site).uploader(
        file_stream=io.BytesIO(CONTENT),
        chunk_size=tus.CHUNK,
        metadata=names(
            bucket,
            "dir/video.mp4",
            contentType="video/mp4",
            cacheControl="60",
            metadata='{"title": "ä"}',
        ),
    )
    uploader.upload()
    assert service.get(f"/object/{bucket}/dir/video.mp4").content == CONTENT
    info = service.get(f"/object/info/{bucket}/dir/video.mp4").json()
    assert (info["size"], info["content_type"]) == (len(CONTENT), "video/mp4")
    assert (info["cache_control"], info["metadata"]) == ("max-age=60", {"title": "ä"})
    assert not tus.file_of(site, uploader.url).exists()


# aiohttp's advice to the client's author about large bodies.
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
async def test_the_official_asynchronous_client(
    site: StorageSite, service: httpx.Client, bucket: str
) -> None:
    uploader = official(site).async_uploader(
        file_stream=io.BytesIO(CONTENT), chunk_size=tus.CHUNK, metadata=names(bucket, "a")
    )
    await uploader.upload()
    assert service.get(f"/object/{bucket}/a").content == CONTENT


def test_the_official_client_goes_on_after_a_dropped_connection(
    site: StorageSite, service: httpx.Client, bucket: str
) -> None:
    url = tus.create(service, bucket, "a", len(CONTENT)).headers["location"]
    with tus.begin_patch(site, url, 0, tus.CHUNK, CONTENT[:2_000_000]):
        pass
    # What has arrived in the middle of a chunk is kept.
    until(lambda: tus.received(site, url) == 2_000_000, "all that was sent")
    uploader = official(site).uploader(file_stream=io.BytesIO(CONTENT), chunk_size=tus.CHUNK, url=url)
    assert uploader.offset == 2_000_000
    uploader.upload()
    assert service.get(f"/object/{bucket}/a").content == CONTENT


def test_a_newer_request_takes_over_from_one_that_hangs(
    site: StorageSite, service: httpx.Client, bucket: str
) -> None:
    """The old connection is not noticed to be dead; the client that comes back must not wait for it."""
    url = tus.create(service, bucket, "a", len(CONTENT)).headers["location"]
    with tus.begin_patch(site, url, 0, tus.CHUNK, CONTENT[:1_500_000]) as hanging:
        until(lambda: tus.file_of(site, url).stat().st_size, "the first bytes")
        offset = int(tus.head(service, url).headers["upload-offset"])
        assert 0 < offset <= 1_500_000
        answer = hanging.recv(4096)
        assert answer.startswith(b"HTTP/1.1 204")
        assert f"upload-offset: {offset}\r\n".encode() in answer
        assert b"connection: close" in answer
        rest = official(site).uploader(file_stream=io.BytesIO(CONTENT), chunk_size=tus.CHUNK, url=url)
        rest.upload()
    assert service.get(f"/object/{bucket}/a").content == CONTENT


def test_of_two_at_the_same_offset_one_is_refused(
    site: StorageSite, service: httpx.Client, bucket: str
) -> None:
    url = tus.create(service, bucket, "a", len(CONTENT)).headers["location"]
    with tus.begin_patch(site, url, 0, tus.CHUNK, CONTENT[:1_500_000]) as first:
        until(lambda: tus.file_of(site, url).stat().st_size, "the first bytes")
        second = tus.patch(service, url, 0, b"x" * tus.CHUNK)
        assert (second.status_code, second.text) == (409, "Upload-Offset conflict\n")
        assert first.recv(4096).startswith(b"HTTP/1.1 204")
    offset = tus.received(site, url)
    assert tus.file_of(site, url).read_bytes() == CONTENT[:offset]


def test_the_steps_of_the_protocol(site: StorageSite, service: httpx.Client, bucket: str) -> None:
    created = tus.create(service, bucket, "a", len(CONTENT), contentType="image/png")
    assert (created.status_code, created.content) == (201, b"")
    assert created.headers["tus-resumable"] == "1.0.0"
    assert created.headers["upload-expires"].endswith("GMT")
    url = created.headers["location"]
    assert url.startswith(f"{site.url}/upload/resumable/")

    first = tus.patch(service, url, 0, CONTENT[: tus.CHUNK])
    assert (first.status_code, first.headers["upload-offset"]) == (204, str(tus.CHUNK))
    assert "upload-expires" in first.headers
    assert "tus-complete" not in first.headers
    assert site.rows(bucket) == {}

    shown = tus.head(service, url)
    assert shown.status_code == 200
    assert shown.headers["upload-offset"] == str(tus.CHUNK)
    assert shown.headers["upload-length"] == str(len(CONTENT))
    assert shown.headers["cache-control"] == "no-store"
    assert "contentType aW1hZ2UvcG5n" in shown.headers["upload-metadata"]

    last = tus.patch(service, url, tus.CHUNK, CONTENT[tus.CHUNK :])
    assert (last.status_code, last.headers["tus-complete"]) == (204, "1")
    assert last.headers["upload-offset"] == str(len(CONTENT))
    assert service.get(f"/object/{bucket}/a").content == CONTENT

    # The last answer may be lost: asking again, or sending nothing more, finds it complete.
    assert tus.head(service, url).headers["upload-offset"] == str(len(CONTENT))
    assert tus.patch(service, url, len(CONTENT), b"").headers["tus-complete"] == "1"
    assert tus.patch(service, url, 0, b"").status_code == 409
    assert tus.delete(service, url).text == "Cannot terminate an already completed upload"


def test_what_the_server_can_do(site: StorageSite) -> None:
    with site.client(None) as nobody:
        answer = nobody.options("/upload/resumable")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-max-size"] == str(FILE_SIZE_LIMIT)
    assert set(answer.headers["tus-extension"].split(",")) == {
        "creation",
        "creation-with-upload",
        "creation-defer-length",
        "termination",
        "expiration",
    }


def test_creation_with_the_first_bytes(service: httpx.Client, bucket: str) -> None:
    whole = tus.create(service, bucket, "whole", 5, content=b"12345")
    assert (whole.status_code, whole.headers["upload-offset"]) == (201, "5")
    assert whole.headers["tus-complete"] == "1"
    assert service.get(f"/object/{bucket}/whole").content == b"12345"
    part = tus.create(service, bucket, "part", len(CONTENT), content=CONTENT[: tus.CHUNK])
    assert (part.status_code, part.headers["upload-offset"]) == (201, str(tus.CHUNK))
    tus.patch(service, part.headers["location"], tus.CHUNK, CONTENT[tus.CHUNK :])
    assert service.get(f"/object/{bucket}/part").content == CONTENT


def test_an_empty_file_is_complete_at_once(service: httpx.Client, bucket: str) -> None:
    created = tus.create(service, bucket, "empty", 0)
    assert (created.status_code, created.headers["tus-complete"]) == (201, "1")
    assert service.get(f"/object/{bucket}/empty").content == b""


def test_a_length_that_is_said_later(service: httpx.Client, bucket: str) -> None:
    url = tus.create(service, bucket, "a", None).headers["location"]
    assert tus.head(service, url).headers["upload-defer-length"] == "1"
    assert tus.patch(service, url, 0, b"123").headers["upload-offset"] == "3"
    assert tus.patch(service, url, 3, b"45", {"upload-length": "2"}).status_code == 400
    assert tus.patch(service, url, 3, b"45", {"upload-length": str(2**50)}).status_code == 413
    done = tus.patch(service, url, 3, b"45", {"upload-length": "5"})
    assert done.headers["tus-complete"] == "1"
    assert service.get(f"/object/{bucket}/a").content == b"12345"


def test_termination(site: StorageSite, service: httpx.Client, bucket: str) -> None:
    url = tus.create(service, bucket, "a", len(CONTENT)).headers["location"]
    tus.patch(service, url, 0, CONTENT[: tus.CHUNK])
    file = tus.file_of(site, url)
    assert file.stat().st_size == tus.CHUNK
    assert tus.delete(service, url).status_code == 204
    for answer in (tus.head(service, url), tus.patch(service, url, 0, b"")):
        assert answer.status_code == 404
    assert not file.exists()


def test_expiry(site: StorageSite, service: httpx.Client, bucket: str) -> None:
    url = tus.create(service, bucket, "a", len(CONTENT)).headers["location"]
    tus.patch(service, url, 0, CONTENT[: tus.CHUNK])
    site.execute(
        "update _storage_local.resumable_uploads set expires_at = now() where bucket_id = %s", bucket
    )
    assert tus.head(service, url).status_code == 410
    gone = tus.patch(service, url, tus.CHUNK, CONTENT[tus.CHUNK :])
    assert (gone.status_code, gone.text) == (410, "The file for this url no longer exists\n")
    site.stack.run(site.stack.service("storage").sweeper.sweep())
    assert tus.head(service, url).status_code == 404
    assert not tus.file_of(site, url).exists()


def test_an_existing_object_is_replaced_only_on_demand(service: httpx.Client, bucket: str) -> None:
    service.post(f"/object/{bucket}/a", content=b"old")
    refused = tus.create(service, bucket, "a", 3)
    assert (refused.status_code, refused.text) == (409, "The resource already exists")
    upsert = {"x-upsert": "true"}
    url = tus.create(service, bucket, "a", 3, headers=upsert).headers["location"]
    assert tus.patch(service, url, 0, b"new").status_code == 409
    assert service.get(f"/object/{bucket}/a").content == b"old"
    assert tus.patch(service, url, 0, b"new", upsert).headers["tus-complete"] == "1"
    assert service.get(f"/object/{bucket}/a").content == b"new"


def test_an_object_that_appears_meanwhile_is_not_replaced(service: httpx.Client, bucket: str) -> None:
    url = tus.create(service, bucket, "a", 3).headers["location"]
    service.post(f"/object/{bucket}/a", content=b"first")
    refused = tus.patch(service, url, 0, b"new")
    assert (refused.status_code, refused.text) == (409, "The resource already exists")
    assert service.get(f"/object/{bucket}/a").content == b"first"
    assert tus.head(service, url).headers["upload-offset"] == "0"


def test_the_signed_variant(site: StorageSite, service: httpx.Client, bucket: str) -> None:
    def signature(key: str, **headers: str) -> dict[str, str]:
        token = service.post(f"/object/upload/sign/{bucket}/{key}", headers=headers).json()["token"]
        return {"x-signature": token}

    signed = signature("a")
    with site.client(None) as nobody:
        path = "/upload/resumable/sign"
        created = tus.create(nobody, bucket, "a", len(CONTENT), path=path, headers=signed)
        assert created.status_code == 201, created.text
        url = created.headers["location"]
        assert url.startswith(f"{site.url}/upload/resumable/sign/")
        assert tus.patch(nobody, url, 0, CONTENT[: tus.CHUNK], signed).status_code == 204
        assert tus.head(nobody, url, signed).headers["upload-offset"] == str(tus.CHUNK)
        for wrong in ({}, {"x-signature": "x"}, signature("b")):
            assert tus.head(nobody, url, wrong).status_code == 400
            assert tus.patch(nobody, url, tus.CHUNK, CONTENT[tus.CHUNK :], wrong).status_code == 400
            assert tus.delete(nobody, url, wrong).status_code == 400
        assert tus.patch(nobody, url, tus.CHUNK, CONTENT[tus.CHUNK :], signed).status_code == 204
        assert service.get(f"/object/{bucket}/a").content == CONTENT
        again = tus.create(nobody, bucket, "a", 1, path=path, headers=signed)
        assert (again.status_code, again.text) == (409, "The resource already exists")
        may_replace = signature("a", **{"x-upsert": "true"})
        assert tus.create(nobody, bucket, "a", 1, path=path, headers=may_replace, content=b"1").is_success
        assert service.get(f"/object/{bucket}/a").content == b"1"
        missing = tus.create(nobody, bucket, "a", 1, path=path)
        assert (missing.status_code, missing.text) == (400, "Missing x-signature header")


def test_the_method_can_be_overridden(service: httpx.Client, bucket: str) -> None:
    url = tus.create(service, bucket, "a", 3).headers["location"]
    headers = {
        "tus-resumable": "1.0.0",
        "x-http-method-override": "PATCH",
        "upload-offset": "0",
        "content-type": tus.PATCH,
    }
    assert service.post(url, headers=headers, content=b"abc").headers["tus-complete"] == "1"
    assert service.post(url, headers={**headers, "x-http-method-override": "GET"}).status_code == 404


def test_requests_that_break_the_protocol(site: StorageSite, service: httpx.Client, bucket: str) -> None:
    url = tus.create(service, bucket, "a", len(CONTENT)).headers["location"]
    chunk = CONTENT[: tus.CHUNK]
    content_type = {"content-type": tus.PATCH}
    version = {"tus-resumable": "1.0.0"}
    offset = {"upload-offset": "0"}

    def send(method: str, target: str, headers: dict[str, str], content: bytes = b"") -> tuple[int, str]:
        answer = service.request(method, target, headers=headers, content=content)
        if answer.status_code == 412:
            assert answer.headers["tus-version"] == "1.0.0"
        return answer.status_code, answer.text

    assert send("PATCH", url, {**content_type, **offset}) == (412, "Tus-Resumable Required\n")
    assert send("PATCH", url, {**content_type, **offset, "tus-resumable": "0.2.2"})[0] == 412
    assert send("PATCH", url, {**version, **content_type}) == (403, "Upload-Offset header required\n")
    assert send("PATCH", url, {**version, **offset}) == (403, "Content-Type header required\n")
    assert send("PATCH", url, {**version, **offset, "content-type": "text/plain"}) == (
        400,
        "Invalid content-type\n",
    )
    assert send("PATCH", url, {**version, **content_type, "upload-offset": "-1"}) == (
        400,
        "Invalid upload-offset\n",
    )
    assert send("PATCH", url, {**version, **content_type, "upload-offset": "5"}, chunk) == (
        409,
        "Upload-Offset conflict\n",
    )
    create = "/upload/resumable"
    named = {"upload-metadata": tus.metadata(bucket, "b")}
    assert send("POST", create, {**version, **named})[0] == 400
    assert (
        send("POST", create, {**version, **named, "upload-length": "1", "upload-defer-length": "1"})[0] == 400
    )
    assert send("POST", create, {**version, "upload-length": "1"}) == (400, "Metadata header is required")
    for broken in ("bucketName !!!", "bucketName YQ==,bucketName YQ==", ",", "a b c"):
        assert send("POST", create, {**version, "upload-length": "1", "upload-metadata": broken})[0] == 400
    assert send("POST", create, {**version, **named, "upload-length": "1e3"}) == (
        400,
        "Invalid upload-length\n",
    )
    assert (
        send("POST", create, {**version, **named, "upload-length": "1", "upload-concat": "partial"})[0] == 501
    )
    assert send("POST", create, {**version, **named, "upload-length": str(FILE_SIZE_LIMIT + 1)}) == (
        413,
        "Maximum size exceeded\n",
    )
    nowhere = {"upload-metadata": tus.metadata("no-such-bucket", "b"), "upload-length": "1"}
    assert send("POST", create, {**version, **nowhere}) == (404, "Bucket not found")
    for key in ("ä", "../b", "a/../b", "x" * 1025, "a\0b"):
        bad = {"upload-metadata": tus.metadata(bucket, key), "upload-length": "1"}
        assert send("POST", create, {**version, **bad})[0] == 400
    for made_up in ("x", "%00", "sign", "YS9iL2M", uuid.uuid4().hex):
        assert send("HEAD", f"{create}/{made_up}", version)[0] == 404
    assert service.get(url).status_code == 404
    assert service.put(url).status_code == 404


def test_chunks_are_six_mebibytes_but_for_the_last(
    site: StorageSite, service: httpx.Client, bucket: str
) -> None:
    length = 2 * tus.CHUNK
    url = tus.create(service, bucket, "a", length).headers["location"]
    body = os.urandom(length)
    for size in (1, tus.CHUNK - 1, tus.CHUNK + 1, length):
        refused = tus.patch(service, url, 0, body[:size])
        assert refused.status_code == 400
        assert "exactly 6291456 bytes" in refused.text
    more = tus.patch(service, url, 0, body + b"1")
    assert (more.status_code, more.text) == (413, "upload's size exceeded\n")

    def endless() -> bytes:
        yield body[:10]  # type: ignore[misc]

    chunked = service.patch(
        url,
        headers={"tus-resumable": "1.0.0", "upload-offset": "0", "content-type": tus.PATCH},
        content=endless(),
    )
    assert chunked.status_code == 411
    assert tus.received(site, url) == 0
    assert tus.patch(service, url, 0, body[: tus.CHUNK]).status_code == 204
    assert tus.patch(service, url, tus.CHUNK, body[tus.CHUNK :]).headers["tus-complete"] == "1"


def test_limits_and_types_of_the_bucket(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket(file_size_limit=10, allowed_mime_types=["image/*"])
    large = tus.create(service, bucket, "a", 11, contentType="image/png")
    assert (large.status_code, large.text) == (413, "Maximum size exceeded\n")
    typed = tus.create(service, bucket, "a", 10, contentType="text/plain")
    assert (typed.status_code, typed.text) == (415, "mime type text/plain is not supported")
    # Saying nothing of the type is no way around the list.
    assert tus.create(service, bucket, "a", 10).status_code == 415
    url = tus.create(service, bucket, "a", 10, contentType="image/png").headers["location"]
    assert tus.patch(service, url, 0, b"0123456789").headers["tus-complete"] == "1"
    late = tus.create(service, bucket, "b", None, contentType="image/png").headers["location"]
    assert tus.patch(service, late, 0, b"01234567890").status_code == 413
    split = tus.create(service, bucket, "c", 1, contentType="image/png\r\nx: y")
    assert split.status_code == 400


def test_an_upload_that_cannot_begin_leaves_nothing(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    before = set((site.root / "resumable").iterdir())
    assert tus.create(service, bucket, "a", len(CONTENT), content=b"too small").status_code == 400
    assert set((site.root / "resumable").iterdir()) == before
    assert not site.execute("select 1 from _storage_local.resumable_uploads where bucket_id = %s", bucket)


def test_refused_tokens_are_answered_as_everywhere(site: StorageSite, bucket: str) -> None:
    with site.client("garbage") as client:
        answer = tus.create(client, bucket, "a", 1)
    assert (answer.status_code, answer.json()["statusCode"]) == (400, "403")
    with site.client(None) as nobody:
        assert tus.create(nobody, bucket, "a", 1).json()["message"].endswith("'authorization'")
    with pytest.raises(TusCommunicationError):
        official(site, authorization="Bearer x").uploader(
            file_stream=io.BytesIO(b"1"), metadata=names(bucket, "a")
        ).upload()


def test_uploads_belong_to_whoever_began_them(
    site: StorageSite, alice: httpx.Client, mallory: httpx.Client, service: httpx.Client, bucket: str
) -> None:
    """Both may write where they like; still, nobody goes on with another's upload, or learns of it."""
    site.allow(bucket, "insert")
    url = tus.create(alice, bucket, "a", len(CONTENT)).headers["location"]
    assert tus.patch(alice, url, 0, CONTENT[: tus.CHUNK]).status_code == 204
    for answer in (
        tus.head(mallory, url),
        tus.patch(mallory, url, tus.CHUNK, CONTENT[tus.CHUNK :]),
        tus.delete(mallory, url),
    ):
        assert answer.status_code == 404
    assert tus.head(service, url).headers["upload-offset"] == str(tus.CHUNK)
    assert tus.patch(alice, url, tus.CHUNK, CONTENT[tus.CHUNK :]).status_code == 204
    ((owner,),) = site.execute("select owner_id from storage.objects where bucket_id = %s", bucket)
    assert owner == ALICE
