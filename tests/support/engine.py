"""The engine as its callers meet it: over SQL, in the roles and with the claims that the Data API sets."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

from headway.local.database import Database

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Row: TypeAlias = dict[str, Any]


# Supabase gives signed-in users 8 s; a busy machine gets more, so that no test depends on how fast it is.
_IDENTITY = (
    "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true),"
    " set_config('statement_timeout', '60s', true)"
)


class Refused(Exception):
    """What the engine answers to a request that it refuses: an SQLSTATE of class HW."""

    def __init__(self, error: asyncpg.PostgresError) -> None:
        self.code = str(error.sqlstate)
        self.field = error.detail or ""
        self.hint = error.hint or ""
        super().__init__(f"{self.code} {error.args[0]}")


class Caller:
    """One party that calls the engine: the service role, a signed-in user, nobody.

    Args:
        connection: A connection as ``authenticator``, for this caller alone.
        role: The database role of its requests.
        sub: The user's id, for users.
        anonymous: Whether the user signed in anonymously.
    """

    def __init__(
        self, connection: Connection, role: str, sub: uuid.UUID | None = None, *, anonymous: bool = False
    ) -> None:
        self.connection = connection
        self.role = role
        self.sub = sub
        claims: Row = {"role": role}
        if sub is not None:
            claims |= {"sub": str(sub), "is_anonymous": anonymous}
        self._claims = json.dumps(claims)

    @asynccontextmanager
    async def request(self) -> AsyncIterator[Connection]:
        """A transaction as PostgREST opens it for this caller."""
        try:
            async with self.connection.transaction():
                await self.connection.fetch(_IDENTITY, self.role, self._claims)
                yield self.connection
        except asyncpg.PostgresError as error:
            if str(error.sqlstate).startswith("HW"):
                raise Refused(error) from error
            raise

    async def fetch(self, sql: str, *parameters: object) -> list[Row]:
        """All rows of a statement."""
        async with self.request() as connection:
            return [dict(row) for row in await connection.fetch(sql, *parameters)]

    async def value(self, sql: str, *parameters: object) -> Any:
        """The first column of the first row."""
        async with self.request() as connection:
            return await connection.fetchval(sql, *parameters)

    async def call(self, function: str, **arguments: object) -> Any:
        """Call a function of schema ``headway`` by its argument names; the rows of a set, or the value.

        What the engine takes as JSON may be given as plain values.
        """
        sql, parameters = _named_call(function, arguments)
        async with self.request() as connection:
            rows = await connection.fetch(sql, *parameters)
        if function in _SETS:
            return [dict(row) for row in rows]
        return rows[0][0]

    async def submit(self, kind: str, payload: object = None, **fields: object) -> Row:
        """Submit one job; the engine's answer."""
        body = {"kind": kind, **fields} | ({} if payload is None else {"payload": payload})
        return await self.submit_body(json.dumps(body, default=str))

    async def submit_body(self, body: str) -> Row:
        """Submit a body exactly as it is written."""
        answer: Row = await self.value("select headway.submit($1::json)", body)
        return answer

    async def submit_many(self, jobs: Sequence[Row], **rest: object) -> Row:
        """Submit several jobs; the engine's answer."""
        body = json.dumps({"jobs": list(jobs), **rest}, default=str)
        answer: Row = await self.value("select headway.submit_many($1::json)", body)
        return answer

    async def job(self, job_id: object) -> Row:
        """The job's row, as this caller sees it."""
        (row,) = await self.fetch("select * from headway.jobs where id = $1", as_uuid(job_id))
        return row

    async def events(self, job_id: object) -> list[Row]:
        """The job's events in order, ``data`` decoded."""
        return await self.fetch(
            "select * from headway.job_events where job_id = $1 order by seq", as_uuid(job_id)
        )


class Worker:
    """A worker process as the engine sees it.

    Args:
        service: A caller of the service role.
        kinds: What it registers: names, or whole kinds.
    """

    def __init__(self, service: Caller, *kinds: str | Row) -> None:
        self.service = service
        self.id = uuid.uuid4()
        self.kinds = [{"kind": kind} if isinstance(kind, str) else kind for kind in kinds]

    async def register(self) -> Worker:
        """Register, and be ready to claim."""
        await self.service.call("register_worker", worker_id=self.id, name="test", kinds=self.kinds)
        return self

    async def claim(self, most: int = 1, **arguments: object) -> list[Row]:
        """Claim up to ``most`` jobs."""
        request = {"worker_id": self.id, "request_id": uuid.uuid4(), "max_jobs": most} | arguments
        rows: list[Row] = await self.service.call("claim", **request)
        return rows

    async def claim_one(self, **arguments: object) -> Row:
        """Claim exactly one job."""
        (lease,) = await self.claim(1, **arguments)
        return lease

    async def finish(self, lease: Row, outcome: str = "completed", **fields: object) -> Row:
        """End one attempt; the answer's row."""
        (row,) = await self.finish_all([held(lease) | {"outcome": outcome} | fields])
        return row

    async def finish_all(self, outcomes: Sequence[Row]) -> list[Row]:
        """End several attempts."""
        rows: list[Row] = await self.service.call("finish", worker_id=self.id, outcomes=list(outcomes))
        return rows

    async def heartbeat(self, *jobs: Row, **arguments: object) -> list[Row]:
        """Beat for some jobs."""
        rows: list[Row] = await self.service.call(
            "heartbeat", worker_id=self.id, jobs=list(jobs), **arguments
        )
        return rows

    async def beat(self, lease: Row, **progress: object) -> Row:
        """Beat for one job; the answer's row."""
        (row,) = await self.heartbeat(held(lease) | progress)
        return row


_SETS = {"claim", "heartbeat", "finish", "children", "events_after", "spend_today"}
_JSON = {
    "children",
    "error",
    "events",
    "files",
    "filter",
    "info",
    "jobs",
    "kinds",
    "outcomes",
    "payload",
    "result",
}


def held(lease: Row) -> Row:
    """What every write of a worker carries."""
    return {key: lease[key] for key in ("job_id", "attempt", "lease_token")}


def as_uuid(value: object) -> uuid.UUID:
    """An id as asyncpg wants it."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))


def _named_call(function: str, arguments: Row) -> tuple[str, list[object]]:
    parameters: list[object] = []
    parts = []
    for name, value in arguments.items():
        if name in _JSON and not (function == "claim" and name == "kinds"):
            value = json.dumps(value, default=str)
        elif value is not None and (name.endswith("_id") or name == "lease_token"):
            value = as_uuid(value)
        parameters.append(value)
        parts.append(f"{name} => ${len(parameters)}")
    return f"select * from headway.{function}({', '.join(parts)})", parameters


class Engine:
    """Everybody around one database's engine; closes what it opened.

    Args:
        database: A database with the migrations applied.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._connections: list[Connection] = []
        self.admin: Connection
        """As ``postgres``, past row level security: to arrange and to look behind the scenes."""
        self.service: Caller
        """A worker's or operator's secret key."""

    async def open(self) -> Engine:
        """Connect the two that every test needs."""
        self.admin = await self.connect("postgres")
        self.service = await self.caller("service_role")
        return self

    async def close(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            await connection.close(timeout=5)

    async def connect(self, role: str) -> Connection:
        """A connection of its own, closed with the rest."""
        connection = await self.database.connect(role)
        self._connections.append(connection)
        for json_type in ("json", "jsonb"):
            # JSON goes in as it is written, so that malformed bodies can be tried too.
            await connection.set_type_codec(
                json_type, schema="pg_catalog", encoder=lambda written: written, decoder=json.loads
            )
        return connection

    async def caller(self, role: str, sub: uuid.UUID | None = None, *, anonymous: bool = False) -> Caller:
        """A caller with a connection of its own."""
        return Caller(await self.connect("authenticator"), role, sub, anonymous=anonymous)

    async def user(self, *, anonymous: bool = False) -> Caller:
        """Somebody new who has signed in."""
        sub = uuid.uuid4()
        await self.admin.execute(
            "insert into auth.users (id, aud, role, is_anonymous)"
            " values ($1, 'authenticated', 'authenticated', $2)",
            sub,
            anonymous,
        )
        return await self.caller("authenticated", sub, anonymous=anonymous)

    async def worker(self, *kinds: str | Row) -> Worker:
        """A registered worker with a connection of its own."""
        return await Worker(await self.caller("service_role"), *kinds).register()

    async def organization(self, **members: Caller) -> uuid.UUID:
        """A new organisation with members by role."""
        org: uuid.UUID = await self.admin.fetchval(
            "insert into public.organizations (name, created_by) values ('org', null) returning id"
        )
        for role, member in members.items():
            await self.admin.execute(
                "insert into public.organization_members (organization_id, user_id, role)"
                " values ($1, $2, $3)",
                org,
                member.sub,
                role,
            )
        return org

    async def project(
        self, *, user: Caller | None = None, organization: uuid.UUID | None = None
    ) -> uuid.UUID:
        """A new project of a person or an organisation."""
        project: uuid.UUID = await self.admin.fetchval(
            "insert into public.projects (name, user_id, organization_id, created_by)"
            " values ('project', $1, $2, null) returning id",
            user.sub if user else None,
            organization,
        )
        return project

    async def messages(self, topic: str | None = None) -> list[Row]:
        """What was broadcast so far, oldest first, payload decoded."""
        rows = await self.admin.fetch(
            "select topic, event, payload, private from realtime.messages"
            " where topic = coalesce($1, topic) order by inserted_at, id",
            topic,
        )
        return [dict(row) for row in rows]

    async def forget_messages(self) -> None:
        """Start counting messages anew."""
        superuser = await self.database.connect("supabase_admin")
        try:
            await superuser.execute("truncate realtime.messages")
        finally:
            await superuser.close()

    async def shift(self, table: str, column: str, job_id: object, seconds: float) -> None:
        """Move one of a job's times, as if the clock had moved the other way."""
        key = "id" if table == "jobs" else "job_id"
        await self.admin.execute(
            f"update headway.{table} set {column} = {column} + make_interval(secs => $2) where {key} = $1",
            as_uuid(job_id),
            seconds,
        )

    async def expire(self, job_id: object) -> None:
        """Let a running job's lease run out."""
        await self.shift("leases", "expires_at", job_id, -7200)

    async def make_due(self, job_id: object) -> None:
        """Let a delayed or waiting job's time come."""
        await self.admin.execute(
            "update headway.jobs set run_at = now() - interval '1 second' where id = $1", as_uuid(job_id)
        )
