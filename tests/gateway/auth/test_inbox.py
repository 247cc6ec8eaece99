"""The inbox over HTTP, for people and for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from headway.local.auth.mail.inbox import Inbox, Letter
from headway.local.auth.mail.inbox_app import build_inbox_app

from .harness import AuthServer


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def client(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_inbox_app(inbox))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:54324") as client:
        yield client


def deliver(inbox: Inbox, to: str, subject: str = "Hello", html: str = "<p>Hi</p>") -> str:
    return inbox.deliver(Letter(to, subject, f"Text for {to}", html), datetime.now(UTC)).id


async def test_mailpits_listing_search_and_message(client: httpx.AsyncClient, inbox: Inbox) -> None:
    for name in ("ada", "bob", "ada"):
        deliver(inbox, f"{name}@example.test", f"For {name}")
    listing = (await client.get("/api/v1/messages?limit=2")).json()
    assert (listing["total"], listing["count"], listing["unread"], len(listing["messages"])) == (3, 2, 3, 2)
    found = (await client.get("/api/v1/search", params={"query": "to:ADA@example.test"})).json()
    assert found["messages_count"] == 2
    newest = found["messages"][0]
    assert newest["To"] == [{"Name": "", "Address": "ada@example.test"}]
    assert (newest["Subject"], newest["Read"]) == ("For ada", False)
    message = (await client.get(f"/api/v1/message/{newest['ID']}")).json()
    assert (message["Text"], message["HTML"]) == ("Text for ada@example.test", "<p>Hi</p>")
    assert (await client.get("/api/v1/message/latest")).json()["ID"] == newest["ID"]
    assert (await client.get("/api/v1/info")).json()["Unread"] == 2
    assert (await client.get('/api/v1/search?query=subject:"for bob"')).json()["messages_count"] == 1


async def test_deleting(client: httpx.AsyncClient, inbox: Inbox) -> None:
    first, _, _ = (deliver(inbox, f"{name}@example.test") for name in ("ada", "bob", "eve"))
    assert (await client.request("DELETE", "/api/v1/messages", json={"IDs": [first]})).text == "ok"
    assert (await client.delete("/api/v1/search", params={"query": "to:bob@"})).text == "ok"
    assert [mail.letter.to for mail in inbox.mails()] == ["eve@example.test"]
    assert (await client.request("DELETE", "/api/v1/messages")).text == "ok"
    assert len(inbox) == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/message/none", 404),
        ("GET", "/api/v1/search", 400),
        ("DELETE", "/api/v1/search", 400),
        ("GET", "/api/v1/messages?limit=x", 400),
        ("GET", "/mail/none", 404),
        ("GET", "/view/none.html", 404),
        ("GET", "/view/none.txt", 404),
        ("GET", "/nothing", 404),
    ],
)
async def test_what_is_not_there(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    assert (await client.request(method, path)).status_code == status


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"IDs": "x"}', b'{"IDs": [1]}', b"x" * (2 << 20)])
async def test_deletions_that_cannot_be(client: httpx.AsyncClient, inbox: Inbox, body: bytes) -> None:
    deliver(inbox, "ada@example.test")
    assert (await client.request("DELETE", "/api/v1/messages", content=body)).status_code == 400
    assert len(inbox) == 1


async def test_pages_escape_what_strangers_wrote_and_run_no_script(
    client: httpx.AsyncClient, inbox: Inbox
) -> None:
    evil = "<script>alert(1)</script>"
    mail = deliver(inbox, f'"{evil}"@example.test', evil, f"<p>{evil}</p>")
    for path in ("/", f"/mail/{mail}", f"/?query={evil}"):
        page = await client.get(path)
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
    assert 'sandbox="allow-popups' in (await client.get(f"/mail/{mail}")).text
    shown = await client.get(f"/view/{mail}.html")
    # The mail itself is shown as it is, in a document whose origin is nobody's and that runs no script.
    assert "sandbox allow-popups" in shown.headers["content-security-policy"]
    assert "allow-scripts" not in shown.headers["content-security-policy"]
    assert (await client.get(f"/view/{mail}.txt")).headers["content-type"].startswith("text/plain")
    assert (await client.post("/delete")).status_code == 303
    assert len(inbox) == 0


async def test_only_this_machine_reads_the_inbox(client: httpx.AsyncClient, inbox: Inbox) -> None:
    deliver(inbox, "ada@example.test")
    for host in ("evil.test", "127.0.0.1.evil.test", "10.0.0.1", ""):
        assert (await client.get("/api/v1/messages", headers={"Host": host})).status_code == 403
    for host in ("localhost:54324", "[::1]:54324"):
        assert (await client.get("/api/v1/messages", headers={"Host": host})).status_code == 200
    foreign = await client.request("DELETE", "/api/v1/messages", headers={"Origin": "https://evil.test"})
    assert foreign.status_code == 403
    assert len(inbox) == 1
    own = await client.post("/delete", headers={"Origin": "http://127.0.0.1:54324"})
    assert own.status_code == 303


def test_the_service_brings_its_inbox(confirming: AuthServer) -> None:
    confirming.sign_up()
    transport = httpx.ASGITransport(confirming.service.inbox_app)

    async def read() -> dict[str, str]:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:54324") as client:
            body: dict[str, str] = (await client.get("/api/v1/message/latest")).json()
            return body

    message = confirming.run(read())
    link, code = confirming.newest("ada@example.test")
    assert code in message["Text"]
    assert code in message["HTML"]
    assert link in message["Text"]
    assert link.replace("&", "&amp;") in message["HTML"]
