"""Live updates in browsers: in order, resumed after a break, released when the browser goes."""

from __future__ import annotations

import asyncio
import gc
import json
from contextlib import AsyncExitStack
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from headway import AsyncHeadway
from headway.web import bearer_token, exception_handlers, open_stream, sse_response, status_response

from .conftest import Event, Person, Site, events_of, served


def app_of(site: Site, *, heartbeat: float = 15.0, clients: list[AsyncHeadway] | None = None) -> FastAPI:
    """An app as the documentation shows it."""
    app = FastAPI(exception_handlers=dict(exception_handlers))

    def user_of(request: Request) -> AsyncHeadway:
        user = site.hw.as_user(bearer_token(request.headers))
        if clients is not None:
            clients.append(user)
        return user

    @app.get("/jobs/{job_id}/events")
    async def events(request: Request, job_id: str) -> Response:
        user = user_of(request)
        return await sse_response(request, user.job(job_id), owned=user, heartbeat=heartbeat)

    @app.get("/jobs/events")
    async def all_events(request: Request) -> Response:
        user = user_of(request)
        return await sse_response(request, user.watch_all(), owned=user)

    @app.get("/jobs/{job_id}")
    async def status(request: Request, job_id: str) -> Response:
        async with user_of(request) as user:
            return await status_response(request, user, job_id)

    @app.get("/cvs/{job_id}")
    async def cv_status(request: Request, job_id: str) -> Response:
        async with user_of(request) as user:
            return await status_response(request, user, job_id, view="cv_processing_jobs")

    return app


def kind_of(name: str) -> str:
    return f"test.web_{name}_{uuid4().hex[:8]}"


async def test_a_job_is_told_to_its_end_and_the_browser_is_told_to_stay_away(site: Site, ada: Person) -> None:
    kind = kind_of("life")
    worker = await site.worker(kind, stages=["read", "write"])
    job = await ada.hw.submit(kind)
    async with (
        served(app_of(site)) as browser,
        browser.stream("GET", f"/jobs/{job.id}/events", headers=ada.bearer) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        stream = events_of(answer)
        first = await anext(stream)
        assert (first.id, first.data["status"], first.data["ended"]) == ("1", "pending", False)
        lease = await worker.claim_one()
        await worker.beat(lease, percent=12.5, stage="read", message="half", metrics={"pages": 1})
        await worker.finish(lease, result={"ok": True})
        heard = [event async for event in stream]
        types = [event.data["event"]["type"] for event in heard if event.data["event"]]
        assert types == ["started", "stage_started", "completed"]
        assert [event.data["seq"] for event in heard if event.data["event"]] == [2, 3, 4]
        assert (heard[-1].id, heard[-1].data["ended"], heard[-1].data["percent"]) == ("4", True, 100)
        again = await browser.get(f"/jobs/{job.id}/events", headers=ada.bearer | {"Last-Event-ID": "4"})
        assert (again.status_code, again.content) == (204, b"")


async def test_a_browser_that_comes_back_misses_nothing(site: Site, ada: Person) -> None:
    kind = kind_of("resume")
    worker = await site.worker(kind)
    job = await ada.hw.submit(kind)
    seen: list[str] = []

    async def read(browser: httpx.AsyncClient, most: int) -> None:
        last = {"Last-Event-ID": seen[-1]} if seen else {}
        async with browser.stream("GET", f"/jobs/{job.id}/events", headers=ada.bearer | last) as answer:
            async for event in events_of(answer):
                if event.data["event"] or not seen:
                    seen.append(str(event.id))
                if len(seen) >= most:
                    return

    async with served(app_of(site)) as browser:
        await read(browser, 1)
        lease = await worker.claim_one()
        for n in range(1, 6):
            events = [{"name": "slide", "data": {"n": n}, "n": n}]
            await worker.beat(lease, events=events)
            if n in (2, 4):
                await read(browser, n)
        await worker.finish(lease)
        await read(browser, 100)
    assert seen == [str(seq) for seq in range(1, 9)]


async def test_a_browser_that_goes_away_leaves_nothing(site: Site, ada: Person) -> None:
    kind = kind_of("leave")
    await site.worker(kind)
    job = await ada.hw.submit(kind)
    clients: list[AsyncHeadway] = []
    async with served(app_of(site, clients=clients)) as browser:
        async with browser.stream("GET", f"/jobs/{job.id}/events", headers=ada.bearer) as answer:
            await anext(events_of(answer))
            (client,) = clients
            connection = client.connection
            watching = [task for task in asyncio.all_tasks() if task.get_name() == "headway watch"]
            assert len(watching) == 1
        await asyncio.wait(watching, timeout=30)
        async with asyncio.timeout(30):
            while not connection.closed:
                await asyncio.sleep(0.01)
    assert watching[0].done()
    gc.collect()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "headway watch"] == []


async def test_silence_is_filled_with_heartbeats(site: Site, ada: Person) -> None:
    kind = kind_of("silence")
    await site.worker(kind)
    job = await ada.hw.submit(kind)
    async with (
        served(app_of(site, heartbeat=0.05)) as browser,
        browser.stream("GET", f"/jobs/{job.id}/events", headers=ada.bearer) as answer,
    ):
        lines = answer.aiter_lines()
        comments = 0
        async for line in lines:
            comments += line.startswith(":")
            if comments == 3:
                break


@pytest.mark.parametrize(
    ("last", "status", "code"),
    [("x", 400, "HW103"), ("-1", 400, "HW103"), ("1e3", 400, "HW103"), ("99", 422, "HW103")],
)
async def test_a_last_event_id_that_is_none_of_ours_is_refused(
    site: Site, ada: Person, last: str, status: int, code: str
) -> None:
    kind = kind_of("last")
    await site.worker(kind)
    job = await ada.hw.submit(kind)
    async with served(app_of(site)) as browser:
        answer = await browser.get(f"/jobs/{job.id}/events", headers=ada.bearer | {"Last-Event-ID": last})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["hint"]


async def test_strangers_and_nobody_are_turned_away_with_a_status(site: Site, ada: Person) -> None:
    kind = kind_of("strangers")
    await site.worker(kind)
    job = await ada.hw.submit(kind)
    grace = await site.person()
    clients: list[AsyncHeadway] = []
    async with served(app_of(site, clients=clients)) as browser:
        for path in (f"/jobs/{job.id}/events", f"/jobs/{job.id}"):
            stranger = await browser.get(path, headers=grace.bearer)
            assert (stranger.status_code, stranger.json()["code"]) == (404, "HW301")
            nobody = await browser.get(path)
            assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
            forged = await browser.get(path, headers={"Authorization": "Bearer not.a.token"})
            assert forged.status_code == 401, forged.text
        assert all(client._closed for client in clients)
        wrong = await browser.get("/jobs/no-id/events", headers=ada.bearer)
        assert wrong.status_code == 422


async def test_a_list_is_streamed_too(site: Site, ada: Person) -> None:
    kind = kind_of("list")
    await site.worker(kind)
    first = await ada.hw.submit(kind)
    async with (
        served(app_of(site)) as browser,
        browser.stream("GET", "/jobs/events", headers=ada.bearer) as answer,
    ):
        stream = events_of(answer)
        assert (await anext(stream)).data["job"]["id"] == str(first.id)
        second = await ada.hw.submit(kind)
        event: Event = await anext(stream)
        assert (event.data["job"]["id"], event.data["appeared"]) == (str(second.id), True)
        assert event.id is None


async def test_a_batch_is_streamed_to_its_end(site: Site, ada: Person) -> None:
    kind = kind_of("batch")
    worker = await site.worker(kind)
    batch = await ada.hw.submit_many([{"kind": kind}] * 2, batch_name="two")
    stream = await open_stream(batch)
    frames = aiter(stream)
    first = json.loads((await anext(frames)).decode().removeprefix("data: "))
    assert (first["total"], first["completed"], first["ended"]) == (2, 0, False)
    for lease in await worker.claim(2):
        await worker.finish(lease)
    rest = [frame.decode() async for frame in frames if b"data: " in frame]
    last = json.loads(rest[-1].partition("data: ")[2])
    assert (last["completed"], last["ended"]) == (2, True)
    # A browser comes back after the end of every stream: it is told to stay away.
    seen = rest[-1].partition("\n")[0].removeprefix("id: ")
    again = await open_stream(ada.hw.batch(str(batch.id)), seen)
    assert again.status == 204
    await again.aclose()


async def test_a_person_with_too_many_streams_is_told_so(
    site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_STREAMS_PER_PERSON", "2")
    kind = kind_of("many")
    await site.worker(kind)
    job = await ada.hw.submit(kind)
    path = f"/jobs/{job.id}/events"
    grace = await site.person()
    async with served(app_of(site)) as browser:
        async with AsyncExitStack() as open_streams:
            reading = []
            for _ in range(2):
                answer = await open_streams.enter_async_context(
                    browser.stream("GET", path, headers=ada.bearer)
                )
                reading.append(events_of(answer))
                assert (await anext(reading[-1])).data["status"] == "pending"
            refused = await browser.get(path, headers=ada.bearer)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
            assert refused.headers["retry-after"] == "5"
            # Somebody else is not concerned.
            assert (await browser.get(path, headers=grace.bearer)).status_code == 404
        # The server notices that they have gone.
        async with asyncio.timeout(60):
            while True:
                async with browser.stream("GET", path, headers=ada.bearer) as answer:
                    if answer.status_code == 200:
                        break
                await asyncio.sleep(0.05)


async def test_watches_are_released_when_no_stream_begins(site: Site, ada: Person) -> None:
    async with served(app_of(site)) as browser:
        gone = await browser.get(f"/jobs/{uuid4()}/events", headers=ada.bearer)
    assert gone.status_code == 404
    assert [task for task in asyncio.all_tasks() if task.get_name() == "headway watch"] == []


class TestPolling:
    async def test_a_large_result_is_told_whole(self, site: Site, ada: Person) -> None:
        kind = kind_of("large")
        worker = await site.worker(kind)
        job = await ada.hw.submit(kind)
        large = {"text": "x" * 400_000}
        await worker.finish(await worker.claim_one(), result=large)
        # A snapshot leaves it out.
        assert (await job.snapshot()).result_omitted
        async with served(app_of(site)) as browser:
            answer = await browser.get(f"/jobs/{job.id}", headers=ada.bearer)
        assert answer.json()["result"] == large

    async def test_the_row_of_the_view_that_clients_know(self, site: Site, ada: Person) -> None:
        worker = await site.engine.worker({"kind": "cv.parse", "queue": "cv"})
        job = await ada.hw.submit("cv.parse", {})
        async with served(app_of(site)) as browser:
            first = await browser.get(f"/jobs/{job.id}", headers=ada.bearer)
            assert first.status_code == 200
            assert first.headers["retry-after"] == "2"
            body = first.json()
            assert (body["id"], body["status"], body["progress"]) == (str(job.id), "pending", 0)
            assert {"current_step", "file_name", "parsed_data", "error_code", "attempts"} < body.keys()
            tag = {"If-None-Match": first.headers["etag"]}
            same = await browser.get(f"/jobs/{job.id}", headers=ada.bearer | tag)
            assert (same.status_code, same.content) == (304, b"")
            while (lease := await worker.claim_one())["job_id"] != job.id:
                await worker.finish(lease)
            await worker.finish(lease, result={"name": "Ada"})
            last = await browser.get(f"/cvs/{job.id}", headers=ada.bearer | tag)
            assert (last.status_code, last.json()["parsed_data"]) == (200, {"name": "Ada"})
            assert "retry-after" not in last.headers

    async def test_other_kinds_have_the_columns_that_all_share(self, site: Site, ada: Person) -> None:
        kind = kind_of("poll")
        worker = await site.worker(kind)
        job = await ada.hw.submit(kind)
        await worker.finish(
            await worker.claim_one(), "failed", error={"code": "broken", "message": "It broke.", "hint": "x"}
        )
        async with served(app_of(site)) as browser:
            body = (await browser.get(f"/jobs/{job.id}", headers=ada.bearer)).json()
            assert (body["status"], body["error_code"], body["error_message"]) == (
                "failed",
                "broken",
                "It broke.",
            )
            assert (body["user_id"], body["progress"], body["attempts"]) == (ada.id, 0, 1)
            other = await browser.get(f"/cvs/{job.id}", headers=ada.bearer)
            assert (other.status_code, other.json()["code"]) == (404, "HW301")
