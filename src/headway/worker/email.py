"""Delivery by e-mail."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import aiosmtplib

from headway.errors import ConfigError
from headway.settings import WorkerSettings
from headway.worker.deliveries import Delivered, Delivery
from headway.worker.letters import Letters

__all__ = ["EmailChannel"]

_TIMEOUT = 30.0
# Mail servers count connections of one client.
_AT_ONCE = 4


class EmailChannel:
    """Sends letters through a mail server, each over a connection of its own.

    Args:
        settings: Which server, which account, which sender, which templates.

    Raises:
        ConfigError: no server is set, the sender is no address, or the templates cannot be read.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        if settings.smtp_host is None or settings.mail_from is None:
            raise ConfigError(
                "HEADWAY_SMTP_HOST: no mail server is set",
                hint="Set HEADWAY_SMTP_HOST and HEADWAY_MAIL_FROM.",
                code="smtp_missing",
            )
        self._host = settings.smtp_host
        self._port = settings.smtp_port
        self._security = settings.smtp_security
        self._username = settings.smtp_username
        self._password = settings.smtp_password
        self._sender = settings.mail_from
        address = parseaddr(self._sender)[1]
        name, at, self._domain = address.rpartition("@")
        if not (name and at and self._domain):
            raise ConfigError(
                "HEADWAY_MAIL_FROM: not an e-mail address",
                hint="Write Jobs <jobs@example.com>.",
                code="mail_from_invalid",
            )
        self._letters = Letters(settings.mail_templates)
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def deliver(self, delivery: Delivery) -> Delivered:
        """Hand one letter to the mail server."""
        async with self._slots:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await self._send(self._message(delivery))
            except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPSenderRefused) as error:
                return _refused(error)
            except aiosmtplib.SMTPAuthenticationError as error:
                return Delivered("retry", error.code, "the mail server does not accept the worker's account")
            except aiosmtplib.SMTPResponseException as error:
                return _answered(error.code)
            except (aiosmtplib.SMTPException, ssl.SSLError, OSError, TimeoutError) as error:
                return Delivered("retry", error=f"the mail server could not be used: {type(error).__name__}")
        return Delivered("delivered", 250)

    async def close(self) -> None:
        """Nothing stays open between two letters."""

    def _message(self, delivery: Delivery) -> EmailMessage:
        letter = self._letters.write(delivery.event, delivery.payload)
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = delivery.target
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        # The same when it is sent again, so that mail programs show it once.
        message["Message-ID"] = f"<{delivery.id}@{self._domain}>"
        # RFC 3834: nobody's holiday notice is an answer to this.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        if letter.html is not None:
            message.add_alternative(letter.html, subtype="html")
        return message

    async def _send(self, message: EmailMessage) -> None:
        await aiosmtplib.send(
            message,
            hostname=self._host,
            port=self._port,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
            username=self._username,
            password=self._password.get_secret_value() if self._password is not None else None,
            timeout=_TIMEOUT,
        )


def _refused(error: aiosmtplib.SMTPRecipientsRefused | aiosmtplib.SMTPSenderRefused) -> Delivered:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return _answered(max((refusal.code for refusal in error.recipients), default=550))
    return _answered(error.code)


def _answered(code: int) -> Delivered:
    # RFC 5321: 4xx may be different later, 5xx will not. The server's words are not repeated: they may tell
    # the endpoint's owner about the inside of somebody's mail system.
    outcome = Delivered("dead", code) if 500 <= code < 600 else Delivered("retry", code)
    return Delivered(outcome.outcome, code, f"the mail server answered {code}")
