"""The guarded transport against a resolver that lies, and real sockets on this machine."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headway.core.addresses import Address
from headway.errors import ConfigError, ConnectFailed, Denied
from headway.outbound import GuardedTransport
from headway.outbound import transport as module

NAME = "hooks.example.com"


def lead(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let every name have these addresses; the hosts asked for are collected."""
    asked: list[str] = []

    async def answer(host: str, port: int, *, timeout: float | None) -> tuple[Address, ...]:
        asked.append(host)
        return tuple(ipaddress.ip_address(address) for address in addresses)

    monkeypatch.setattr(module, "resolve", answer)
    return asked


@asynccontextmanager
async def server(context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A listener on loopback that answers anything; its port and what it was sent."""
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1], heard
    finally:
        listening.close()
        await listening.wait_closed()


def client_for(origin: str) -> httpx.AsyncClient:
    """A guarded client that may reach one private origin."""
    return httpx.AsyncClient(transport=GuardedTransport([origin]))


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("10.1.2.3",),
        ("169.254.169.254",),
        ("::1",),
        ("fd00::1",),
        ("1.1.1.1", "10.0.0.1"),
        (),
    ],
)
async def test_a_name_that_leads_inside_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    lead(monkeypatch, *addresses)
    async with httpx.AsyncClient(transport=GuardedTransport()) as client:
        with pytest.raises(Denied) as refused:
            await client.post(f"https://{NAME}/x", content=b"secret")
    assert refused.value.code == "address_not_public"
    assert NAME in refused.value.message
    assert not any(address in str(refused.value) for address in addresses)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://127.0.0.1/", "address_not_public"),
        ("https://[::1]/", "address_not_public"),
        ("https://[::ffff:10.0.0.1]/", "address_not_public"),
        ("https://[::ffff:7f00:1]/", "address_not_public"),
        ("https://[64:ff9b::7f00:1]/", "address_not_public"),
        ("https://[2002:7f00:1::]/", "address_not_public"),
        ("https://[fe80::1%25lo]/", "address_not_public"),
        ("https://169.254.169.254/", "address_not_public"),
        ("https://127\u30020\u30020\u30021/", "address_not_public"),
        ("https://someone@127.0.0.1/", "address_not_public"),
        ("https://127.0.0.1./", "address_unusual"),
        ("https://%31%32%37.0.0.1/", "address_unusual"),
        ("https://localhost/", "address_not_public"),
        ("https://127.1/", "address_unusual"),
        ("https://0x7f000001/", "address_unusual"),
        ("https://2130706433/", "address_unusual"),
        ("https://0177.1/", "address_unusual"),
        ("http://1.1.1.1/", "address_not_encrypted"),
    ],
)
async def test_addresses_written_out(url: str, code: str) -> None:
    async with httpx.AsyncClient(transport=GuardedTransport()) as client:
        with pytest.raises(Denied) as refused:
            await client.get(url)
    assert refused.value.code == code


async def test_a_name_without_address_says_so() -> None:
    async with httpx.AsyncClient(transport=GuardedTransport()) as client:
        with pytest.raises(ConnectFailed) as failed:
            await client.get("https://nowhere.invalid/")
    assert failed.value.code == "dns_unknown"


async def test_an_allowed_origin_may_be_private_but_only_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lead(monkeypatch, "127.0.0.1")
    async with server() as (port, heard):
        guarded = GuardedTransport([f"http://{NAME.upper()}:{port}/"])
        async with httpx.AsyncClient(transport=guarded) as client:
            assert (await client.get(f"http://{NAME}:{port}/path?q=1")).text == "ok"
            for other in (
                f"http://{NAME}:{port + 1}/",
                f"https://{NAME}:{port}/",
                f"http://else.test:{port}/",
            ):
                with pytest.raises(Denied):
                    await client.get(other)
    (request,) = heard
    assert request.startswith(b"GET /path?q=1 HTTP/1.1\r\n")
    assert f"host: {NAME}:{port}".encode() in request.lower()


async def test_the_name_is_resolved_once_and_the_connection_goes_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = lead(monkeypatch, "127.0.0.1")

    async with server() as (port, _heard), client_for(f"http://{NAME}:{port}") as client:
        assert (await client.get(f"http://{NAME}:{port}/")).status_code == 200
    assert asked == [NAME]


async def test_the_next_address_is_tried_when_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    lead(monkeypatch, "127.0.0.9", "127.0.0.1")
    async with server() as (port, heard), client_for(f"http://{NAME}:{port}") as client:
        assert (await client.post(f"http://{NAME}:{port}/", content=b"x")).text == "ok"
    assert len(heard) == 1


async def test_certificates_are_checked_for_the_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lead(monkeypatch, "127.0.0.1")
    certificate = certificate_for(NAME, tmp_path)
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with server(listening) as (port, heard):
        right, wrong = f"https://{NAME}:{port}", f"https://other.example.com:{port}"
        async with httpx.AsyncClient(transport=GuardedTransport([right, wrong], verify=trusting)) as client:
            assert (await client.get(right)).text == "ok"
            with pytest.raises(httpx.ConnectError, match=r"(?i)hostname|certificate"):
                await client.get(wrong)
    assert len(heard) == 1


@pytest.mark.parametrize("origin", ["n8n", "ftp://n8n", "http://n8n:5678/webhook", "http://a@n8n", ""])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ConfigError):
        GuardedTransport([origin])


def certificate_for(name: str, folder: Path) -> Path:
    """A self-signed certificate with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
