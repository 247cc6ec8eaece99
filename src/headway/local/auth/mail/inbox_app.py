"""The inbox over HTTP: pages for people, and the part of Mailpit's API that tests use.

Source of the API: Mailpit's documentation, "API v1" (``/api/v1/messages``, ``message``, ``search``).

Only requests that name this machine are answered, so that a page on another site cannot read the mails by
pointing its own name here (DNS rebinding). Mails are shown in a frame that runs no script.
"""

from __future__ import annotations

import html
import ipaddress
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from headway.local.auth.mail.inbox import SENDER, Inbox, ReceivedMail
from headway.local.auth.representation import json_response, timestamp

__all__ = ["build_inbox_app"]

_MAX_BODY = 1 << 20
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_MAIL_HEADERS = {
    **_HEADERS,
    "Content-Security-Policy": (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
        "style-src 'unsafe-inline'; img-src data: https:; frame-ancestors 'self'"
    ),
}
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }} td, th {{ padding: .4rem .6rem; text-align: left;
border-bottom: 1px solid #8884 }}
iframe {{ width: 100%; height: 26rem; border: 1px solid #8884; background: #fff }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere }} .unread {{ font-weight: bold }}
</style></head><body>{body}</body></html>"""


def build_inbox_app(inbox: Inbox) -> ASGIApp:
    """The inbox's ASGI application, to be served on a port of its own.

    Args:
        inbox: The mails.
    """
    pages, api = _Pages(inbox), _Api(inbox)
    app = Starlette(
        routes=[
            Route("/", pages.index),
            Route("/delete", pages.delete, methods=["POST"]),
            Route("/mail/{mail_id}", pages.mail),
            Route("/view/{mail_id}.html", pages.html),
            Route("/view/{mail_id}.txt", pages.text),
            Route("/api/v1/info", api.info),
            Route("/api/v1/messages", api.messages),
            Route("/api/v1/messages", api.delete, methods=["DELETE"]),
            Route("/api/v1/message/{mail_id}", api.message),
            Route("/api/v1/search", api.search),
            Route("/api/v1/search", api.delete_found, methods=["DELETE"]),
        ]
    )
    return _only_from_here(app)


def _only_from_here(app: ASGIApp) -> ASGIApp:
    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if not _is_loopback(headers.get(b"host", b"").decode("latin-1")):
                refusal = PlainTextResponse("Open the inbox as http://127.0.0.1 or http://localhost.", 403)
                await refusal(scope, receive, send)
                return
            origin = headers.get(b"origin", b"").decode("latin-1")
            if origin and urlsplit(origin).netloc != headers[b"host"].decode("latin-1"):
                await PlainTextResponse("Another site may not use the inbox.", 403)(scope, receive, send)
                return
        await app(scope, receive, send)

    return check


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class _Pages:
    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def index(self, request: Request) -> Response:
        query = request.query_params.get("query", "")
        rows = "".join(
            f'<tr class="{"" if mail.read else "unread"}">'
            f"<td>{html.escape(timestamp(mail.received_at)[:19])}</td>"
            f"<td>{html.escape(mail.letter.to)}</td>"
            f'<td><a href="/mail/{mail.id}">{html.escape(mail.letter.subject)}</a></td></tr>'
            for mail in self._inbox.mails(query)
        )
        body = (
            "<h1>Inbox</h1><p>Mails of this stack's Auth land here and go nowhere else.</p>"
            f'<form><input name="query" value="{html.escape(query)}" placeholder="to:somebody@example.test">'
            " <button>Search</button></form>"
            f"<table><tr><th>Received (UTC)</th><th>To</th><th>Subject</th></tr>{rows}</table>"
            '<form method="post" action="/delete"><button>Delete all</button></form>'
        )
        return _page("Inbox", body)

    async def delete(self, request: Request) -> Response:
        self._inbox.delete()
        return RedirectResponse("/", 303)

    async def mail(self, request: Request) -> Response:
        mail = self._inbox.get(request.path_params["mail_id"])
        if mail is None:
            return _no_mail()
        self._inbox.mark_read(mail.id)
        letter = mail.letter
        body = (
            f'<p><a href="/">Inbox</a></p><h1>{html.escape(letter.subject)}</h1>'
            f"<p>To {html.escape(letter.to)}, {html.escape(timestamp(mail.received_at)[:19])} UTC</p>"
            '<iframe title="The mail" sandbox="allow-popups allow-popups-to-escape-sandbox"'
            f' src="/view/{mail.id}.html"></iframe>'
            f"<h2>As text</h2><pre>{html.escape(letter.text)}</pre>"
        )
        return _page(letter.subject, body)

    async def html(self, request: Request) -> Response:
        mail = self._inbox.get(request.path_params["mail_id"])
        if mail is None:
            return _no_mail()
        return HTMLResponse(f'<base target="_blank">{mail.letter.html}', headers=_MAIL_HEADERS)

    async def text(self, request: Request) -> Response:
        mail = self._inbox.get(request.path_params["mail_id"])
        return _no_mail() if mail is None else PlainTextResponse(mail.letter.text, headers=_HEADERS)


def _page(title: str, body: str) -> Response:
    return HTMLResponse(_PAGE.format(title=html.escape(title), body=body), headers=_HEADERS)


def _no_mail() -> Response:
    return PlainTextResponse("There is no such mail.", 404, headers=_HEADERS)


class _Api:
    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def info(self, request: Request) -> Response:
        unread = sum(not mail.read for mail in self._inbox.mails())
        return json_response({"Version": "headway", "Messages": len(self._inbox), "Unread": unread})

    async def messages(self, request: Request) -> Response:
        return self._listing(request, self._inbox.mails())

    async def search(self, request: Request) -> Response:
        query = request.query_params.get("query", "")
        if not query:
            return PlainTextResponse("Error: no search query", 400)
        return self._listing(request, self._inbox.mails(query))

    def _listing(self, request: Request, found: Sequence[ReceivedMail]) -> Response:
        try:
            start = max(0, int(request.query_params.get("start", "0")))
            limit = max(0, int(request.query_params.get("limit", "50")))
        except ValueError:
            return PlainTextResponse("Error: start and limit must be integers", 400)
        every = self._inbox.mails()
        unread = sum(not mail.read for mail in every)
        return json_response(
            {
                "total": len(every),
                "unread": unread,
                "count": len(found[start : start + limit]),
                "messages_count": len(found),
                "messages_unread": sum(not mail.read for mail in found),
                "start": start,
                "tags": [],
                "messages": [_summary(mail) for mail in found[start : start + limit]],
            }
        )

    async def message(self, request: Request) -> Response:
        mail = self._inbox.get(request.path_params["mail_id"])
        if mail is None:
            return PlainTextResponse("Error: message not found", 404)
        self._inbox.mark_read(mail.id)
        return json_response(
            {
                **_envelope(mail),
                "ReturnPath": SENDER,
                "ListUnsubscribe": {"Header": "", "Links": [], "Errors": "", "HeaderPost": ""},
                "Date": timestamp(mail.received_at),
                "Text": mail.letter.text,
                "HTML": mail.letter.html,
                "Inline": [],
                "Attachments": [],
            }
        )

    async def delete(self, request: Request) -> Response:
        try:
            body = await _small_body(request)
            wanted = orjson.loads(body) if body else {}
            ids = wanted.get("IDs") or wanted.get("ids") or None
            if ids is not None and not (isinstance(ids, list) and all(isinstance(i, str) for i in ids)):
                raise ValueError("IDs")
        except (ValueError, AttributeError):
            return PlainTextResponse('Error: expected {"IDs": [...]} or no body', 400)
        self._inbox.delete(ids)
        return PlainTextResponse("ok")

    async def delete_found(self, request: Request) -> Response:
        query = request.query_params.get("query", "")
        if not query:
            return PlainTextResponse("Error: no search query", 400)
        self._inbox.delete(mail.id for mail in self._inbox.mails(query))
        return PlainTextResponse("ok")


async def _small_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise ValueError("too large")
    return bytes(body)


def _envelope(mail: ReceivedMail) -> dict[str, Any]:
    nobody: list[dict[str, str]] = []
    return {
        "ID": mail.id,
        "MessageID": f"{mail.id}@headway.test",
        "From": {"Name": "", "Address": SENDER},
        "To": [{"Name": "", "Address": mail.letter.to}],
        "Cc": nobody,
        "Bcc": nobody,
        "ReplyTo": nobody,
        "Subject": mail.letter.subject,
        "Tags": [],
        "Size": mail.size,
    }


def _summary(mail: ReceivedMail) -> dict[str, Any]:
    return {
        **_envelope(mail),
        "Read": mail.read,
        "Created": timestamp(mail.received_at),
        "Attachments": 0,
        "Snippet": " ".join(mail.letter.text.split())[:250],
    }
