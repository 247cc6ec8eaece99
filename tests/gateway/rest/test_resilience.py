"""Busy pools, lost connections and large bodies."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from .harness import RestServer


def test_more_callers_than_connections(rest: RestServer) -> None:
    with rest.client(None) as client, ThreadPoolExecutor(25) as threads:
        answers = list(
            threads.map(lambda n: client.get(f"/projects?id=eq.{n % 4 + 1}&select=id"), range(100))
        )
    assert [answer.json() for answer in answers] == [[{"id": n % 4 + 1}] for n in range(100)]
    assert rest.service.status()["connections"] <= 10


async def test_waiting_too_long_for_a_connection(
    own_rest: RestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_rest.service.pool._pool, "_wait_s", 0.05)
    async with httpx.AsyncClient(
        base_url=f"{own_rest.url}/rest/v1", headers={"apikey": own_rest.keys.publishable_key}, timeout=30
    ) as client:
        holders = [
            asyncio.create_task(client.post("/rpc/wait_for", json={"seconds": 1.5})) for _ in range(10)
        ]
        while own_rest.service.pool.busy < 10:
            await asyncio.sleep(0.005)
        refused = await client.get("/clients?id=eq.1")
        assert refused.status_code == 504
        assert refused.json() == {
            "code": "PGRST003",
            "details": None,
            "hint": None,
            "message": "Timed out acquiring connection from connection pool.",
        }
        assert {(await holder).status_code for holder in holders} == {204}
        assert (await client.get("/clients?id=eq.1")).status_code == 200


def terminate(server: RestServer) -> None:
    """End every session of the server, and wait until they are gone."""
    where = "usename = 'authenticator' and datname = current_database()"
    server.execute(f"select pg_terminate_backend(pid, 5000) from pg_stat_activity where {where}")


def test_lost_connections_are_replaced(own_rest: RestServer) -> None:
    with own_rest.client(None) as client:
        assert client.get("/clients?id=eq.1").status_code == 200
        before = own_rest.service.watch.version
        terminate(own_rest)
        codes = set()
        for _ in range(20):
            answer = client.get("/clients?id=eq.1")
            codes.add(answer.status_code)
            if answer.status_code == 200:
                break
            assert answer.json()["code"] in ("PGRST001", "57P01", "08006")
            assert answer.headers["retry-after"] == "1"
        assert answer.status_code == 200
        own_rest.run(own_rest.service.watch.newer_than(before))
        own_rest.execute(
            "create table public.after_all (id int); grant select on public.after_all to anon",
            user="postgres",
        )
        own_rest.notify("reload schema")
        assert client.get("/after_all").json() == []


def test_a_connection_that_dies_in_mid_request(own_rest: RestServer) -> None:
    with own_rest.client(None) as client, ThreadPoolExecutor(1) as threads:
        pending = threads.submit(client.post, "/rpc/wait_for", json={"seconds": 2.5})
        deadline = time.monotonic() + 10
        while not own_rest.execute(
            "select 1 from pg_stat_activity where query like '%wait_for%' and usename = 'authenticator'"
            " and state = 'active'"
        ):
            assert time.monotonic() < deadline
        terminate(own_rest)
        answer = pending.result()
    assert answer.status_code == 503
    # Which of the two is seen first: the server's last message, or the end of the connection.
    assert answer.json()["code"] in ("57P01", "PGRST001")


def test_no_database(own_rest: RestServer) -> None:
    from dataclasses import replace

    pool = own_rest.service.pool
    with own_rest.client(None) as client:
        there = pool._database
        pool._database = replace(there, socket_dir="/nonexistent")
        own_rest.run(_renew(pool))
        answer = client.get("/clients?id=eq.1")
        assert answer.status_code == 503
        assert answer.json() == {
            "code": "PGRST000",
            "details": None,
            "hint": None,
            "message": "Database connection error.",
        }
        pool._database = there
        assert client.get("/clients?id=eq.1").status_code == 200


async def _renew(pool: Any) -> None:
    pool.renew(pool._types)


def test_large_results_and_bodies(service_rest: tuple[RestServer, httpx.Client]) -> None:
    _, client = service_rest
    note = "x" * 2_000_000
    answer = client.post(
        "/writes?select=note",
        headers={"prefer": "return=representation"},
        json={"label": "large", "note": note},
    )
    assert answer.json() == [{"note": note}]
    assert client.delete("/writes?label=eq.large").status_code == 204
    too_large = client.post(
        "/writes", headers={"content-type": "application/json"}, content=b" " * (65 * 1024 * 1024)
    )
    assert too_large.status_code == 413


@pytest.fixture
def service_rest(rest: RestServer, service: httpx.Client) -> tuple[RestServer, httpx.Client]:
    return rest, service


def test_stopping_twice_and_before_start(rest: RestServer) -> None:
    from headway.local.rest.service import build

    async def stop() -> dict[str, Any]:
        idle = build(rest.service.context)
        await idle.stop()
        await idle.stop()
        return dict(idle.status())

    assert rest.run(stop()) == {"schemas": [], "tables": 0, "functions": 0, "connections": 0}


def test_status(rest: RestServer) -> None:
    status = rest.service.status()
    assert status["schemas"] == ["public", "api"]
    assert status["tables"] > 10
    assert status["functions"] > 10
