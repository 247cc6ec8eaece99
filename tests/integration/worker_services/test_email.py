"""E-mails, handed to a real mail server: plain, encrypted, with an account, refused and unreachable."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from headway import ConfigError
from headway.worker.notifier import Notifier
from headway.worker.observations import Observations
from headway.worker.side_services import side_services

from .harness import Bench, Told
from .mail_server import Mailbox, account, certificate, mail_server

SENDER = "Acme Jobs <jobs@acme.example.com>"


def plain(port: int, **more: Any) -> dict[str, Any]:
    return {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none", "mail_from": SENDER} | more


@asynccontextmanager
async def notifying(bench: Bench, told: Told, settings: Mapping[str, Any]) -> AsyncIterator[None]:
    context = bench.context(settings=settings, observations=Observations([told]))
    (notifier,) = [service for service in side_services(context) if isinstance(service, Notifier)]
    await notifier.start()
    context.agenda.put("deliveries", 0)
    try:
        yield
    finally:
        await notifier.stop()


async def test_a_failure_is_told_by_e_mail(bench: Bench, told: Told) -> None:
    mailbox = Mailbox()
    endpoint = await bench.endpoint("Ops@example.com", channel="email")
    (job_id,) = await bench.end_jobs(
        error={
            "code": "file_encrypted",
            "message": "Die Datei ist verschlüsselt <b>",
            "hint": "Remove the password.",
        }
    )
    async with mail_server(mailbox) as port, notifying(bench, told, plain(port)):
        await told.until(lambda: ("email", "delivered") in told.deliveries)
    (letter,) = mailbox.letters
    assert (letter["From"], letter["To"]) == (SENDER, "ops@example.com")
    assert letter["Subject"] == f"{bench.kind} failed: Die Datei ist verschlüsselt <b>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Date"]
    (message,) = await bench.messages(endpoint)
    assert letter["Message-ID"] == f"<{message['id']}@acme.example.com>"
    assert (message["status"], message["last_status_code"]) == ("delivered", 250)
    text, html = letter.get_body(("plain",)), letter.get_body(("html",))
    assert text is not None
    assert html is not None
    assert job_id in text.get_content()
    assert "Die Datei ist verschlüsselt <b>" in text.get_content()
    assert "verschlüsselt &lt;b&gt;" in html.get_content()


async def test_a_job_names_whom_to_mail(bench: Bench, told: Told) -> None:
    mailbox = Mailbox()
    await bench.end_jobs(notify={"email": "ada@example.com", "on": ["completed"]})
    async with mail_server(mailbox) as port, notifying(bench, told, plain(port)):
        await told.until(lambda: ("email", "delivered") in told.deliveries)
    assert [letter["To"] for letter in mailbox.letters] == ["ada@example.com"]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_the_connection_is_encrypted_before_the_account_is_shown(
    bench: Bench, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    mailbox = Mailbox()
    server_tls, trusted = certificate(tmp_path)
    options: dict[str, Any] = {"authenticator": account("jobs", "right-password"), "auth_required": True}
    if security == "tls":
        # aiosmtpd asks for STARTTLS before AUTH, which a connection that is encrypted already cannot give.
        options |= {"ssl_context": server_tls, "auth_require_tls": False}
    else:
        options |= {"tls_context": server_tls, "require_starttls": True}
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    await bench.endpoint("ops@example.com", channel="email")
    await bench.end_jobs()
    async with mail_server(mailbox, **options) as port:
        settings = plain(port, smtp_security=security, smtp_username="jobs", smtp_password="right-password")
        async with notifying(bench, told, settings):
            await told.until(lambda: ("email", "delivered") in told.deliveries)
    assert len(mailbox.letters) == 1


async def test_a_certificate_of_somebody_else_is_not_accepted(
    bench: Bench, told: Told, tmp_path: Path
) -> None:
    mailbox = Mailbox()
    server_tls, _ = certificate(tmp_path)
    endpoint = await bench.endpoint("ops@example.com", channel="email")
    await bench.end_jobs()
    async with (
        mail_server(mailbox, tls_context=server_tls, require_starttls=True) as port,
        notifying(bench, told, plain(port, smtp_security="starttls")),
    ):
        await told.until(lambda: ("email", "retry") in told.deliveries)
    assert mailbox.letters == []
    (message,) = await bench.messages(endpoint)
    assert message["status"] == "pending"


async def test_a_server_without_encryption_gets_no_letter_that_was_to_be_encrypted(
    bench: Bench, told: Told
) -> None:
    mailbox = Mailbox()
    await bench.endpoint("ops@example.com", channel="email")
    await bench.end_jobs()
    async with mail_server(mailbox) as port, notifying(bench, told, plain(port, smtp_security="starttls")):
        await told.until(lambda: ("email", "retry") in told.deliveries)
    assert mailbox.letters == []


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [("550 no such user here: internal-host-7", "dead", 550), ("451 try later", "pending", 451)],
)
async def test_refusals_for_good_and_for_now(
    bench: Bench, told: Told, refusal: str, status: str, code: int
) -> None:
    mailbox = Mailbox()
    mailbox.refusal = lambda _address: refusal
    endpoint = await bench.endpoint("ops@example.com", channel="email")
    await bench.end_jobs()
    async with mail_server(mailbox) as port, notifying(bench, told, plain(port)):
        await told.until(lambda: bool(told.deliveries))
    (message,) = await bench.messages(endpoint)
    assert (message["status"], message["last_status_code"]) == (status, code)
    assert "internal-host-7" not in message["last_error"]


async def test_a_wrong_password_is_the_operators_and_burns_no_message(
    bench: Bench, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = Mailbox()
    server_tls, trusted = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    endpoint = await bench.endpoint("ops@example.com", channel="email")
    await bench.end_jobs()
    async with mail_server(
        mailbox, tls_context=server_tls, authenticator=account("jobs", "right-password"), auth_required=True
    ) as port:
        settings = plain(port, smtp_security="starttls", smtp_username="jobs", smtp_password="wrong-password")
        async with notifying(bench, told, settings):
            await told.until(lambda: ("email", "retry") in told.deliveries)
    (message,) = await bench.messages(endpoint)
    assert message["status"] == "pending"
    assert "wrong-password" not in message["last_error"]


async def test_a_mail_server_that_is_away_is_tried_again(bench: Bench, told: Told) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        endpoint = await bench.endpoint("ops@example.com", channel="email")
        await bench.end_jobs()
        async with notifying(bench, told, plain(port)):
            await told.until(lambda: ("email", "retry") in told.deliveries)
    (message,) = await bench.messages(endpoint)
    assert (message["status"], message["attempts"]) == ("pending", 1)


async def test_many_workers_send_each_letter_once(bench: Bench, told: Told) -> None:
    mailbox = Mailbox()
    await bench.endpoint("ops@example.com", channel="email")
    await bench.end_jobs(40)
    async with (
        mail_server(mailbox) as port,
        notifying(bench, told, plain(port)),
        notifying(bench, told, plain(port)),
    ):
        await told.until(lambda: len(told.deliveries) >= 40)
    ids = [letter["Message-ID"] for letter in mailbox.letters]
    assert len(ids) == len(set(ids)) == 40


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mail_from": "nobody"}, "HEADWAY_MAIL_FROM"),
        ({"mail_from": "@example.com"}, "HEADWAY_MAIL_FROM"),
        ({"mail_templates": Path("/nowhere")}, "HEADWAY_MAIL_TEMPLATES"),
    ],
)
async def test_settings_that_cannot_work_are_told_at_the_start(
    bench: Bench, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        side_services(bench.context(settings=plain(25, **change)))
    assert words in refused.value.message
