"""Limits, lies about length, broken forms, races and clients that leave."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from .harness import FILE_SIZE_LIMIT, StorageSite, until
from .test_http_shapes import refusal

TOO_LARGE = (400, "413", "Payload too large", "The object exceeded the maximum allowed size")


def incoming(site: StorageSite) -> list[str]:
    return [path.name for path in (site.root / "incoming").iterdir()]


def in_pieces(content: bytes, size: int = 60_000) -> Iterator[bytes]:
    """A body without an announced length."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


def connect(site: StorageSite) -> socket.socket:
    host, port = site.stack.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def head_of(site: StorageSite, path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join(
        [
            f"{method} /storage/v1{path} HTTP/1.1",
            "host: x",
            f"authorization: Bearer {site.stack.keys.service_role_key}",
            *lines,
            "",
            "",
        ]
    ).encode()


def test_the_limit_of_a_bucket_is_exact(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket(file_size_limit=100_000)
    fits, too_much = b"x" * 100_000, b"x" * 100_001
    assert service.post(f"/object/{bucket}/raw", content=fits).is_success
    assert service.post(f"/object/{bucket}/form", files={"": ("a", fits)}).is_success
    assert service.post(f"/object/{bucket}/chunked", content=in_pieces(fits)).is_success
    assert refusal(service.post(f"/object/{bucket}/a", content=too_much)) == TOO_LARGE
    assert refusal(service.post(f"/object/{bucket}/a", files={"": ("a", too_much)})) == TOO_LARGE
    assert refusal(service.post(f"/object/{bucket}/a", content=in_pieces(too_much))) == TOO_LARGE
    assert set(site.rows(bucket)) == {"raw", "form", "chunked"}
    assert incoming(site) == []


def test_the_global_limit(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    fits = bytes(FILE_SIZE_LIMIT)
    assert service.post(f"/object/{bucket}/a", content=fits).is_success
    assert service.get(f"/object/info/{bucket}/a").json()["size"] == FILE_SIZE_LIMIT
    assert refusal(service.post(f"/object/{bucket}/b", content=fits + b"x")) == TOO_LARGE
    assert refusal(service.post(f"/object/{bucket}/b", content=in_pieces(fits + b"x"))) == TOO_LARGE


def test_empty_files(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    assert service.post(f"/object/{bucket}/raw").is_success
    assert service.post(f"/object/{bucket}/form", files={"": ("a", b"")}).is_success
    for name in ("raw", "form"):
        assert service.get(f"/object/{bucket}/{name}").content == b""
        info = service.get(f"/object/info/{bucket}/{name}").json()
        assert (info["size"], info["etag"]) == (0, '"d41d8cd98f00b204e9800998ecf8427e"')


def test_a_folders_placeholder_is_empty_and_of_any_type(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket(allowed_mime_types=["image/png"])
    path = f"/object/{bucket}/dir/.emptyFolderPlaceholder"
    assert refusal(service.post(path, content=b"1")) == TOO_LARGE
    assert service.post(path, content=b"").is_success


@pytest.mark.parametrize(
    ("allowed", "kind", "admitted"),
    [
        (["image/*"], "image/png", True),
        (["image/*"], "image/svg+xml", True),
        (["image/*"], "imagex/png", False),
        (["image/*"], "text/image/png", False),
        (["image/png"], "image/png", True),
        (["image/png"], "image/jpeg", False),
        (["image/png"], "IMAGE/PNG", False),
        # As in the real service, a parameter makes another type of it.
        (["text/plain"], "text/plain;charset=UTF-8", False),
        (["text/plain;charset=UTF-8"], "text/plain;charset=UTF-8", True),
        (["image/png", "text/*"], "text/css", True),
        (["image/png"], "png", False),
    ],
)
def test_allowed_types(
    site: StorageSite, service: httpx.Client, allowed: list[str], kind: str, admitted: bool
) -> None:
    bucket = site.bucket(allowed_mime_types=allowed)
    for answer in (
        service.post(f"/object/{bucket}/raw", content=b"1", headers={"content-type": kind}),
        service.post(f"/object/{bucket}/form", files={"file": ("a", b"1", kind)}),
        service.post(
            f"/object/{bucket}/field", data={"contentType": kind}, files={"": ("a", b"1", "image/png")}
        ),
    ):
        assert answer.is_success is admitted, answer.text
        if not admitted:
            assert refusal(answer) == (400, "415", "invalid_mime_type", f"mime type {kind} is not supported")


def test_forms_that_are_broken(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    path = f"/object/{bucket}/a"
    part = b'--b\r\ncontent-disposition: form-data; name=""; filename="a"\r\n\r\ncontent'

    def send(content: bytes, content_type: str = "multipart/form-data; boundary=b") -> tuple[str, str]:
        answer = service.post(path, content=content, headers={"content-type": content_type})
        return refusal(answer)[1], answer.json()["message"]

    assert send(part) == ("400", "Unexpected end of form")
    assert send(part + b"\r\n--b") == ("400", "Unexpected end of form")
    assert send(b"") == ("400", "No content provided")
    assert send(b"--b--\r\n") == ("400", "No content provided")
    assert send(b"no form at all")[0] == "400"
    assert send(part + b"\r\n--b--", "multipart/form-data")[1].endswith("must name its boundary")
    assert send(part + b"\r\n--b--", "multipart/form-data; boundary=" + "x" * 300)[0] == "400"
    assert send(part.replace(b"form-data;", b"attachment;") + b"\r\n--b--")[0] == "400"
    assert send(part + b"\r\n" + part + b"\r\n--b--") == ("400", "reach files limit")
    assert send(b"--b\r\n" + b"x: y\r\n" * 1000 + b"\r\n" + part)[0] == "400"
    field = b'--b\r\ncontent-disposition: form-data; name="f"\r\n\r\nv\r\n'
    assert send(field * 11 + part + b"\r\n--b--") == ("400", "reach fields limit")
    assert send(field.replace(b"\nv\r", b"\n" + b"v" * 20_000 + b"\r") + part + b"\r\n--b--")[0] == "413"
    metadata = b'--b\r\ncontent-disposition: form-data; name="metadata"\r\n\r\n%s\r\n'
    assert send(metadata % (b" " * (1024 * 1024 + 1)) + part + b"\r\n--b--") == (
        "413",
        "The user_metadata exceeded the maximum allowed size",
    )
    assert site.rows(bucket) == {}
    assert incoming(site) == []
    large = b'{"a": "%s"}' % (b"x" * 1_000_000)
    answer = service.post(
        path,
        content=field * 9 + metadata % large + part + b"\r\n--b--\r\nepilogue",
        headers={"content-type": 'multipart/form-data; boundary="b"'},
    )
    assert answer.is_success
    assert service.get(path).content == b"content"
    assert len(service.get(f"/object/info/{bucket}/a").json()["metadata"]["a"]) == 1_000_000


def test_what_looks_like_a_boundary_is_content(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    content = b"\r\n--b\r\n--bo\r\n--bound" * 20_000 + b"\r\n--"
    body = (
        b'--boundary\r\ncontent-disposition: form-data; name="x"; filename="a"\r\n\r\n'
        + content
        + b"\r\n--boundary--\r\n"
    )
    headers = {"content-type": "multipart/form-data; boundary=boundary"}
    assert service.post(f"/object/{bucket}/a", content=in_pieces(body, 1021), headers=headers).is_success
    assert service.get(f"/object/{bucket}/a").content == content


def test_fields_behind_the_file_have_no_effect(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    body = (
        b'--b\r\ncontent-disposition: form-data; name=""; filename="a"\r\n\r\n1\r\n'
        b'--b\r\ncontent-disposition: form-data; name="cacheControl"\r\n\r\n5\r\n--b--'
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert service.post(f"/object/{bucket}/a", content=body, headers=headers).is_success
    assert service.get(f"/object/{bucket}/a").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("form", [False, True])
def test_a_client_that_leaves_in_the_middle_leaves_nothing(site: StorageSite, form: bool) -> None:
    bucket = site.bucket()
    lines = ["content-length: 10000000"]
    body = b"x" * 3_000_000
    if form:
        lines.append("content-type: multipart/form-data; boundary=b")
        body = b'--b\r\ncontent-disposition: form-data; name=""; filename="a"\r\n\r\n' + body
    files = site.stored_files()
    with connect(site) as connection:
        connection.sendall(head_of(site, f"/object/{bucket}/a", *lines) + body)
        until(lambda: incoming(site), "the first bytes")
    until(lambda: not site.stack.service("storage").status()["uploading"], "the end of the upload")
    assert incoming(site) == []
    assert site.rows(bucket) == {}
    assert site.stored_files() == files


def test_more_than_the_announced_length_is_another_request(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    with connect(site) as connection:
        connection.sendall(
            head_of(site, f"/object/{bucket}/a", "content-length: 3") + b"abcGET /smuggled HTTP/1.1\r\n\r\n"
        )
        answer = b""
        while answer.count(b"HTTP/1.1 ") < 2:
            answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert service.get(f"/object/{bucket}/a").content == b"abc"


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "99999999999999999999999999", "1, 2"])
def test_lengths_that_are_none(site: StorageSite, length: str) -> None:
    bucket = site.bucket()
    with connect(site) as connection:
        connection.sendall(
            head_of(site, f"/object/{bucket}/a", f"content-length: {length}", "connection: close") + b"abc"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 4")
    assert site.rows(bucket) == {}


def test_a_refused_upload_is_answered_before_its_body_has_come(site: StorageSite) -> None:
    bucket = site.bucket(file_size_limit=10)
    with connect(site) as connection:
        connection.sendall(
            head_of(site, f"/object/{bucket}/a", "content-length: 1000000000", "expect: 100-continue")
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")


def test_of_many_uploads_to_one_name_one_wins_and_nothing_is_left_of_the_others(
    site: StorageSite, service: httpx.Client
) -> None:
    bucket = site.bucket()
    contents = [bytes([65 + index]) * 300_000 for index in range(8)]
    files = site.stored_files()

    def upload(content: bytes) -> httpx.Response:
        with site.service() as client:
            return client.post(f"/object/{bucket}/prize", content=content)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(upload, contents))
    (winner,) = (content for content, answer in zip(contents, answers, strict=True) if answer.is_success)
    assert {answer.json()["statusCode"] for answer in answers if not answer.is_success} == {"409"}
    assert service.get(f"/object/{bucket}/prize").content == winner
    assert len(site.stored_files() - files) == 1


def test_of_many_replacements_of_one_name_the_last_stays_whole(
    site: StorageSite, service: httpx.Client
) -> None:
    bucket = site.bucket()
    contents = [bytes([65 + index]) * 300_000 for index in range(8)]
    files = site.stored_files()

    def upload(content: bytes) -> httpx.Response:
        with site.service() as client:
            return client.put(f"/object/{bucket}/prize", content=content)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(upload, contents))
    assert all(answer.is_success for answer in answers)
    assert service.get(f"/object/{bucket}/prize").content in contents
    assert len(site.stored_files() - files) == 1


def test_moves_and_deletes_in_a_race_keep_row_and_bytes_together(
    site: StorageSite, service: httpx.Client
) -> None:
    bucket = site.bucket()
    names = ["a", "b", "c"]

    def act(index: int) -> int:
        with site.service() as client:
            here, there = names[index % 3], names[(index + 1) % 3]
            if index % 5 == 0:
                return client.put(f"/object/{bucket}/{here}", content=here.encode() * 1000).status_code
            body = {"bucketId": bucket, "sourceKey": here, "destinationKey": there}
            if index % 5 == 4:
                return client.delete(f"/object/{bucket}/{here}").status_code
            if index % 2:
                return client.post("/object/move", json=body).status_code
            return client.post("/object/copy", json=body, headers={"x-upsert": "true"}).status_code

    with ThreadPoolExecutor(6) as threads:
        statuses = list(threads.map(act, range(40)))
    assert set(statuses) <= {200, 400}
    rows = site.rows(bucket)
    for name in rows:
        assert len(service.get(f"/object/{bucket}/{name}").content) == 1000
    versions = {name.partition(".")[2] for name in site.stored_files()}
    assert set(rows.values()) <= versions
