"""Ranges, conditions, headers, and readers that meet writers."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import httpx
import pytest

from .harness import ALICE, StorageSite, until
from .test_http_shapes import refusal

CONTENT = bytes(range(256)) * 8192  # 2 MiB: several chunks


@pytest.fixture
def url(site: StorageSite, service: httpx.Client) -> str:
    """An object of 2 MiB in a private bucket."""
    bucket = site.bucket()
    service.post(
        f"/object/{bucket}/dir/large.bin",
        content=CONTENT,
        headers={"content-type": "image/png", "cache-control": "max-age=60"},
    )
    return f"/object/{bucket}/dir/large.bin"


def test_headers_of_a_download(service: httpx.Client, url: str) -> None:
    answer = service.get(url)
    assert answer.content == CONTENT
    headers = answer.headers
    assert headers["accept-ranges"] == "bytes"
    assert headers["content-length"] == str(len(CONTENT))
    assert headers["content-type"] == "image/png"
    assert headers["cache-control"] == "max-age=60"
    assert headers["x-robots-tag"] == "none"
    assert headers["etag"].startswith('"')
    assert headers["last-modified"].endswith("GMT")
    assert "content-disposition" not in headers
    head = service.head(url)
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "last-modified", "cache-control"):
        assert head.headers[name] == headers[name]


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-1999999", 100, 2_000_000),
        ("bytes=2000000-", 2_000_000, len(CONTENT)),
        ("bytes=-100", len(CONTENT) - 100, len(CONTENT)),
        ("bytes=5-99999999999", 5, len(CONTENT)),
        ("bytes=-99999999999", 0, len(CONTENT)),
    ],
)
def test_ranges(service: httpx.Client, url: str, wanted: str, start: int, end: int) -> None:
    answer = service.get(url, headers={"range": wanted})
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize(
    "wanted",
    [
        f"bytes={len(CONTENT)}-",
        "bytes=5-4",
        "bytes=-0",
        "bytes=-",
        "bytes=a-b",
        "lines=1-2",
        "bytes=0-1,3-4",
        "bytes=" + "9" * 400 + "-",
    ],
)
def test_ranges_that_cannot_be_served_keep_their_real_status(
    service: httpx.Client, url: str, wanted: str
) -> None:
    answer = service.get(url, headers={"range": wanted})
    assert refusal(answer) == (416, "416", "invalid_range", "invalid range provided")
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


def test_an_empty_object(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    assert service.post(f"/object/{bucket}/empty", content=b"").is_success
    answer = service.get(f"/object/{bucket}/empty")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")
    assert service.get(f"/object/{bucket}/empty", headers={"range": "bytes=0-"}).status_code == 416


def test_conditions(service: httpx.Client, url: str) -> None:
    first = service.get(url, headers={"range": "bytes=0-0"})
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    for headers in (
        {"if-none-match": etag},
        {"if-none-match": f'"other", W/{etag}'},
        {"if-none-match": "*"},
        {"if-modified-since": modified},
    ):
        answer = service.get(url, headers=headers)
        assert (answer.status_code, answer.content) == (304, b""), headers
        assert answer.headers["etag"] == etag
    for headers in (
        {"if-none-match": '"other"'},
        {"if-none-match": '"other"', "if-modified-since": modified},
        {"if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"if-modified-since": "whenever"},
    ):
        assert service.get(url, headers=headers).status_code == 200, headers


def test_a_resumed_download_starts_over_when_the_object_was_replaced(service: httpx.Client, url: str) -> None:
    first = service.get(url, headers={"range": "bytes=0-9"})
    rest = {"range": "bytes=10-", "if-range": first.headers["etag"]}
    assert service.get(url, headers=rest).status_code == 206
    assert (
        service.get(
            url, headers={"range": "bytes=10-", "if-range": first.headers["last-modified"]}
        ).status_code
        == 206
    )
    service.put(url, content=b"new content")
    answer = service.get(url, headers=rest)
    assert (answer.status_code, answer.content) == (200, b"new content")


def test_the_download_parameter_makes_an_attachment(service: httpx.Client, url: str) -> None:
    assert service.get(f"{url}?download").headers["content-disposition"] == "attachment;"
    named = service.get(url, params={"download": 'ä "b"\r\nx: y.txt'})
    assert named.headers["content-disposition"] == (
        "attachment; filename=%C3%A4%20%22b%22%0D%0Ax%3A%20y.txt;"
        " filename*=UTF-8''%C3%A4%20%22b%22%0D%0Ax%3A%20y.txt"
    )
    assert "x" not in named.headers


@pytest.mark.parametrize("kind", ["text/html", "TEXT/HTML; charset=utf-8", "x/text/html"])
def test_pages_are_served_as_text(site: StorageSite, service: httpx.Client, kind: str) -> None:
    bucket = site.bucket(public=True)
    service.post(f"/object/{bucket}/p", content=b"<script>", headers={"content-type": kind})
    answer = httpx.get(f"{site.url}/object/public/{bucket}/p")
    assert answer.headers["content-type"] == "text/plain"


def test_public_and_private_buckets(site: StorageSite, service: httpx.Client, mallory: httpx.Client) -> None:
    public, private = site.bucket(public=True), site.bucket()
    for bucket in (public, private):
        service.post(f"/object/{bucket}/a.txt", content=b"a")
    with site.client(None) as nobody:
        for prefix in ("/object/public", "/object", "/object/info/public", "/object/info"):
            assert nobody.get(f"{prefix}/{public}/a.txt").status_code == 200
            hidden = nobody.get(f"{prefix}/{private}/a.txt")
            assert refusal(hidden)[1:3] == ("404", "Bucket not found")
        assert nobody.head(f"/object/public/{public}/a.txt").status_code == 200
        assert nobody.head(f"/object/{private}/a.txt").status_code == 400
    # A public bucket's objects can be read by whoever knows the name, whatever the policies say.
    assert mallory.get(f"/object/authenticated/{public}/a.txt").content == b"a"
    assert refusal(mallory.get(f"/object/authenticated/{private}/a.txt"))[1] == "404"


def test_signed_urls_replace_cache_control_by_their_expiry(
    site: StorageSite, service: httpx.Client, url: str
) -> None:
    signed = service.post(url.replace("/object/", "/object/sign/"), json={"expiresIn": 60}).json()
    answer = httpx.get(site.url + signed["signedURL"], headers={"range": "bytes=0-1"})
    assert answer.content == CONTENT[:2]
    assert answer.headers["expires"].endswith("GMT")
    assert "cache-control" not in answer.headers
    assert httpx.head(site.url + signed["signedURL"]).headers["content-length"] == str(len(CONTENT))


def test_whoever_reads_keeps_the_old_bytes_while_the_object_is_replaced(
    site: StorageSite, service: httpx.Client, url: str
) -> None:
    """Nothing is ever torn: a slow reader gets all of the old content, everyone after it the new."""
    old_version = site.rows(url.split("/")[2])["dir/large.bin"]
    with service.stream("GET", url) as slow:
        pieces = slow.iter_raw(1024)
        content = next(pieces)
        with site.service() as other:
            other.put(url, content=b"new")
            assert other.get(url).content == b"new"
        assert not [name for name in site.stored_files() if name.endswith(old_version)]
        content += b"".join(pieces)
    assert content == CONTENT


def test_readers_and_writers_in_a_race_see_whole_contents_only(
    site: StorageSite, service: httpx.Client
) -> None:
    bucket = site.bucket()
    contents = [bytes([index]) * (700_000 + index) for index in range(6)]
    path = f"/object/{bucket}/a"
    service.post(path, content=contents[0])
    stop = threading.Event()
    faults: list[str] = []

    def read() -> None:
        with site.service() as client:
            while not stop.is_set():
                answer = client.get(path)
                if answer.status_code != 200 or answer.content not in contents:
                    faults.append(f"{answer.status_code} {len(answer.content)}")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for content in contents * 2:
            assert service.put(path, content=content).is_success
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert faults == []
    assert sum(name.endswith(site.rows(bucket)["a"]) for name in site.stored_files()) == 1


def test_a_reader_who_leaves_does_not_leave_a_file_open(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    service.post(f"/object/{bucket}/big", content=os.urandom(1024) * 16_000)
    (name,) = (n for n in site.stored_files() if n.endswith(site.rows(bucket)["big"]))

    def is_open() -> bool:
        for descriptor in Path("/proc/self/fd").iterdir():
            try:
                if name in os.readlink(descriptor):
                    return True
            except FileNotFoundError:
                pass
        return False

    host, port = site.stack.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"GET /storage/v1/object/{bucket}/big HTTP/1.1\r\nhost: x\r\n"
            f"authorization: Bearer {site.stack.keys.service_role_key}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert is_open()
    until(lambda: not is_open(), "a closed file")


def test_users_read_by_policy(site: StorageSite, alice: httpx.Client, service: httpx.Client) -> None:
    bucket = site.bucket()
    site.allow(bucket, "select", "name like 'shared/%'")
    for name in ("shared/a", "secret/a"):
        service.post(f"/object/{bucket}/{name}", content=name.encode())
    for prefix in ("/object", "/object/authenticated"):
        assert alice.get(f"{prefix}/{bucket}/shared/a").content == b"shared/a"
        assert refusal(alice.get(f"{prefix}/{bucket}/secret/a"))[1:3] == ("404", "not_found")
        assert alice.head(f"{prefix}/{bucket}/shared/a").status_code == 200
        assert alice.head(f"{prefix}/{bucket}/secret/a").status_code == 400
    assert alice.get(f"/object/info/{bucket}/shared/a").json()["name"] == "shared/a"
    assert ALICE not in alice.get(f"/object/info/{bucket}/shared/a").text
