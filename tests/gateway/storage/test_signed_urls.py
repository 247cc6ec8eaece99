"""A token opens one object, for one purpose, until its moment."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest

from .harness import ALICE, StorageSite
from .test_http_shapes import refusal


@pytest.fixture
def bucket(site: StorageSite, service: httpx.Client) -> str:
    bucket = site.bucket()
    for name in ("a.txt", "b.txt"):
        service.post(f"/object/{bucket}/{name}", content=name.encode())
    return bucket


def sign(site: StorageSite, secret: str | None = None, **payload: Any) -> str:
    """A token of one's own making."""
    now = int(time.time())
    content = {"iat": now, "exp": now + 60, **payload}
    return jwt.encode(content, secret or site.stack.keys.jwt_secret, algorithm="HS256")


def test_payloads_are_the_real_services(site: StorageSite, alice: httpx.Client, bucket: str) -> None:
    site.allow(bucket, "select")
    site.allow(bucket, "insert")
    signed = alice.post(f"/object/sign/{bucket}/a.txt", json={"expiresIn": "60"}).json()["signedURL"]
    path, _, token = signed.partition("?token=")
    assert path == f"/object/sign/{bucket}/a.txt"
    claims = jwt.decode(token, site.stack.keys.jwt_secret, algorithms=["HS256"])
    assert set(claims) == {"url", "scope", "iat", "exp"}
    assert (claims["url"], claims["scope"]) == (f"{bucket}/a.txt", "download")
    assert claims["exp"] - claims["iat"] == 60
    upload = alice.post(f"/object/upload/sign/{bucket}/c.txt").json()
    assert upload["url"] == f"/object/upload/sign/{bucket}/c.txt?token={upload['token']}"
    claims = jwt.decode(upload["token"], site.stack.keys.jwt_secret, algorithms=["HS256"])
    assert set(claims) == {"url", "scope", "upsert", "owner", "iat", "exp"}
    assert (claims["scope"], claims["upsert"], claims["owner"]) == ("upload", False, ALICE)
    assert claims["exp"] - claims["iat"] == 7200


def test_a_token_opens_nothing_else(site: StorageSite, service: httpx.Client, bucket: str) -> None:
    download = service.post(f"/object/sign/{bucket}/a.txt", json={"expiresIn": 60}).json()["signedURL"]
    token = download.partition("?token=")[2]
    upload = service.post(f"/object/upload/sign/{bucket}/c.txt").json()["token"]
    url = f"{bucket}/a.txt"
    wrong = [
        (f"/object/sign/{bucket}/b.txt", token, "Invalid signature"),
        (f"/object/sign/{bucket}/a.txt%00", token, "Invalid signature"),
        (f"/object/sign/{bucket}/%2e/a.txt", token, "Invalid signature"),
        (f"/object/sign/{bucket}/a.txt", upload, "Token is not scoped for download"),
        (f"/object/sign/{bucket}/a.txt", token[:-3] + "abc", "signature verification failed"),
        (f"/object/sign/{bucket}/a.txt", "x", "Invalid Compact JWS"),
        (f"/object/sign/{bucket}/a.txt", "", "Invalid Compact JWS"),
        (f"/object/sign/{bucket}/a.txt", "x" * 20_000, "Invalid Compact JWS"),
        (
            f"/object/sign/{url}",
            sign(site, url=url, scope="download", exp=1),
            '"exp" claim timestamp check failed',
        ),
        (
            f"/object/sign/{url}",
            sign(site, "not the secret " * 4, url=url, scope="download"),
            "signature verification failed",
        ),
        (
            f"/object/sign/{url}",
            jwt.encode({"url": url, "scope": "download", "exp": 2**40}, "", algorithm="none"),
            "Invalid Compact JWS",
        ),
        (f"/object/sign/{url}", sign(site, url=url), "Token is not scoped for download"),
        (f"/object/sign/{url}", site.stack.keys.service_role_key, "Token is not scoped for download"),
        (
            f"/object/sign/{url}",
            site.token(ALICE, url=url, scope="upload"),
            "Token is not scoped for download",
        ),
        (
            f"/object/sign/{url}",
            jwt.encode({"url": url, "scope": "download"}, site.stack.keys.jwt_secret, algorithm="HS256"),
            "Invalid Compact JWS",
        ),
    ]
    with site.client(None) as nobody:
        for path, used, message in wrong:
            answer = nobody.get(path, params={"token": used})
            assert refusal(answer)[0] == 400
            assert answer.json()["message"] == message, path
        assert nobody.get(f"/object/sign/{url}").json()["message"] == (
            "querystring must have required property 'token'"
        )
        assert nobody.get(download).content == b"a.txt"
        for path, used in (
            (f"/object/upload/sign/{bucket}/a.txt", upload),
            (f"/object/upload/sign/{bucket}/a.txt", token),
            (f"/object/upload/sign/{bucket}/c.txt", token),
        ):
            answer = nobody.put(path, params={"token": used}, content=b"x")
            assert answer.json()["code"] == "InvalidSignature"
    assert set(site.rows(bucket)) == {"a.txt", "b.txt"}


def test_a_signed_url_is_no_api_token(site: StorageSite, service: httpx.Client, bucket: str) -> None:
    """It is signed with the same secret, so it verifies as a token; it must not be worth more than none."""
    signed = service.post(f"/object/sign/{bucket}/a.txt", json={"expiresIn": 60}).json()["signedURL"]
    with site.client(signed.partition("?token=")[2]) as client:
        assert refusal(client.get(f"/object/authenticated/{bucket}/a.txt"))[1] == "404"
        assert refusal(client.post(f"/object/{bucket}/x", content=b"1"))[1] == "403"


@pytest.mark.parametrize("expires_in", [0, -1, 1.5, "soon", None, 2**53, 10**30])
def test_times_that_are_none(service: httpx.Client, bucket: str, expires_in: Any) -> None:
    for path, body in (
        (f"/object/sign/{bucket}/a.txt", {"expiresIn": expires_in}),
        (f"/object/sign/{bucket}", {"expiresIn": expires_in, "paths": ["a.txt"]}),
    ):
        assert service.post(path, json=body).status_code == 400


@pytest.mark.parametrize("key", ["a b.txt", "what?.txt", "a+b&c=d;e,f:g@h$i!*'().txt", "dir/sub/x y"])
def test_every_allowed_character_can_be_signed(site: StorageSite, service: httpx.Client, key: str) -> None:
    bucket = site.bucket()
    path = f"{bucket}/{quote(key)}"
    assert service.post(f"/object/{path}", content=b"content").is_success
    signed = service.post(f"/object/sign/{path}", json={"expiresIn": 60}).json()["signedURL"]
    assert httpx.get(site.url + signed).content == b"content"
    upload = service.post(f"/object/upload/sign/{path}", headers={"x-upsert": "true"}).json()["url"]
    assert httpx.put(site.url + upload, content=b"new").is_success
    assert service.get(f"/object/{path}").content == b"new"


def test_a_batch_is_at_most_1000_and_at_least_one(service: httpx.Client, bucket: str) -> None:
    def batch(paths: list[str]) -> httpx.Response:
        return service.post(f"/object/sign/{bucket}", json={"expiresIn": 60, "paths": paths})

    assert refusal(batch([]))[3] == "body/paths must NOT have fewer than 1 items"
    assert refusal(batch(["a"] * 1001))[3] == "body/paths must NOT have more than 1000 items"
    answers = batch(["a.txt", "../a.txt", "a\0b", "", *["b.txt"] * 996]).json()
    assert [bool(entry["signedURL"]) for entry in answers[:5]] == [True, False, False, False, True]
    assert len(answers) == 1000
