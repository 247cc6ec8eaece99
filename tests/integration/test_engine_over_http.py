"""The engine over HTTP and Realtime, with nothing but the official client and two keys."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from support.stack import TestStack

KIND = "test.engine_over_http"


@asynccontextmanager
async def official(stack: TestStack, key: str) -> AsyncIterator[AsyncClient]:
    """The official client, closed with everything that it has opened."""
    async with httpx.AsyncClient() as session:
        options = AsyncClientOptions(httpx_client=session, auto_refresh_token=False)
        client = await acreate_client(stack.url, key, options)
        try:
            yield client
        finally:
            await client.realtime.close()


@pytest.fixture
async def service(stack: TestStack) -> AsyncIterator[AsyncClient]:
    """A worker's or operator's client."""
    async with official(stack, stack.keys.secret_key) as client:
        yield client


@pytest.fixture
async def person(stack: TestStack) -> AsyncIterator[AsyncClient]:
    """Somebody who has signed in anonymously."""
    async with official(stack, stack.keys.publishable_key) as client:
        await client.auth.sign_in_anonymously()
        yield client


@pytest.fixture
async def stranger(stack: TestStack) -> AsyncIterator[AsyncClient]:
    """Somebody else."""
    async with official(stack, stack.keys.publishable_key) as client:
        await client.auth.sign_in_anonymously()
        yield client


async def call(client: AsyncClient, function: str, arguments: dict[str, Any] | list[Any]) -> Any:
    """Call a function of schema ``headway``."""
    return (await client.schema("headway").rpc(function, arguments).execute()).data  # type: ignore[arg-type]


async def register(service: AsyncClient, kind: str) -> str:
    """Register a worker of one kind in a queue of its own; the worker's id."""
    worker = str(uuid.uuid4())
    kinds = [{"kind": kind, "queue": kind.replace(".", "-"), "stages": ["read", "write"]}]
    await call(service, "register_worker", {"worker_id": worker, "name": "http", "kinds": kinds})
    return worker


async def test_a_job_lives_its_life_over_http(service: AsyncClient, person: AsyncClient) -> None:
    kind = f"{KIND}_life"
    worker = await register(service, kind)

    answer = await call(person, "submit", {"kind": kind, "payload": {"n": 1}, "idempotency_key": "once"})
    assert answer["created"] is True
    again = await call(person, "submit", {"kind": kind, "payload": {"n": 1}, "idempotency_key": "once"})
    assert (again["id"], again["merged"]) == (answer["id"], "idempotency_key")
    many = await call(person, "submit_many", {"jobs": [{"kind": kind}] * 3, "batch": {"name": "three"}})
    assert len(many["jobs"]) == 3

    (lease,) = await call(service, "claim", {"worker_id": worker, "request_id": str(uuid.uuid4())})
    assert (lease["job_id"], lease["payload"]) == (answer["id"], {"n": 1})
    held = {key: lease[key] for key in ("job_id", "attempt", "lease_token")}
    progress = {"percent": 12.5, "stage": "read", "message": "half a page", "metrics": {"pages": 1}}
    (beat,) = await call(service, "heartbeat", {"worker_id": worker, "jobs": [held | progress]})
    assert beat["state"] == "ok"
    await call(service, "checkpoint", held | {"step": "read", "result": {"text": "a"}})
    await call(
        service,
        "record_usage",
        held | {"call_id": str(uuid.uuid4()), "provider": "p", "cost": "0.000000000001"},
    )
    outcome = held | {"outcome": "completed", "result": {"done": True}}
    (end,) = await call(service, "finish", {"worker_id": worker, "outcomes": [outcome]})
    assert (end["state"], end["status"]) == ("applied", "completed")

    snapshot = await call(person, "snapshot", {"job_id": answer["id"]})
    assert (snapshot["status"], snapshot["result"], snapshot["percent"]) == ("completed", {"done": True}, 100)
    events = await call(person, "events_after", {"job_id": answer["id"], "after_seq": 2})
    assert [event["type"] for event in events] == ["stage_started", "step_completed", "completed"]
    rows = (
        await person.schema("headway")
        .table("jobs")
        .select("id, status, job_outputs(result), job_events(seq)")
        .eq("id", answer["id"])
        .execute()
    ).data
    assert rows == [
        {
            "id": answer["id"],
            "status": "completed",
            "job_outputs": {"result": {"done": True}},
            "job_events": [{"seq": seq} for seq in range(1, 6)],
        }
    ]
    assert await call(person, "cancel_batch", {"batch_id": many["batch_id"]}) == 3


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"kind": KIND + "_refused", "payload": "a\0b"}, "HW105", "payload"),
        ({"kind": KIND + "_refused", "priority": -1}, "HW103", "priority"),
        ({"kind": KIND + "_refuse"}, "HW107", "kind"),
        ({"payload": {}}, "HW102", "kind"),
    ],
)
async def test_refusals_arrive_with_code_field_and_remedy(
    service: AsyncClient, person: AsyncClient, body: dict[str, Any], code: str, field: str
) -> None:
    await register(service, KIND + "_refused")
    with pytest.raises(APIError) as refusal:
        await call(person, "submit", body)
    assert (refusal.value.code, refusal.value.details) == (code, field)
    assert refusal.value.hint
    with pytest.raises(APIError) as refusal:
        await call(person, "claim", {"worker_id": str(uuid.uuid4()), "request_id": str(uuid.uuid4())})
    assert refusal.value.code == "42501"


async def test_a_watcher_hears_every_step_and_a_stranger_is_not_let_in(
    service: AsyncClient, person: AsyncClient, stranger: AsyncClient
) -> None:
    kind = f"{KIND}_watched"
    worker = await register(service, kind)
    answer = await call(person, "submit", {"kind": kind})
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    woken: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await _join(person, f"job:{answer['id']}", "job", heard)
    await _join(service, f"queue:{kind.replace('.', '-')}", "wake", woken)
    with pytest.raises(PermissionError):
        await _join(stranger, f"job:{answer['id']}", "job", heard)

    await call(person, "submit", {"kind": kind})
    await asyncio.wait_for(woken.get(), 10)
    leases = await call(
        service, "claim", {"worker_id": worker, "request_id": str(uuid.uuid4()), "max_jobs": 2}
    )
    (lease,) = [lease for lease in leases if lease["job_id"] == answer["id"]]
    held = {key: lease[key] for key in ("job_id", "attempt", "lease_token")}
    await call(service, "heartbeat", {"worker_id": worker, "jobs": [held | {"percent": 40, "stage": "read"}]})
    await call(service, "finish", {"worker_id": worker, "outcomes": [held | {"outcome": "completed"}]})

    seen: list[tuple[int, str]] = []
    while not seen or seen[-1][1] != "completed":
        message = await asyncio.wait_for(heard.get(), 10)
        seen += [(event["seq"], event["type"]) for event in message["payload"]["events"]]
    assert seen == [(2, "started"), (3, "stage_started"), (4, "completed")]


async def _join(client: AsyncClient, topic: str, event: str, into: asyncio.Queue[dict[str, Any]]) -> None:
    """Join a private topic and wait until the server has said yes; PermissionError when it says no."""
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    channel = client.channel(topic, {"config": {"private": True, "broadcast": {}, "presence": {}}})  # type: ignore[typeddict-item]
    channel.on_broadcast(event, lambda message: into.put_nowait(dict(message)))

    def told(state: Any, error: Exception | None) -> None:
        if not answered.done():
            answered.set_result(str(getattr(state, "value", state)))

    session = await client.auth.get_session()
    if session is not None:
        await client.realtime.set_auth(session.access_token)
    await channel.subscribe(told)
    if "SUBSCRIBED" not in (await asyncio.wait_for(answered, 10)):
        raise PermissionError(topic)
