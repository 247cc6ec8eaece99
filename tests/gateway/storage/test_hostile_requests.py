"""Names, headers and bodies as an attacker sends them: refused, or harmless."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from .harness import ALICE, StorageSite
from .test_http_shapes import refusal

REFUSED_KEYS = [
    "../a",
    "a/../b",
    "..",
    ".",
    "a/.",
    "a/..",
    "./a",
    "a\0b",
    "a\\b",
    "..\\..\\etc\\passwd",
    "a\nb",
    "a\r\nset-cookie: x",
    "ä",
    "a\u202eb",
    "﹒﹒/a",
    "．．/a",
    "\ud7ff",
    "a\x7f",
    "a%b",
    "%2e%2e/a",
    "a<b>",
    "a|b",
    'a"b',
    "a`b",
    "~root",
    "x" * 1025,
    "/".join(["ab"] * 400),
]
ODD_KEYS = [
    "...",
    "a/.../b",
    ".hidden",
    "a//b",
    "/a",
    "a/",
    " a ",
    "x" * 1024,
    "/".join(["a"] * 512),
    "con",
    "a:b",
    "-rf",
    "$HOME",
    "a;b&c",
    "*",
    "?",
    "'",
]


def raw_request(site: StorageSite, target: str, method: str = "GET", content: bytes = b"") -> bytes:
    """Send a request line that no client library would send; the whole answer."""
    host, port = site.stack.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(
            f"{method} /storage/v1{target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
            f"authorization: Bearer {site.stack.keys.service_role_key}\r\n"
            f"content-length: {len(content)}\r\n\r\n".encode()
            + content
        )
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def files_below(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


def test_keys_that_are_refused(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    before = files_below(site.root.parent)
    for key in REFUSED_KEYS:
        refused_everywhere(site, service, bucket, key)
    assert files_below(site.root.parent) == before


def refused_everywhere(site: StorageSite, service: httpx.Client, bucket: str, key: str) -> None:
    path = f"/object/{bucket}/{quote(key, safe='').replace('.', '%2e')}"
    for method in ("POST", "PUT", "GET", "DELETE"):
        answer = raw_request(site, path, method, b"x" if method in ("POST", "PUT") else b"")
        assert answer.startswith(b"HTTP/1.1 400")
        assert b'"code":"InvalidKey"' in answer
        assert b"set-cookie" not in answer.split(b"\r\n\r\n")[0]
    for operation in ("move", "copy"):
        for body in (
            {"sourceKey": "a", "destinationKey": key},
            {"sourceKey": key, "destinationKey": "a"},
        ):
            answer = service.post(f"/object/{operation}", json={"bucketId": bucket, **body})
            assert answer.json()["code"] == "InvalidKey"


def test_keys_that_are_odd_but_harmless(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    for key in ODD_KEYS:
        path = f"/object/{bucket}/{quote(key, safe='')}"
        assert raw_request(site, path, "POST", key.encode()).startswith(b"HTTP/1.1 200"), key
        assert raw_request(site, path).endswith(b"\r\n\r\n" + key.encode())
    assert set(site.rows(bucket)) == set(ODD_KEYS)
    removed = service.request("DELETE", f"/object/{bucket}", json={"prefixes": ODD_KEYS}).json()
    assert {row["name"] for row in removed} == set(ODD_KEYS)


def test_paths_are_decoded_once_and_never_normalised(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    service.post(f"/object/{bucket}/a/b", content=b"1")
    assert raw_request(site, f"/object/{bucket}/a%2Fb").endswith(b"\r\n\r\n1")
    for target in (
        f"/object/{bucket}/a%252Fb",
        f"/object/{bucket}/x/../a/b",
        f"/object/{bucket}/%2e%2e/{bucket}/a/b",
        f"/object/{bucket}%2Fa/b",
        f"/object/..%2f{bucket}/a/b",
        f"/object/{bucket}/a/b%00",
        f"/object/{bucket}/%zz",
        f"/object/{bucket}/%ff%fe",
        f"/object/{bucket}/%c0%ae%c0%ae/a",
        f"/object/{bucket}/",
        "/object//a",
        "/object/public/../../a",
    ):
        answer = raw_request(site, target)
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404")), target
        assert b"Traceback" not in answer


@pytest.mark.parametrize(
    "name", ["", " a", "a ", "a/b", "..%2f", "ä", "x" * 101, "a\0", "a\\b", "x--table-s3", "a\nb"]
)
def test_bucket_names_that_are_refused(service: httpx.Client, name: str) -> None:
    answer = service.post("/bucket", json={"name": name})
    assert answer.json()["code"] == "InvalidBucketName"
    answer = service.post("/bucket", json={"name": "fine", "id": name or "a/b"})
    assert answer.json()["code"] == "InvalidBucketName"


def test_a_bucket_called_dot_dot_stays_a_bucket(site: StorageSite, service: httpx.Client) -> None:
    assert service.post("/bucket", json={"name": ".."}).is_success
    site.buckets.append("..")
    before = files_below(site.root.parent) - files_below(site.root)
    assert raw_request(site, "/object/%2e%2e/keys.json", "POST", b"x").startswith(b"HTTP/1.1 200")
    assert raw_request(site, "/object/%2e%2e/keys.json").endswith(b"\r\n\r\nx")
    assert files_below(site.root.parent) - files_below(site.root) == before


def test_symbolic_links_in_the_store_are_not_followed(
    site: StorageSite, service: httpx.Client, tmp_path: Path
) -> None:
    bucket = site.bucket()
    (tmp_path / "secret").write_text("secret")
    service.post(f"/object/{bucket}/a", content=b"1")
    version = site.rows(bucket)["a"]
    (file,) = (path for path in (site.root / "objects").glob("*/*") if path.name.endswith(version))
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    assert refusal(service.get(f"/object/{bucket}/a"))[1] == "404"
    copy = {"bucketId": bucket, "sourceKey": "a", "destinationKey": "b"}
    service.post("/object/copy", json=copy)
    assert b"secret" not in service.get(f"/object/{bucket}/b").content
    service.post(f"/object/{bucket}/a", content=b"2", headers={"x-upsert": "true"})
    assert not file.is_symlink()
    assert (tmp_path / "secret").read_text() == "secret"
    assert service.get(f"/object/{bucket}/a").content == b"2"

    # A shard that is a link leads nowhere either.
    service.post(f"/object/{bucket}/c", content=b"3")
    version = site.rows(bucket)["c"]
    (file,) = (path for path in (site.root / "objects").glob("*/*") if path.name.endswith(version))
    shard = file.parent
    moved = shard.rename(tmp_path / "shard")
    shard.symlink_to(moved)
    try:
        assert refusal(service.get(f"/object/{bucket}/c"))[1] == "404"
        assert service.put(f"/object/{bucket}/c", content=b"4").status_code == 500
    finally:
        shard.unlink()
        moved.rename(shard)
    assert service.get(f"/object/{bucket}/c").content == b"3"


def test_a_directory_or_a_pipe_in_place_of_a_blob_harms_nobody(
    site: StorageSite, service: httpx.Client
) -> None:
    bucket = site.bucket()
    for make in (Path.mkdir, os.mkfifo):
        service.post(f"/object/{bucket}/a", content=b"1", headers={"x-upsert": "true"})
        version = site.rows(bucket)["a"]
        (file,) = (path for path in (site.root / "objects").glob("*/*") if path.name.endswith(version))
        file.unlink()
        make(file)
        assert refusal(service.get(f"/object/{bucket}/a"))[1] == "404"
        file.rmdir() if file.is_dir() else file.unlink()


@pytest.mark.parametrize("value", ["text/plain\r\nset-cookie: a=b", "text/plain\0", "text/π"])
def test_what_is_stored_cannot_split_a_header(site: StorageSite, service: httpx.Client, value: str) -> None:
    bucket = site.bucket()
    for fields in ({"contentType": value}, {"cacheControl": value}):
        answer = service.post(f"/object/{bucket}/a", data=fields, files={"": ("a", b"1", "text/plain")})
        assert refusal(answer)[2] == "invalid_header_char"
    service.post(f"/object/{bucket}/a", content=b"1")
    copy = {"bucketId": bucket, "sourceKey": "a", "destinationKey": "b", "copyMetadata": False}
    answer = service.post("/object/copy", json={**copy, "metadata": {"mimetype": value}})
    assert refusal(answer)[2] == "invalid_header_char"
    # SQL can write anything into the row; then the object cannot be had, but nothing is split.
    for name in ("mimetype", "cacheControl", "eTag"):
        site.execute(
            "update storage.objects set metadata = metadata || jsonb_build_object(%s, %s::text)"
            " where bucket_id = %s and name = 'a'",
            name,
            value.replace("\0", "\x01"),
            bucket,
        )
        for method in ("GET", "HEAD"):
            answer = service.request(method, f"/object/{bucket}/a")
            assert answer.status_code == 400
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "metadata",
    ["null", "[]", '{"eTag": 1, "size": "x", "lastModified": "never", "contentLength": -1}', '"x"'],
)
def test_rows_with_nonsense_in_their_metadata_are_served_all_the_same(
    site: StorageSite, service: httpx.Client, metadata: str
) -> None:
    bucket = site.bucket()
    service.post(f"/object/{bucket}/a", content=b"1")
    site.execute("update storage.objects set metadata = %s::jsonb where bucket_id = %s", metadata, bucket)
    assert service.get(f"/object/{bucket}/a").content == b"1"
    assert service.get(f"/object/info/{bucket}/a").json()["size"] is None
    assert service.head(f"/object/{bucket}/a").status_code == 200
    copy = {"bucketId": bucket, "sourceKey": "a", "destinationKey": "b"}
    assert service.post("/object/copy", json=copy).is_success
    assert service.get(f"/object/{bucket}/b").content == b"1"


def test_user_metadata_that_postgres_cannot_hold(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    for text in ('{"a": "\\u0000"}', "[" * 100_000, '{"a": 1e999}', "9" * 5000):
        answer = service.post(
            f"/object/{bucket}/a",
            data={"metadata": text},
            files={"": ("a", b"1", "text/plain")},
            headers={"x-upsert": "true"},
        )
        assert answer.status_code in (200, 400)
        assert answer.status_code == 200 or refusal(answer)[1] == "400"


@pytest.mark.parametrize(
    "tag", ["bad", "noindex,,nofollow", "max-snippet: x", "unavailable_after: someday", "bot:", "a" * 5000]
)
def test_robots_tags_that_are_none(site: StorageSite, service: httpx.Client, tag: str) -> None:
    bucket = site.bucket()
    answer = service.post(f"/object/{bucket}/a", content=b"1", headers={"x-robots-tag": tag})
    assert refusal(answer)[2] == "invalid_x_robots_tag"


def test_like_patterns_in_names_are_no_patterns(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    for name in ("a_b/x", "axb/x"):
        service.post(f"/object/{bucket}/{name}", content=b"1")
    entries = service.post(f"/object/list/{bucket}", json={"prefix": "a_b"}).json()
    assert [entry["name"] for entry in entries] == ["x"]
    assert service.post(f"/object/list/{bucket}", json={"prefix": "%"}).json() == []
    page = service.post(f"/object/list-v2/{bucket}", json={"prefix": "a_b", "with_delimiter": True}).json()
    assert [entry["name"] for entry in page["folders"]] == ["a_b/"]


def test_a_claim_cannot_inject_sql_or_a_role(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    service.post(f"/object/{bucket}/a", content=b"1")
    denied = ("supabase_admin", "postgres", "none", "supabase_storage_admin", "supabase_auth_admin")
    for role, status in (
        *((role, "403") for role in denied),
        ("authenticated; reset role", "500"),
        ('service_role"', "500"),
    ):
        with site.client(site.token(ALICE, role=role)) as client:
            answer = client.get(f"/object/authenticated/{bucket}/a")
            assert answer.json()["statusCode"] == status, role
