"""The sandbox's n8n: both ways to answer, signatures in both directions, and its faults."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from headway import sign_webhook, verify_webhook
from headway.core.webhook import check_signature
from headway.sandbox import n8n
from headway.sandbox.answers.handbook import LABEL, handbook_page
from headway.sandbox.environment import SANDBOX_KEYS
from headway.sandbox.server import SandboxServer

SECRET = SANDBOX_KEYS["N8N_WEBHOOK_SECRET"]
PROMPT = "Write an onboarding handbook. Cover accounts, laptops and security. <script>alert(1)</script>"

Received = tuple[dict[str, str], bytes]


@pytest.fixture
def receiver() -> Iterator[tuple[str, queue.Queue[Received]]]:
    """An address that takes callbacks, and what it was sent."""
    heard: queue.Queue[Received] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()
            heard.put(({name.lower(): value for name, value in self.headers.items()}, body))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/back", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(server: SandboxServer, path: str, secret: str = SECRET, **fields: Any) -> httpx.Response:
    body = json.dumps({"job_id": "j", "call": 1, "prompt": PROMPT, **fields}).encode()
    headers = sign_webhook(body, secret, message_id="j:1") | {"content-type": "application/json"}
    return httpx.post(f"{server.url}/n8n/webhook/{path}", content=body, headers=headers)


def test_a_workflow_that_answers_when_it_is_done(sandbox_server: SandboxServer) -> None:
    answer = ask(sandbox_server, "document", title="Welcome")
    said = answer.json()
    assert (answer.status_code, said["title"], said["sandbox"]) == (200, "Welcome", True)
    assert "<h1>Welcome</h1>" in said["html"]
    assert "Accounts, laptops and security." in said["html"]
    assert "<script>" not in said["html"]
    assert sandbox_server.sandbox.ledger.quantity("n8n", unit="execution") == 1


def test_a_page_is_what_the_prompt_asks_for() -> None:
    prompt = "Write a handbook. Begin with the first day: accounts, laptop, and lunch. explain how we work."
    title, page = handbook_page(prompt, None)
    assert title == "Write a handbook"
    body = page.partition("</nav>")[2]
    assert body == (
        '<h2 id="section-1">The first day</h2><p>The first day:</p>'
        "<ul><li>accounts</li><li>laptop</li><li>lunch</li></ul>"
        '<h2 id="section-2">How we work</h2><p>How we work.</p></body></html>'
    )
    assert page.count("Write a handbook.") == 1
    assert LABEL in page
    assert '<a href="#section-1">One sentence</a>' in handbook_page("One sentence", None)[1]
    assert "Nothing was asked for" in handbook_page(" \n-", None)[1]


def test_a_workflow_that_calls_back_signs_and_repeats_as_told(
    sandbox_server: SandboxServer, receiver: tuple[str, queue.Queue[Received]]
) -> None:
    url, heard = receiver
    answer = ask(sandbox_server, "document-later?delay=0&repeat=2", callback_url=url)
    assert (answer.status_code, answer.json()) == (202, {"message": "Workflow was started"})
    calls = [heard.get(timeout=10) for _ in range(2)]
    for headers, body in calls:
        assert check_signature(body, headers, [SECRET], now=time.time(), tolerance=60) == "j-1"
        assert "<h1>" in json.loads(body)["html"]
    assert sandbox_server.sandbox.ledger.quantity("n8n", unit="execution") == 1


def test_a_callback_that_is_not_heard_is_made_again(
    sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(n8n, "_PAUSE_S", 0.01)
    heard: queue.Queue[int] = queue.Queue()
    answers = iter((503, 500, 200))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            status = next(answers)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()
            heard.put(status)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/back"
        ask(sandbox_server, "document-later?delay=0", callback_url=url)
        assert [heard.get(timeout=60) for _ in range(3)] == [503, 500, 200]
        server.shutdown()


@pytest.mark.parametrize("path", ["document", "document-later"])
def test_calls_that_nobody_has_signed_are_refused(sandbox_server: SandboxServer, path: str) -> None:
    other = "whsec_" + "b3RoZXI="
    assert ask(sandbox_server, path, secret=other).status_code == 401
    unsigned = httpx.post(f"{sandbox_server.url}/n8n/webhook/{path}", json={"prompt": PROMPT})
    assert unsigned.status_code == 401
    assert sandbox_server.sandbox.ledger.quantity("n8n", unit="execution") == 0


def test_a_call_that_was_changed_on_its_way_is_refused(sandbox_server: SandboxServer) -> None:
    body = b'{"prompt": "x"}'
    headers = sign_webhook(body, SECRET, message_id="j:1")
    changed = httpx.post(f"{sandbox_server.url}/n8n/webhook/document", content=body + b" ", headers=headers)
    assert changed.status_code == 401


def test_what_cannot_be_answered_is_said(sandbox_server: SandboxServer) -> None:
    assert ask(sandbox_server, "document", prompt=None).status_code == 422
    assert ask(sandbox_server, "document-later").status_code == 422
    assert ask(sandbox_server, "document-later?delay=soon", callback_url="http://x").status_code == 422


def test_its_faults(sandbox_server: SandboxServer) -> None:
    faults = sandbox_server.sandbox.faults
    for kind in ("429", "quota", "500", "503", "malformed", "truncated", "refusal"):
        faults.add(kind, provider="n8n", times=1, retry_after=2)
    refused = [ask(sandbox_server, "document") for _ in range(4)]
    assert [answer.status_code for answer in refused] == [429, 402, 500, 503]
    assert refused[0].headers["retry-after"] == "2"
    assert "html" not in ask(sandbox_server, "document").json()
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        ask(sandbox_server, "document").json()
    assert "error" in ask(sandbox_server, "document").json()


def test_its_secret_is_one_that_the_public_functions_take() -> None:
    body = b'{"type": "x", "data": {}}'
    assert verify_webhook(body, sign_webhook(body, SECRET, message_id="m"), SECRET).type == "x"
