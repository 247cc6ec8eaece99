"""The worker's HTTP port: its health, its figures, and the routes of its jobs, whatever callers send."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headway import ConfigError, Conflict, Denied, InvalidRequest, NotFound, TransportError
from headway.worker import http_connection
from headway.worker.http_port import HttpPort
from headway.worker.routes import Route, WorkerApi
from headway.worker.service import Condition
from headway.worker.side_services import side_services
from headway.worker.worker import Worker
from support.service_life import stress_start_and_stop

from .harness import Bench

GOOD = Condition(live=True, ready=True, slots=8, running={"a.b": 2}, link="proven")


@asynccontextmanager
async def port(
    bench: Bench, routes: Sequence[Route] = (), condition: Condition = GOOD, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a worker's port."""
    context = bench.context(
        settings={"http_port": 0} | settings, routes=tuple(routes), condition=lambda: condition
    )
    (service,) = [each for each in side_services(context) if isinstance(each, HttpPort)]
    await service.start()
    try:
        assert service.url is not None
        async with httpx.AsyncClient(base_url=service.url) as client:
            yield client
    finally:
        await service.stop()


def routes_of(*handlers: Any) -> list[Route]:
    """Routes as a module declares them: /<name of the handler>."""
    worker = Worker()
    for handler in handlers:
        worker.route(f"/{handler.__name__}", methods=["GET", "POST"])(handler)
    return worker.routes


@pytest.mark.parametrize(
    ("condition", "healthy", "ready"),
    [
        (GOOD, 200, 200),
        (replace(GOOD, ready=False, draining=True, faults=("draining",)), 200, 503),
        (replace(GOOD, live=False, ready=False, faults=("the claimer has died",)), 503, 503),
    ],
)
async def test_supervisors_learn_whether_it_lives_and_takes_jobs(
    bench: Bench, condition: Condition, healthy: int, ready: int
) -> None:
    async with port(bench, condition=condition) as client:
        for path, status in (("/healthz", healthy), ("/readyz", ready)):
            answer = await client.get(path)
            assert answer.status_code == status
            assert answer.json()["faults"] == list(condition.faults)
            assert answer.headers["cache-control"] == "no-store"
        assert (await client.head("/healthz")).status_code == healthy


async def test_figures_in_both_formats(bench: Bench) -> None:
    async with port(bench) as client:
        plain = await client.get("/metrics")
        assert 'headway_jobs_running{kind="a.b"} 2.0' in plain.text
        assert plain.headers["content-type"].startswith("text/plain")
        opened = await client.get(
            "/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"}
        )
        assert opened.headers["content-type"].startswith("application/openmetrics-text")
        assert opened.text.endswith("# EOF\n")


async def test_figures_may_need_a_token(bench: Bench) -> None:
    async with port(bench, metrics_token="a-long-random-token") as client:
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "Basic a-long-random-token"},
        ):
            answer = await client.get("/metrics", headers=headers)
            assert (answer.status_code, "headway_" in answer.text) == (401, False)
        good = await client.get("/metrics", headers={"authorization": "Bearer a-long-random-token"})
        assert good.status_code == 200
        assert (await client.get("/healthz")).status_code == 200


async def test_a_route_signals_a_job(bench: Bench) -> None:
    await bench.register()
    job = await bench.store.call(
        "submit", {"kind": bench.kind, "owner_id": "7d0c1f7e-5b0e-4f0e-8a39-0c5b2a9f1e77"}
    )
    worker = Worker()

    @worker.route("/callbacks/{job_id}", methods=["POST"])
    async def callback(request: Request, api: WorkerApi) -> Response:
        answer: Any = await api.signal(request.path_params["job_id"], "done", await request.json())
        return JSONResponse(answer)

    async with port(bench, worker.routes) as client:
        states = [
            (await client.post(f"/callbacks/{job['id']}", json={"ok": 1})).json()["state"] for _ in range(2)
        ]
        assert states == ["stored", "repeated"]
        wrong = await client.get(f"/callbacks/{job['id']}")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
        assert wrong.headers["allow"] == "POST"
        nowhere = await client.get("/callbacks")
        assert (nowhere.status_code, nowhere.json()["error"]["code"]) == (404, "route_unknown")


@pytest.mark.parametrize(
    ("error", "status", "shown"),
    [
        (
            NotFound("job_id: there is no such job", hint="Check it.", code="HW301"),
            404,
            "there is no such job",
        ),
        (Denied("not signed", code="webhook_signature_invalid"), 403, "not signed"),
        (Conflict("ended", code="HW202"), 409, "ended"),
        (InvalidRequest("payload: too large", code="HW104"), 413, "too large"),
        (InvalidRequest("payload: no JSON", code="HW100"), 400, "no JSON"),
        (TransportError("db.internal:5432 is away", retry_after=7), 503, "cannot be asked"),
        (ConfigError("SUPABASE_SECRET_KEY sb_secret_abc is wrong"), 500, "something went wrong"),
        (ValueError("sb_secret_abc"), 500, "something went wrong"),
        (TimeoutError(), 503, "too long"),
        (RecursionError("deep"), 500, "something went wrong"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_errors_are_answers_without_secrets_and_traces(
    bench: Bench, error: Exception, status: int, shown: str
) -> None:
    async def fails(request: Request, api: WorkerApi) -> Response:
        raise error

    async with port(bench, routes_of(fails)) as client:
        answer = await client.post("/fails", content=b"x")
    assert answer.status_code == status
    told = answer.json()["error"]
    assert shown in told["message"]
    assert told["code"]
    for secret in ("sb_secret", "Traceback", "db.internal", __file__):
        assert secret not in answer.text
    if isinstance(error, TransportError):
        assert answer.headers["retry-after"] == "7"


async def test_what_is_no_answer_is_a_fault_of_the_route(bench: Bench) -> None:
    async def wrong(request: Request, api: WorkerApi) -> Any:
        return {"ok": True}

    async with port(bench, routes_of(wrong)) as client:
        assert (await client.get("/wrong")).status_code == 500
        assert (await client.get("/healthz")).status_code == 200


async def test_bodies_have_a_limit_whether_stated_or_not(bench: Bench) -> None:
    async def size(request: Request, api: WorkerApi) -> Response:
        return JSONResponse(len(await request.body()))

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 1000

    async with port(bench, routes_of(size), http_body_limit=10_000) as client:
        assert (await client.post("/size", content=b"x" * 10_000)).json() == 10_000
        for content in (b"x" * 10_001, pieces()):
            answer = await client.post("/size", content=content)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
        assert (await client.post("/size", content=b"x")).json() == 1


async def test_a_caller_that_goes_away_harms_nobody(bench: Bench) -> None:
    reading = asyncio.Event()

    async def slow(request: Request, api: WorkerApi) -> Response:
        reading.set()
        await request.body()
        return JSONResponse(1)

    async with port(bench, routes_of(slow)) as client:
        host, number = client.base_url.host, client.base_url.port
        _, writer = await asyncio.open_connection(host, number)
        writer.write(b"POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf")
        await writer.drain()
        await asyncio.wait_for(reading.wait(), 10)
        writer.close()
        await writer.wait_closed()
        for garbage in (
            b"\x00\xff\r\n\r\n",
            b"GET / HTTP/9.9\r\nconnection: close\r\n\r\n",
            b"POST /slow HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection(host, number)
            writer.write(garbage)
            assert b"Traceback" not in await asyncio.wait_for(reader.read(), 10)
            writer.close()
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"", b""),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\n", b"x: y\r\n"),
        (b"POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", b""),
    ],
    ids=["silent", "endless head", "endless body", "idle"],
)
async def test_nobody_holds_a_connection_without_a_request(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, begin: bytes, more: bytes
) -> None:
    monkeypatch.setattr(http_connection, "_HEAD_SECONDS", 0.3)
    async with port(bench) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)

        async def trickle() -> None:
            writer.write(begin)
            while more:
                writer.write(more)
                await writer.drain()
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        try:
            async with asyncio.timeout(10):
                while await reader.read(65536):
                    pass
        except ConnectionError:
            pass  # cut off without a farewell
        finally:
            trickling.cancel()
            await asyncio.wait({trickling})
            writer.close()
        assert (await client.get("/healthz")).status_code == 200


async def test_a_head_without_end_is_refused_before_it_fills_the_memory(bench: Bench) -> None:
    async with port(bench) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 200_000)
        try:
            answer = await asyncio.wait_for(reader.read(), 10)
            assert answer.startswith((b"HTTP/1.1 400", b""))
        except ConnectionError:
            pass  # cut off while it was still sending
        writer.close()
        assert (await client.get("/healthz")).status_code == 200


async def test_a_port_that_is_taken_is_told_at_the_start(bench: Bench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        context = bench.context(settings={"http_port": taken.getsockname()[1]})
        (service,) = [each for each in side_services(context) if isinstance(each, HttpPort)]
        with pytest.raises(ConfigError) as refused:
            await service.start()
        assert (refused.value.code, "HEADWAY_HTTP_PORT" in refused.value.message) == ("port_in_use", True)
        await service.stop()
    context = bench.context(settings={"http_port": 0, "http_host": "203.0.113.1"})
    (service,) = [each for each in side_services(context) if isinstance(each, HttpPort)]
    with pytest.raises(ConfigError) as refused:
        await service.start()
    assert (refused.value.code, "HEADWAY_HTTP_HOST" in refused.value.message) == ("cannot_listen", True)


async def test_signals_stay_the_workers(bench: Bench) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with port(bench) as client:
        await client.get("/healthz")
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_stopping_waits_for_open_requests_but_not_for_ever(bench: Bench) -> None:
    entered, proceed = asyncio.Event(), asyncio.Event()

    async def finishes(request: Request, api: WorkerApi) -> Response:
        entered.set()
        await proceed.wait()
        return JSONResponse("done")

    context = bench.context(settings={"http_port": 0}, routes=tuple(routes_of(finishes)))
    (service,) = [each for each in side_services(context) if isinstance(each, HttpPort)]
    await service.start()
    assert service.url is not None
    async with httpx.AsyncClient(base_url=service.url) as client:
        asking = asyncio.create_task(client.get("/finishes"))
        await asyncio.wait_for(entered.wait(), 10)
        stopping = asyncio.create_task(service.stop())
        await asyncio.sleep(0)
        proceed.set()
        assert json.loads((await asking).text) == "done"
        await asyncio.wait_for(stopping, 10)


async def test_life(bench: Bench) -> None:
    def build() -> HttpPort:
        (service,) = [
            each
            for each in side_services(bench.context(settings={"http_port": 0}))
            if isinstance(each, HttpPort)
        ]
        return service

    await stress_start_and_stop(build)


async def test_only_what_is_wanted_is_built(bench: Bench) -> None:
    off = {"scheduler": False, "retention": False, "notifier": False}
    assert [service.name for service in side_services(bench.context(settings=off))] == ["lag monitor"]
    everything = [service.name for service in side_services(bench.context(settings={"http_port": 0}))]
    assert everything == ["lag monitor", "http port", "scheduler", "retention", "notifier"]
