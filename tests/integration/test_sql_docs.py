"""The HTTP and JavaScript examples of docs/sql.md, against the whole stack."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import httpx
import pytest

from support.documents import Example, examples
from support.node import Node
from support.stack import TestStack


def sign_up(stack: TestStack) -> str:
    answer = httpx.post(
        f"{stack.url}/auth/v1/signup",
        headers={"apikey": stack.keys.publishable_key},
        json={"email": f"docs-{uuid.uuid4().hex}@example.com", "password": "correct horse battery"},
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def send(stack: TestStack, token: str, example: Example) -> httpx.Response:
    head, _, body = example.text.partition("\n\n")
    request, *headers = head.splitlines()
    method, path = request.split(" ", 1)
    key = stack.keys.publishable_key if example.caller == "person" else stack.keys.secret_key
    authorization = {"Authorization": f"Bearer {token}"} if example.caller == "person" else {}
    return httpx.request(
        method,
        stack.url + path,
        headers=dict(header.split(": ", 1) for header in headers) | {"apikey": key} | authorization,
        content=body.strip() or None,
    )


def test_the_http_examples_answer(stack: TestStack) -> None:
    token = sign_up(stack)
    blocks = examples("sql.md", "http")
    assert {block.caller for block in blocks} == {"person", "service"}
    # The worker's part of the page registers the kind; it stands last, and readers have one running already.
    for block in sorted(blocks, key=lambda block: "register_worker" not in block.text):
        answer = send(stack, token, block)
        assert answer.status_code == 200, f"line {block.line}: {answer.status_code} {answer.text}"
        if block.text.startswith("GET"):
            (job,) = answer.json()
            assert [event["seq"] for event in job["job_events"]] == [1]
        elif "rpc/claim_outbox" not in block.text:
            assert answer.json() not in (None, []), block.line
    stranger = sign_up(stack)
    snapshot = next(block for block in blocks if "rpc/snapshot" in block.text)
    refused = send(stack, stranger, snapshot)
    assert (refused.status_code, refused.json()["code"]) == (400, "HW301")
    assert set(json.loads(refused.text)) == {"code", "message", "details", "hint"}


@pytest.mark.node
def test_the_javascript_examples_run(stack: TestStack, node: Node, tmp_path: Path) -> None:
    node.test(
        "docs.test.mjs",
        {
            "SUPABASE_URL": stack.url,
            "SUPABASE_PUBLISHABLE_KEY": stack.keys.publishable_key,
            "SUPABASE_SECRET_KEY": stack.keys.secret_key,
        },
        tmp_path,
    )
