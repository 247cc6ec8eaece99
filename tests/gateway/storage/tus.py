"""The TUS protocol by hand, for what no well-behaved client does."""

from __future__ import annotations

import base64
import socket
from collections.abc import Mapping
from pathlib import Path

import httpx

from .harness import StorageSite

CHUNK = 6 * 1024 * 1024
PATCH = "application/offset+octet-stream"


def metadata(bucket: str, key: str, **more: str) -> str:
    """An ``Upload-Metadata`` header."""
    values = {"bucketName": bucket, "objectName": key, **more}
    return ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in values.items())


def create(
    client: httpx.Client,
    bucket: str,
    key: str,
    length: int | None,
    *,
    content: bytes | None = None,
    path: str = "/upload/resumable",
    headers: Mapping[str, str] | None = None,
    **more: str,
) -> httpx.Response:
    """Ask for a new upload."""
    sent = {"tus-resumable": "1.0.0", "upload-metadata": metadata(bucket, key, **more), **(headers or {})}
    if length is None:
        sent["upload-defer-length"] = "1"
    else:
        sent["upload-length"] = str(length)
    if content is not None:
        sent["content-type"] = PATCH
    return client.post(path, headers=sent, content=content)


def patch(
    client: httpx.Client, url: str, offset: int, content: bytes, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Send a chunk."""
    sent = {"tus-resumable": "1.0.0", "upload-offset": str(offset), "content-type": PATCH, **(headers or {})}
    return client.patch(url, headers=sent, content=content)


def head(client: httpx.Client, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Ask how far the upload is."""
    return client.head(url, headers={"tus-resumable": "1.0.0", **(headers or {})})


def delete(client: httpx.Client, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Drop the upload."""
    return client.delete(url, headers={"tus-resumable": "1.0.0", **(headers or {})})


def begin_patch(site: StorageSite, url: str, offset: int, announced: int, sent: bytes) -> socket.socket:
    """A PATCH that has sent only a part of what it announced."""
    host, port = site.stack.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    path = "/" + url.split("/", 3)[3]
    connection.sendall(
        f"PATCH {path} HTTP/1.1\r\nhost: {host}:{port}\r\n"
        f"authorization: Bearer {site.stack.keys.service_role_key}\r\ntus-resumable: 1.0.0\r\n"
        f"upload-offset: {offset}\r\ncontent-type: {PATCH}\r\ncontent-length: {announced}\r\n\r\n".encode()
        + sent
    )
    return connection


def upload_id(url: str) -> str:
    """The id in an upload's address."""
    encoded = url.rpartition("/")[2]
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode().rpartition("/")[2]


def file_of(site: StorageSite, url: str) -> Path:
    """Where the bytes of an unfinished upload are."""
    return site.root / "resumable" / upload_id(url)


def received(site: StorageSite, url: str) -> int:
    """How many bytes Storage has noted of an upload, without asking it."""
    ((count,),) = site.execute(
        "select received from _storage_local.resumable_uploads where id = %s", upload_id(url)
    )
    return int(count)
