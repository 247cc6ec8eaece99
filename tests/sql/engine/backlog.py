"""A large backlog beside a long history, made by SQL in seconds."""

from __future__ import annotations

import asyncpg

__all__ = ["fill"]

_TRIGGERS = "alter table headway.jobs {0} trigger user; alter table headway.job_inputs {0} trigger user"

_PENDING = """
with fresh as (
  insert into headway.jobs (
    id, kind, queue, priority, ready_order, run_at, max_attempts, tenant_id, owner_id, retention
  )
  select gen_random_uuid(), $2, 'default', 5, nextval('headway_private.ready_order'), now(), 5, t.id, t.id,
    '7 days'
  from (select n, md5('tenant' || n % $3)::uuid as id from generate_series(1, $1) n) t
  returning id
)
insert into headway.job_inputs (job_id, payload, bytes) select id, '{}', 2 from fresh
"""

_FINISHED = """
insert into headway.jobs (
  id, kind, queue, status, priority, run_at, attempt, max_attempts, tenant_id, owner_id, retention, percent,
  started_at, finished_at, delete_after
)
select gen_random_uuid(), $2, 'default', 'completed', 5, now(), 1, 5, t.id, t.id, '7 days', 100, now(), now(),
  now() + interval '7 days'
from (select md5('tenant' || n % $3)::uuid as id from generate_series(1, $1) n) t
"""


async def fill(
    connection: asyncpg.Connection[asyncpg.Record], *, kind: str, pending: int, finished: int, tenants: int
) -> None:
    """Store jobs past the functions, as if they had been submitted and run long ago.

    Args:
        connection: A connection as the tables' owner.
        kind: A registered kind of the queue ``default``.
        pending: How many jobs wait.
        finished: How many have completed.
        tenants: Among how many tenants they are spread.
    """
    await connection.execute(_TRIGGERS.format("disable"))
    for statement, number in ((_PENDING, pending), (_FINISHED, finished)):
        while number:
            chunk = min(number, 250_000)
            await connection.execute(statement, chunk, kind, tenants, timeout=600)
            number -= chunk
    await connection.execute(_TRIGGERS.format("enable"))
    await connection.execute("vacuum analyze headway.jobs, headway.job_inputs", timeout=600)
