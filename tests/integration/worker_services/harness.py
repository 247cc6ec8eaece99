"""What a worker's services stand on here: the real engine, real Storage, and a receiver of webhooks."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
import httpx
from postgrest import AsyncPostgrestClient
from storage3 import AsyncStorageClient

from headway.settings import WorkerSettings
from headway.worker.agenda import Agenda
from headway.worker.observations import Observations, Observer
from headway.worker.service import Condition, ServiceContext
from support.stack import TestStack


class Store:
    """Calls the engine as a worker does; can be told that there is no engine."""

    def __init__(self, http: httpx.AsyncClient, url: str, key: str) -> None:
        self._http = http
        self._url = f"{url}/rest/v1/rpc"
        self._headers = {"apikey": key, "authorization": f"Bearer {key}", "content-profile": "headway"}
        self.calls: list[str] = []
        self.failure: Exception | None = None

    async def call(
        self, function: str, arguments: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> Any:
        self.calls.append(function)
        if self.failure is not None:
            raise self.failure
        answer = await self._http.post(
            f"{self._url}/{function}",
            json=dict(arguments or {}),
            headers=self._headers,
            timeout=timeout or 20,
        )
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


class Api:
    """What routes are given, as far as these tests need it."""

    def __init__(self, db: AsyncPostgrestClient, storage: AsyncStorageClient, store: Store) -> None:
        self.db = db
        self.storage = storage
        self._store = store

    async def signal(self, job_id: uuid.UUID | str, name: str, payload: Any = None) -> Any:
        return await self._store.call("signal", {"job_id": str(job_id), "name": name, "payload": payload})

    async def snapshot(self, job_id: uuid.UUID | str) -> Any:
        return await self._store.call("snapshot", {"job_id": str(job_id)})


class Told(Observer):
    """What the services have told, with a signal whenever they tell something."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[str, str]] = []
        self.gone: dict[str, int] = {}
        self.failures: list[tuple[str, str]] = []
        self.ticks: list[tuple[int, int, int]] = []
        self._news = asyncio.Event()

    def delivered(self, channel: str, outcome: str, seconds: float) -> None:
        self.deliveries.append((channel, outcome))
        self._news.set()

    def removed(self, what: str, count: int) -> None:
        self.gone[what] = self.gone.get(what, 0) + count
        self._news.set()

    def service_failed(self, service: str, code: str) -> None:
        self.failures.append((service, code))
        self._news.set()

    def scheduled(self, submitted: int, skipped: int, failed: int) -> None:
        self.ticks.append((submitted, skipped, failed))
        self._news.set()

    async def until(self, condition: Callable[[], bool], timeout: float = 30) -> None:
        """Wait until something told makes a condition true."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._news.clear()
                await self._news.wait()


@dataclass
class Bench:
    """One project, and whatever a test builds on it.

    Attributes:
        stack: The project.
        admin: SQL past row level security: to arrange and to look.
        store: Calls of the service role.
        storage: The official client of Storage.
    """

    stack: TestStack
    admin: asyncpg.Connection[asyncpg.Record]
    http: httpx.AsyncClient
    store: Store
    storage: AsyncStorageClient
    db: AsyncPostgrestClient
    kind: str = field(default_factory=lambda: f"test.services_{uuid.uuid4().hex[:8]}")

    def context(self, *, settings: Mapping[str, Any] | None = None, **changes: Any) -> ServiceContext:
        """What a service of one worker is given; every call is another worker."""
        chosen = WorkerSettings(
            url=self.stack.url, secret_key=self.stack.keys.secret_key, **dict(settings or {})
        )
        observations = changes.pop("observations", None) or Observations()
        context = ServiceContext(
            settings=chosen,
            worker_id=uuid.uuid4(),
            worker_name="test",
            version="1",
            kinds=[self.kind],
            store=self.store,  # type: ignore[arg-type]
            storage=self.storage,
            http=self.http,
            agenda=Agenda(),
            observations=observations,
            condition=lambda: Condition(live=True, ready=True),
            routes=(),
            api=Api(self.db, self.storage, self.store),  # type: ignore[arg-type]
        )
        return replace(context, **changes)

    async def register(self) -> str:
        """A worker of this test's kind; its id."""
        worker = str(uuid.uuid4())
        kinds = [{"kind": self.kind, "queue": self.kind.replace(".", "-")}]
        await self.store.call("register_worker", {"worker_id": worker, "name": "test", "kinds": kinds})
        return worker

    async def end_jobs(
        self, count: int = 1, *, error: Mapping[str, Any] | None = None, **job: Any
    ) -> list[str]:
        """Submit jobs and bring them to their end; their ids."""
        worker = await self.register()
        answer = await self.store.call(
            "submit_many",
            {"jobs": [{"kind": self.kind, "owner_id": str(uuid.uuid4())} | job for _ in range(count)]},
        )
        leases = await self.store.call(
            "claim",
            {"worker_id": worker, "request_id": str(uuid.uuid4()), "max_jobs": count, "kinds": [self.kind]},
        )
        end = {"outcome": "failed", "error": dict(error)} if error else {"outcome": "completed"}
        outcomes = [{k: lease[k] for k in ("job_id", "attempt", "lease_token")} | end for lease in leases]
        finished = await self.store.call("finish", {"worker_id": worker, "outcomes": outcomes})
        assert {row["state"] for row in finished} == {"applied"}
        return [job["id"] for job in answer["jobs"]]

    async def endpoint(self, target: str, *, channel: str = "webhook", **more: Any) -> dict[str, Any]:
        """An endpoint for all jobs of this test's kind."""
        made: dict[str, Any] = await self.store.call(
            "create_endpoint",
            {"channel": channel, "target": target, "kinds": [self.kind], "all_tenants": True, **more},
        )
        return made

    async def messages(self, endpoint: Mapping[str, Any]) -> list[asyncpg.Record]:
        """What an endpoint was to be told, oldest first."""
        rows: list[asyncpg.Record] = await self.admin.fetch(
            "select * from headway.outbox where endpoint_id = $1 order by created_at, id",
            uuid.UUID(endpoint["id"]),
        )
        return rows


@dataclass(frozen=True)
class Request:
    """What a receiver has got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


Behaviour = Callable[[Request], Awaitable[bytes]]


def answer(status: int, **headers: str) -> bytes:
    """An answer without a body."""
    lines = [f"HTTP/1.1 {status} X", "content-length: 0", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Receiver:
    """A receiver of webhooks on this machine; what it answers is a test's choice."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.arrived = asyncio.Queue[Request]()
        self.behaviour: Behaviour | None = None
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            request = Request(head[0].split(" ")[1], headers, body)
            self.requests.append(request)
            self.arrived.put_nowait(request)
            writer.write(await self.behaviour(request) if self.behaviour else answer(204))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that listens on loopback."""
    made = Receiver()
    open_connections: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_connections.add(task)
        try:
            await made.handle(reader, writer)
        finally:
            open_connections.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        for task in list(open_connections):
            task.cancel()
        if open_connections:
            await asyncio.wait(open_connections)
