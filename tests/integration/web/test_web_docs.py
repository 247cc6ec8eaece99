"""The apps of docs/web.md, served and asked."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import httpx
import pytest
from werkzeug.serving import make_server

from support.documents import examples

from .conftest import Person, Site, events_of, served


@pytest.fixture
def settings(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", site.stack.url)
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", site.stack.keys.publishable_key)


def app_of(framework: str) -> dict[str, Any]:
    """What the page's block for a framework defines."""
    (block,) = [each for each in examples("web.md", "python") if each.caller == framework]
    namespace: dict[str, Any] = {"__name__": f"docs_{framework}"}
    exec(
        compile(block.text.replace("from __future__", "#"), "docs/web.md", "exec", dont_inherit=True),
        namespace,
    )
    return namespace


async def check(site: Site, ada: Person, browser: httpx.AsyncClient) -> None:
    kind = f"test.web_docs_{uuid4().hex[:8]}"
    worker = await site.worker(kind)
    job = await ada.hw.submit(kind)
    assert (await browser.get(f"/jobs/{job.id}", headers=ada.bearer)).json()["status"] == "pending"
    await worker.finish(await worker.claim_one())
    async with browser.stream("GET", f"/jobs/{job.id}/events", headers=ada.bearer) as answer:
        (event,) = [event async for event in events_of(answer)]
    assert event.data["ended"] is True
    assert (await browser.get(f"/jobs/{job.id}/events")).status_code == 401


@pytest.mark.usefixtures("settings")
async def test_fastapi(site: Site, ada: Person) -> None:
    namespace = app_of("fastapi")
    async with served(namespace["app"]) as browser:
        await check(site, ada, browser)
    await namespace["hw"].close()


@pytest.mark.usefixtures("settings")
@pytest.mark.filterwarnings("ignore:This is a development server")
async def test_flask(site: Site, ada: Person) -> None:
    namespace = app_of("flask")
    server = make_server("127.0.0.1", 0, namespace["app"], threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.server_port}", timeout=30
        ) as browser:
            await check(site, ada, browser)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        namespace["hw"].close()
