"""What the documentation gives to users of n8n verifies what the worker signs."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest

from headway import sign_webhook
from support.node import Node

pytestmark = pytest.mark.node

PAGE = Path(__file__).parents[3] / "docs" / "pipelines" / "document.md"
SECRET, FORMER, OTHER = "whsec_c2VjcmV0", "whsec_Zm9ybWVy", "whsec_b3RoZXI="


def test_the_example_takes_signed_calls_and_no_others(node: Node, tmp_path: Path) -> None:
    code = PAGE.read_text("utf-8").split("```js\n")[1].split("```")[0]
    body = '{"prompt":"Grüße"}'.encode()

    def call(
        name: str, accepted: bool, *secrets: str, ago: int = 0, sent: bytes = body, **more: str
    ) -> object:
        headers = sign_webhook(body, secrets, message_id="job:1", timestamp=int(time.time()) - ago)
        return {
            "name": name,
            "accepted": accepted,
            "headers": headers | more,
            "body": base64.b64encode(sent).decode(),
        }

    calls = [
        call("signed", True, SECRET),
        call("signed with the former and the new secret", True, FORMER, SECRET),
        call("signed by somebody else", False, OTHER),
        call("changed on its way", False, SECRET, sent=body + b" "),
        call("recorded", False, SECRET, ago=600),
        call("given another time", False, SECRET, **{"webhook-timestamp": str(int(time.time()) - 1)}),
    ]
    file = tmp_path / "calls.json"
    file.write_text(json.dumps({"code": code, "secret": SECRET, "calls": calls}), "utf-8")
    node.test("n8n.test.mjs", {"CALLS": str(file)}, tmp_path)
