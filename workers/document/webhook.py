"""The call to the automation's webhook: signed, bounded in time and size, and never led astray.

Signed as Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over id, timestamp and body.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from headway import (
    ConfigError,
    ConnectFailed,
    GuardedTransport,
    TimedOut,
    TransportError,
    retry_after_of,
    sign_webhook,
)
from workers.document.settings import DocumentSettings

__all__ = ["Automation", "Reply", "automation"]

_MOST_REDIRECTS = 3
# Those that keep method and body; the others turn a POST into a GET without it.
_REDIRECTS = frozenset({307, 308})
_AGAIN = frozenset({408, 409, 423, 425, 429})


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer, read to its end."""

    status: int
    content_type: str
    body: bytes


class Automation:
    """The webhook, and how to call it.

    Args:
        settings: Where it is and what is believed of it.
        client: Whose transport reaches public addresses only.
    """

    def __init__(self, settings: DocumentSettings, client: httpx.AsyncClient) -> None:
        self.settings = settings
        self._client = client

    async def call(self, message_id: str, document: dict[str, Any]) -> Reply:
        """Ask for a document.

        Args:
            message_id: The same whenever this call is repeated, so that the automation can tell.
            document: The request, as JSON.

        Raises:
            TransportError: it could not be asked, is too busy or broken: another attempt may help.
            ConfigError: it refuses, leads elsewhere, or answers too much: its operator must act.
            Denied: its address is not public.
        """
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        headers = sign_webhook(body, self.settings.secrets, message_id=message_id) | {
            "content-type": "application/json",
            "accept": "application/json, text/html",
            # What was packed small may be large: sizes are only known of what is not packed.
            "accept-encoding": "identity",
        }
        limit = self.settings.answer_seconds
        try:
            async with asyncio.timeout(limit):
                return await self._follow(httpx.URL(str(self.settings.webhook_url)), body, headers)
        except TimeoutError:
            raise TimedOut(
                f"the automation did not answer within {limit:g} s",
                hint="Let it answer 202 at once and call back later.",
                code="automation_timeout",
            ) from None
        except httpx.TimeoutException:
            raise ConnectFailed(
                "the automation did not accept a connection in time", code="automation_unreachable"
            ) from None
        except httpx.ConnectError:
            raise ConnectFailed(
                "the automation could not be reached",
                hint="Check N8N_WEBHOOK_URL.",
                code="automation_unreachable",
            ) from None
        except httpx.HTTPError as error:
            raise TransportError(
                f"the connection to the automation broke: {type(error).__name__}", code="automation_broke_off"
            ) from None

    async def _follow(self, url: httpx.URL, body: bytes, headers: dict[str, str]) -> Reply:
        for _ in range(_MOST_REDIRECTS + 1):
            async with self._client.stream("POST", url, content=body, headers=headers) as response:
                status = response.status_code
                if status not in _REDIRECTS:
                    if response.has_redirect_location:
                        raise _led_astray(f"with HTTP {status}, which would turn the call into a GET")
                    return await self._read(response)
                following = response.next_request
            if following is None:
                raise _led_astray("nowhere")
            # The transport looks at every address, this one included.
            url = following.url
        raise _led_astray(f"more than {_MOST_REDIRECTS} times")

    async def _read(self, response: httpx.Response) -> Reply:
        status = response.status_code
        if status >= 300:
            raise _refused(response)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise ConfigError(
                "the automation's answer is compressed, although that was not accepted",
                hint="Switch compression off in the proxy before it.",
                code="answer_compressed",
            )
        most = self.settings.max_bytes
        received = bytearray()
        async for piece in response.aiter_raw():
            received += piece
            if len(received) > most:
                raise ConfigError(
                    f"the automation's answer has more than {most:,} bytes",
                    hint="Have it write less, or several documents.",
                    code="answer_too_large",
                )
        return Reply(status, response.headers.get("content-type", ""), bytes(received))


def _led_astray(where: str) -> ConfigError:
    return ConfigError(
        f"the webhook redirects {where}",
        hint="Set N8N_WEBHOOK_URL to where the webhook really is.",
        code="webhook_redirects",
    )


def _refused(response: httpx.Response) -> TransportError | ConfigError:
    status = response.status_code
    if status in _AGAIN or status >= 500:
        return TransportError(
            f"the automation answered HTTP {status}",
            hint="Look into the automation's log; the call is repeated by itself a few times.",
            code="automation_rate_limited" if status == 429 else "automation_failing",
            status=status,
            retry_after=retry_after_of(response.headers, datetime.now(UTC)),
        )
    hint = {
        402: "Raise the plan of the automation, then retry the job.",
        401: "Check that N8N_WEBHOOK_SECRET is the one that the automation verifies with.",
        403: "Check that N8N_WEBHOOK_SECRET is the one that the automation verifies with.",
        404: "Activate the workflow, and set N8N_WEBHOOK_URL to its production address.",
        405: "Let the webhook accept POST.",
        413: "Shorten the prompt.",
    }.get(status, "Look into the automation's log.")
    return ConfigError(
        f"the automation refused the call: HTTP {status}", hint=hint, code="automation_refused"
    )


@asynccontextmanager
async def automation() -> AsyncIterator[Automation]:
    """The webhook that the environment names; made once per process, for ``ctx.shared``.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    settings = DocumentSettings.load()
    # The whole exchange has one limit of its own, kept by the call.
    timeout = httpx.Timeout(None, connect=15.0)
    async with httpx.AsyncClient(transport=GuardedTransport(settings.origins), timeout=timeout) as client:
        yield Automation(settings, client)
