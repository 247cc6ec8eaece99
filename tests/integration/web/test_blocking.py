"""The same without an event loop: Flask in a thread, Django in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import flask
import httpx
import pytest
from werkzeug.serving import make_server

from headway import Headway
from headway.errors import HeadwayError
from headway.web import bearer_token, open_blocking_stream, problem, read_status_blocking

from .conftest import Person, Site, events_of

DJANGO = Path(__file__).with_name("django_site.py")


@contextmanager
def flask_site(site: Site, clients: list[Headway]) -> Iterator[str]:
    """A Flask app on a free port."""
    app = flask.Flask("jobs")
    hw = Headway(url=site.stack.url, key=site.stack.keys.publishable_key)

    @app.errorhandler(HeadwayError)
    def failed(error: HeadwayError) -> flask.typing.ResponseReturnValue:
        status, headers, body = problem(error)
        return body, status, headers

    @app.get("/jobs/<job_id>/events")
    def events(job_id: str) -> flask.Response:
        user = hw.as_user(bearer_token(flask.request.headers))
        clients.append(user)
        last = flask.request.headers.get("Last-Event-ID")
        stream = open_blocking_stream(user, job_id, last, owned=True, heartbeat=0.1)
        return flask.Response(stream, stream.status, stream.headers)

    @app.get("/jobs/<job_id>")
    def status(job_id: str) -> flask.typing.ResponseReturnValue:
        with hw.as_user(bearer_token(flask.request.headers)) as user:
            document = read_status_blocking(user, job_id)
        return document.body, document.headers

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        hw.close()


@asynccontextmanager
async def django_site(site: Site) -> AsyncIterator[str]:
    """A Django project on a free port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(DJANGO),
        env={
            **os.environ,
            "SUPABASE_URL": site.stack.url,
            "SUPABASE_PUBLISHABLE_KEY": site.stack.keys.publishable_key,
        },
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.wait()


async def check(site: Site, ada: Person, url: str) -> None:
    """What a browser may expect of either."""
    kind = f"test.web_blocking_{uuid4().hex[:8]}"
    worker = await site.worker(kind)
    job = await ada.hw.submit(kind)
    async with httpx.AsyncClient(base_url=url, timeout=30) as browser:
        async with browser.stream("GET", f"/jobs/{job.id}/events", headers=ada.bearer) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            stream = events_of(answer)
            assert (await anext(stream)).data["status"] == "pending"
            lease = await worker.claim_one()
            assert (await anext(stream)).data["event"]["type"] == "started", "not live"
        status = await browser.get(f"/jobs/{job.id}", headers=ada.bearer)
        assert (status.json()["status"], status.headers["retry-after"]) == ("processing", "2")
        await worker.finish(lease, result={"a": 1})
        async with browser.stream(
            "GET", f"/jobs/{job.id}/events", headers=ada.bearer | {"Last-Event-ID": "1"}
        ) as answer:
            heard = [event async for event in events_of(answer)]
        assert [event.id for event in heard] == ["2", "3"]
        seen = await browser.get(f"/jobs/{job.id}/events", headers=ada.bearer | {"Last-Event-ID": "3"})
        assert seen.status_code == 204
        assert (await browser.get(f"/jobs/{job.id}/events")).status_code == 401
        stranger = (await site.person()).bearer
        assert (await browser.get(f"/jobs/{job.id}/events", headers=stranger)).status_code == 404
        assert (await browser.get(f"/jobs/{job.id}", headers=stranger)).status_code == 404


@pytest.mark.filterwarnings("ignore:This is a development server")
async def test_flask(site: Site, ada: Person) -> None:
    clients: list[Headway] = []
    with flask_site(site, clients) as url:
        await check(site, ada, url)
        async with asyncio.timeout(30):
            while not all(client.runner._closed for client in clients):
                await asyncio.sleep(0.01)
    assert len(clients) == 4


async def test_django(site: Site, ada: Person) -> None:
    async with django_site(site) as url:
        await check(site, ada, url)
