"""From a batch of changes to frames in outboxes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import orjson

from headway.local.identity import Identity
from headway.local.realtime.changes.bindings import Binding, Candidate, TableWatch
from headway.local.realtime.changes.catalog import Table, quoted
from headway.local.realtime.changes.payload import (
    BAD_REQUEST,
    UNAUTHORIZED,
    Row,
    View,
    error_document,
    view_of,
)
from headway.local.realtime.changes.predicates import Comparison
from headway.local.realtime.changes.visibility import Claims, Verdict, VisibilityCheck
from headway.local.realtime.database.sessions import Connection
from headway.local.realtime.protocol.outbound import encode_changes

if TYPE_CHECKING:
    from headway.local.realtime.channels.channel import Channel
    from headway.local.realtime.sockets.socket import Socket

__all__ = ["Judged", "deliver", "judge_rows"]

_log = logging.getLogger("headway.realtime")

# Rows delivered before the loop is given to others: about a millisecond's worth with one subscriber.
_ROWS_PER_TURN = 16
# A subscriber that lags by so much is waited for, once, before more is queued for it.
_LAG_BYTES = 2 * 1024 * 1024
_LAG_PATIENCE_S = 0.25


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of a batch of one table's rows.

    Args:
        watch: Who asked for the table.
        verdict: What they may see.
        failures: The roles that get an error for inserts and updates, whatever their filters.
    """

    watch: TableWatch
    verdict: Verdict
    failures: dict[str, str]


@dataclass(frozen=True, slots=True)
class Judged:
    """A row with those who asked for it.

    Args:
        position: Of the row in the batch that was judged.
    """

    row: Row
    position: int
    candidates: list[Candidate]
    judgement: Judgement


async def judge_rows(
    connection: Connection, check: VisibilityCheck, table: Table, watch: TableWatch, rows: list[Row]
) -> list[Judged]:
    """Find out who asked for a batch of one table's rows and may see them.

    Args:
        connection: As ``supabase_admin``.
        check: On the same connection.
        table: The rows' table.
        watch: Who asked for the table.
        rows: Their changes, in order.
    """
    found = [watch.candidates(row.change.action, row.filtered) for row in rows]
    await _settle_comparisons(connection, found)
    claims: set[Claims] = set()
    for row, candidates in zip(rows, found, strict=True):
        if row.change.action != "DELETE":
            claims.update(_claims(candidate.identity) for candidate in candidates)
    roles = {a.binding.channel.identity.role for a in watch.attachments}
    verdict = await check.judge(table, rows, sorted(roles), claims)
    if verdict is None:
        return []
    wanted = [row for row, candidates in zip(rows, found, strict=True) if candidates]
    await _fetch_json(connection, wanted)
    await _fetch_generated(connection, table, wanted)
    judgement = Judgement(watch, verdict, _failures(table, roles, verdict))
    return [
        Judged(row, position, candidates, judgement)
        for position, (row, candidates) in enumerate(zip(rows, found, strict=True))
    ]


async def deliver(judged: Sequence[Judged], *, max_bytes: int) -> int:
    """Send judged rows in order; how many frames were sent.

    Args:
        judged: In the order of the log.
        max_bytes: The size above which only short values are sent.
    """
    sent = 0
    touched: set[Socket] = set()
    for n, one in enumerate(judged, 1):
        sent += _deliver_row(one, max_bytes, touched)
        if n % _ROWS_PER_TURN == 0:
            await asyncio.sleep(0)
    await _wait_for_laggards(touched)
    return sent


def _deliver_row(judged: Judged, max_bytes: int, touched: set[Socket]) -> int:
    row, verdict = judged.row, judged.judgement.verdict
    action = row.change.action
    failures = {} if action == "DELETE" else judged.judgement.failures
    documents: dict[View, bytes] = {}
    frames: dict[tuple[Channel, tuple[str, ...] | None], tuple[bytes, list[int]]] = {}
    for candidate in judged.candidates:
        binding, identity = candidate.attachment.binding, candidate.identity
        if identity.role in failures or not _still_counts(binding, identity):
            continue
        if action != "DELETE" and not verdict.may_see(_claims(identity), judged.position):
            continue
        select = binding.wanted.select
        view = view_of(row.table, verdict.selectable.get(identity.role, frozenset()), select)
        document = documents.get(view)
        if document is None:
            document = documents[view] = view.document(
                row, is_rls_enabled=verdict.is_rls_enabled, max_bytes=max_bytes
            )
        frames.setdefault((binding.channel, select), (document, []))[1].append(binding.id)
    if failures:
        for attachment in judged.judgement.watch.attachments:
            binding = attachment.binding
            error = failures.get(binding.channel.identity.role)
            if error is not None and binding.active and binding.asks_for(action):
                group = (binding.channel, binding.wanted.select)
                frames.setdefault(group, (error_document(row, error), []))[1].append(binding.id)
    for (channel, _), (document, ids) in frames.items():
        channel.deliver_change(_frame(channel, action, ids, document))
        touched.add(channel.socket)
    return len(frames)


def _failures(table: Table, roles: set[str], verdict: Verdict) -> dict[str, str]:
    if not table.keys:
        return dict.fromkeys(roles, BAD_REQUEST)
    keys = table.key_names
    return {role: UNAUTHORIZED for role in roles if not keys <= verdict.selectable.get(role, frozenset())}


def _still_counts(binding: Binding, judged_as: Identity) -> bool:
    """Whether a binding is alive and speaks for the same caller as when the row was judged."""
    now = binding.channel.identity
    return binding.active and (
        now is judged_as or (now.role == judged_as.role and now.subject == judged_as.subject)
    )


def _frame(channel: Channel, action: str, ids: list[int], document: bytes) -> str | bytes:
    legacy = channel.request.legacy
    return encode_changes(
        channel.socket.version,
        orjson.dumps(channel.topic),
        orjson.dumps(action) if legacy else b'"postgres_changes"',
        None if legacy else ids,
        document,
    )


def _claims(identity: Identity) -> Claims:
    return identity.role, identity.claims_json


async def _wait_for_laggards(sockets: set[Socket]) -> None:
    """Give those that read slowly a moment; whoever uses it up is not waited for until it has caught up."""
    lagging = [s for s in sockets if s.waiting_bytes > _LAG_BYTES and not s.was_waited_for]
    until = time.monotonic() + _LAG_PATIENCE_S
    while lagging and time.monotonic() < until:
        await asyncio.sleep(0.005)
        lagging = [s for s in lagging if s.waiting_bytes > _LAG_BYTES]
    for socket in lagging:
        socket.was_waited_for = True
    for socket in sockets:
        if socket.waiting_bytes <= _LAG_BYTES:
            socket.was_waited_for = False


async def _settle_comparisons(connection: Connection, found: list[list[Candidate]]) -> None:
    """Ask Postgres for the comparisons that Python leaves open, and strike those that fail."""
    questions = list({c for candidates in found for one in candidates for c in one.open})
    if not questions:
        return
    answers = dict(zip(questions, await _compare(connection, questions), strict=True))
    for candidates in found:
        candidates[:] = [one for one in candidates if all(answers[c] for c in one.open)]


async def _compare(connection: Connection, questions: list[Comparison]) -> list[bool]:
    try:
        return list(
            await connection.fetchval(
                "select pg_temp.filters_hold($1, $2, $3, $4, $5)",
                [q.op for q in questions],
                [q.type_oid for q in questions],
                [q.left for q in questions],
                [q.right for q in questions],
                [q.negated for q in questions],
            )
        )
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
        raise
    except asyncpg.PostgresError as error:
        _log.warning("a filter failed: %s", error)
        if len(questions) == 1:
            return [False]
        # One filter that cannot be evaluated must not cost others their rows.
        half = len(questions) // 2
        return await _compare(connection, questions[:half]) + await _compare(connection, questions[half:])


async def _fetch_json(connection: Connection, rows: list[Row]) -> None:
    """Have Postgres write the values that only it knows how to write."""
    wanted = [(row, *value) for row in rows for value in row.unencoded()]
    if not wanted:
        return
    documents = await connection.fetchval(
        "select pg_temp.as_json($1, $2)",
        [type_oid for _, _, _, type_oid, _ in wanted],
        [text for _, _, _, _, text in wanted],
    )
    for (row, column, is_old, _, _), document in zip(wanted, documents, strict=True):
        row.set_json(column, is_old, document.encode())


async def _fetch_generated(connection: Connection, table: Table, rows: list[Row]) -> None:
    """Read generated columns, which the log does not hold, from the rows as they are now."""
    rows = [row for row in rows if row.change.new is not None]
    if not table.generated or not table.keys or not rows:
        return
    keys: list[list[str]] = []
    for key in table.keys:
        values = [row.new.get(key.name) for row in rows]
        keys.append([value.decode() if isinstance(value, bytes) else "" for value in values])
    columns = ", ".join(f"k{n}" for n in range(len(keys)))
    arrays = ", ".join(f"${n + 1}::text[]::{key.type_sql}[]" for n, key in enumerate(table.keys))
    matches = " and ".join(f"t.{quoted(key.name)} = probe.k{n}" for n, key in enumerate(table.keys))
    values_sql = ", ".join(f"to_jsonb(t.{quoted(name)})::text" for name in table.generated)
    records = await connection.fetch(
        f"select probe.position, {values_sql} from unnest({arrays}) with ordinality"  # noqa: S608 - quoted names
        f" as probe ({columns}, position) join {table.qualified} as t on {matches}",
        *keys,
    )
    for record in records:
        row = rows[record[0] - 1]
        for name, document in zip(table.generated, record[1:], strict=True):
            row.generated[name] = b"null" if document is None else document.encode()
