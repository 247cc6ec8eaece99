"""Documents of automations that call back: through the death of workers, and past those who forge."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import httpx
import pytest

from headway import JobCancelled, JobFailed, check_webhook_signature, sign_webhook
from headway.sandbox.environment import SANDBOX_KEYS
from support.workers import ROOT, running_worker

from .harness import PATIENCE_S, Office

KIND = "document.generate"
MODULE = "workers.document"
SECRET = SANDBOX_KEYS["N8N_WEBHOOK_SECRET"]
SAMPLE = json.loads((ROOT / "workers" / "document" / "sample" / "payload.json").read_text("utf-8"))
HOSTILE = "<h1>Mine</h1><script>alert(1)</script><p onclick=x>Text</p>"


@contextmanager
def automation() -> Iterator[tuple[str, Queue[dict[str, Any]]]]:
    """An automation that answers 202 to whatever it is asked, and leaves calling back to the test."""
    calls: Queue[dict[str, Any]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            check_webhook_signature(body, dict(self.headers.items()), SECRET)
            self.send_response(202)
            self.send_header("content-length", "0")
            self.end_headers()
            calls.put(json.loads(body))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", calls
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def call_back(url: str, said: dict[str, Any], *, secret: str = SECRET, ago: int = 0) -> httpx.Response:
    body = json.dumps(said).encode()
    headers = sign_webhook(body, secret, message_id="m", timestamp=int(time.time()) - ago)
    return httpx.post(url, content=body, headers={"content-type": "application/json", **headers}, timeout=30)


async def test_an_automation_that_calls_back_twice(office: Office, tmp_path: Path) -> None:
    owner = await office.somebody()
    environment = {
        **office.sandbox.environment,
        "N8N_WEBHOOK_URL": f"{office.sandbox.url}/n8n/webhook/document-later?delay=0.05&repeat=2",
    }
    with running_worker(office.stack, MODULE, log=tmp_path / "log", environment=environment):
        job = await owner.hw.submit(KIND, SAMPLE)
        result = await job.result(timeout=PATIENCE_S)
        # Nothing that comes later changes it.
        (row,) = await owner.rows("documents")
    assert (row["id"], row["title"]) == (result["document_id"], "Onboarding handbook")
    types = [event.type for event in await job.timeline()]
    assert types.count("waiting") == types.count("signalled") == types.count("completed") == 1


async def test_a_job_waits_through_the_death_of_its_worker_and_hears_no_forgeries(
    office: Office, tmp_path: Path
) -> None:
    owner, other = await office.somebody(), await office.somebody()
    with automation() as (origin, calls):
        environment = {
            **office.sandbox.environment,
            "N8N_WEBHOOK_URL": f"{origin}/hook",
            "HEADWAY_DOCUMENT_ORIGINS": origin,
        }
        log = tmp_path / "log"
        with running_worker(office.stack, MODULE, log=log, environment=environment) as worker:
            job = await owner.hw.submit(KIND, {"prompt": "Mine"})
            theirs = await other.hw.submit(KIND, {"prompt": "Theirs"})
            asked = {call["job_id"]: call for call in (calls.get(timeout=PATIENCE_S) for _ in range(2))}
            for each in (job, theirs):
                await until_waiting(office, each.id)
            worker.kill()
        call = asked[str(job.id)]
        assert call["prompt"] == "Mine"
        with running_worker(office.stack, MODULE, log=log, environment=environment) as worker:
            # The worker is another one, on another port; its address is the operator's to keep.
            path = httpx.URL(call["callback_url"]).raw_path.decode()
            url = f"{worker.url}{path}"
            foreign = httpx.URL(asked[str(theirs.id)]["callback_url"]).raw_path.decode()
            good = {"html": HOSTILE}
            assert httpx.post(url, json=good).status_code == 400
            assert call_back(url, good, secret="whsec_b3RoZXI=").status_code == 401
            assert call_back(url, good, ago=3600).status_code == 401
            assert call_back(url.replace(str(job.id), str(theirs.id)), good).status_code == 401
            assert (
                call_back(f"{worker.url}{foreign}".replace(str(theirs.id), str(job.id)), good).status_code
                == 401
            )
            assert call_back(url, {"html": ""}).status_code == 422
            assert call_back(url, {"html": "x" * 1_000_001}).status_code in (413,)
            with pytest.raises(Exception, match="reserved"):
                await owner.hw.signal(job.id, "system.document_1", {"html": "<p>forged</p>"})
            assert (await job.snapshot()).status == "pending"

            assert call_back(url, good).json() == {"state": "delivered"}
            result = await job.result(timeout=PATIENCE_S)
            assert call_back(url, {"html": "<p>second</p>"}).json() == {"state": "repeated"}
            (row,) = await owner.rows("documents")
            assert (row["id"], row["html"]) == (result["document_id"], "<h1>Mine</h1><p>Text</p>")

            await theirs.cancel()
            with pytest.raises(JobCancelled):
                await theirs.result(timeout=PATIENCE_S)
            assert call_back(f"{worker.url}{foreign}", good).json() == {"state": "late"}
            assert await other.rows("documents") == []

            # A person's retry asks anew; should the first call be answered after all, that is as good.
            await theirs.retry()
            second = await asyncio.to_thread(calls.get, timeout=PATIENCE_S)
            assert (second["job_id"], second["call"]) == (str(theirs.id), 2)
            assert call_back(f"{worker.url}{foreign}", {"html": "<p>first</p>"}).json() == {"state": "stored"}
            assert call_back(f"{worker.url}{foreign}", {"html": "<p>x</p>"}).json() == {"state": "repeated"}
            path = httpx.URL(second["callback_url"]).raw_path.decode()
            assert call_back(f"{worker.url}{path}", {"html": "<p>2nd</p>"}).json() == {"state": "delivered"}
            await theirs.result(timeout=PATIENCE_S)
            (row,) = await other.rows("documents")
            assert row["html"] == "<p>first</p>"
    assert calls.empty()


async def test_an_automation_inside_the_network_is_out_of_reach_unless_it_is_named(
    office: Office, tmp_path: Path
) -> None:
    owner = await office.somebody()
    environment = {**office.sandbox.environment, "HEADWAY_DOCUMENT_ORIGINS": ""}
    with running_worker(office.stack, MODULE, log=tmp_path / "log", environment=environment):
        job = await owner.hw.submit(KIND, SAMPLE)
        with pytest.raises(JobFailed) as failed:
            await job.result(timeout=PATIENCE_S)
    assert failed.value.code == "address_not_encrypted"
    assert office.sandbox.sandbox.requests.of("/n8n/webhook/document") == 0


async def until_waiting(office: Office, job_id: uuid.UUID) -> None:
    """Wait until a job waits for its callback."""
    question = "select waiting_for from headway.jobs where id = $1"
    async with asyncio.timeout(PATIENCE_S):
        while await office.admin.fetchval(question, job_id) != "signal":
            await asyncio.sleep(0.01)
