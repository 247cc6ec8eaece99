"""The source of row changes: follows the publication while somebody asks for changes.

Source for what clients see: supabase/realtime ``lib/extensions/postgres_cdc_rls/``. Unlike the real server,
which polls, this reads the replication stream.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg

from headway.local.database import Database
from headway.local.realtime.changes.backlog import Backlog
from headway.local.realtime.changes.bindings import Attachment, Binding, TableWatch
from headway.local.realtime.changes.catalog import PUBLICATION, Table, load_table, published_tables
from headway.local.realtime.changes.delivery import Judged, deliver, judge_rows
from headway.local.realtime.changes.filters import BindingInvalid, parse_binding
from headway.local.realtime.changes.payload import Row
from headway.local.realtime.changes.subscribe import attach, check_bindings
from headway.local.realtime.changes.visibility import VisibilityCheck
from headway.local.realtime.database.sessions import Connection, Pool, connect
from headway.local.realtime.wal.pgoutput import Decoder, LogMalformed, Relation, RowChange
from headway.local.realtime.wal.stream import LogStream, StreamBroken

if TYPE_CHECKING:
    from headway.local.realtime.channels.channel import Channel
    from headway.local.realtime.engine import Engine

__all__ = ["ChangeFeed"]

_log = logging.getLogger("headway.realtime")

_RETRIES_S = (0.05, 0.1, 0.25, 0.5, 1.0)
# The real server looks every 60 s; a test need not wait for that.
_PUBLICATION_CHECK_S = 2
_IDLE_S = 60
_GONE = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)


class ChangeFeed:
    """Delivers row changes to channels.

    Args:
        database: The stack's database.
        pool: Connections as ``supabase_admin``.
    """

    def __init__(self, database: Database, pool: Pool) -> None:
        self._database = database
        self._pool = pool
        self._engine: Engine | None = None
        self._decoder = Decoder()
        self._backlog = Backlog()
        self._stream: LogStream | None = None
        self._streaming = asyncio.Event()
        self._wanted = asyncio.Event()
        self._bindings: dict[Channel, list[Binding]] = {}
        self._attachments: dict[int, list[Attachment]] = {}
        self._watches: dict[int, TableWatch] = {}
        self._tables: dict[int, Table] = {}
        self._interest: dict[int, bool] = {}
        self._published: dict[int, tuple[str, str]] = {}
        self._subscribing: dict[Channel, asyncio.Task[None]] = {}
        self._connection: Connection | None = None
        self._check: VisibilityCheck | None = None
        self._idle_since = time.monotonic()
        self.delivered = 0
        self.lag_ms = 0.0

    # What channels see ----------------------------------------------------------------------------------

    def watch(self, channel: Channel) -> None:
        """Deliver what a channel asked for with the rights it has now; it is told when that begins."""
        self._cancel_subscribing(channel)
        self._wanted.set()
        task = asyncio.get_running_loop().create_task(self._subscribe(channel))
        self._subscribing[channel] = task
        task.add_done_callback(lambda done: self._subscribed(channel, done))

    def unwatch(self, channel: Channel) -> None:
        """Deliver a channel nothing more."""
        self._cancel_subscribing(channel)
        self._detach(channel)

    @property
    def streaming(self) -> bool:
        """Whether changes are being read."""
        return self._streaming.is_set()

    @property
    def subscriptions(self) -> int:
        """How many bindings are served."""
        return sum(map(len, self._bindings.values()))

    @property
    def waiting(self) -> int:
        """How many changes were read and not yet delivered."""
        return len(self._backlog)

    def break_off(self) -> None:
        """Lose the replication connection, as when Postgres restarts."""
        self._streaming.clear()
        if self._stream is not None:
            self._stream.close()

    # Subscribing ----------------------------------------------------------------------------------------

    async def _subscribe(self, channel: Channel) -> None:
        try:
            # The same objects for as long as the channel is served: rows on their way stay theirs.
            bindings = self._bindings.get(channel) or [
                Binding(channel, request.id, parse_binding(request.params))
                for request in channel.request.changes
            ]
        except BindingInvalid as invalid:
            self._refuse(channel, str(invalid))
            return
        while True:
            await self._streaming.wait()
            try:
                async with self._pool.acquire() as connection:
                    published = await published_tables(connection)
                    attachments = await check_bindings(connection, bindings, published)
                break
            except BindingInvalid as invalid:
                self._refuse(channel, str(invalid))
                return
            except _GONE:
                await asyncio.sleep(1)
            except asyncpg.PostgresError as error:
                channel.system("postgres_changes", "error", str(error))
                await asyncio.sleep(random.uniform(5, 10))  # noqa: S311 - spread, not secrecy
        self._drop_attachments(bindings)
        self._bindings[channel] = bindings
        for oid, attachment in attachments:
            self._attachments.setdefault(oid, []).append(attachment)
            self._watches.pop(oid, None)
        self._interest.clear()
        engine = self._engine
        if engine is None or not (engine.faults.refuse_system and engine.faults.concerns(channel.topic)):
            channel.system("postgres_changes", "ok", "Subscribed to PostgreSQL")

    def _refuse(self, channel: Channel, message: str) -> None:
        self._detach(channel)
        channel.system("postgres_changes", "error", message)

    def _subscribed(self, channel: Channel, task: asyncio.Task[None]) -> None:
        if self._subscribing.get(channel) is task:
            del self._subscribing[channel]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("subscribing to changes failed", exc_info=error)

    def _cancel_subscribing(self, channel: Channel) -> None:
        task = self._subscribing.pop(channel, None)
        if task is not None:
            task.cancel()

    def _detach(self, channel: Channel) -> None:
        bindings = self._bindings.pop(channel, None)
        if not bindings:
            return
        for binding in bindings:
            binding.active = False
        self._drop_attachments(bindings)
        self._interest.clear()
        self._idle_since = time.monotonic()

    def _drop_attachments(self, bindings: list[Binding]) -> None:
        dropped = set(bindings)
        for oid, attachments in tuple(self._attachments.items()):
            kept = [a for a in attachments if a.binding not in dropped]
            if len(kept) != len(attachments):
                self._watches.pop(oid, None)
                if kept:
                    self._attachments[oid] = kept
                else:
                    del self._attachments[oid]

    # Reading --------------------------------------------------------------------------------------------

    async def run(self, engine: Engine) -> None:
        """Read and deliver for ever, whenever somebody asks for changes.

        Args:
            engine: The service's parts.
        """
        self._engine = engine
        delivering = asyncio.create_task(self._deliver_for_ever())
        try:
            await self._read_for_ever()
        finally:
            delivering.cancel()
            for task in tuple(self._subscribing.values()):
                task.cancel()
            if self._connection is not None:
                self._connection.terminate()

    async def _read_for_ever(self) -> None:
        failures = 0
        while True:
            await self._wanted.wait()
            try:
                await self._require_publication()
                self._decoder = Decoder()
                self._tables.clear()
                self._interest.clear()
                self._stream = LogStream(
                    self._database,
                    PUBLICATION,
                    self._handle,
                    clogged=self._backlog.full,
                    unclogged=self._backlog.drained,
                )
                await self._stream.open()
                self._streaming.set()
                failures = 0
                self._resubscribe()
                await self._follow_while_wanted(self._stream)
                continue
            except (StreamBroken, LogMalformed, asyncpg.PostgresError, *_GONE) as error:
                _log.info("the stream of changes broke: %s", error)
            finally:
                self._streaming.clear()
                if self._stream is not None:
                    self._stream.close()
            await asyncio.sleep(_RETRIES_S[min(failures, len(_RETRIES_S) - 1)])
            failures += 1

    async def _require_publication(self) -> None:
        """The stream would fail on the first change without it."""
        async with self._pool.acquire() as connection:
            if not await connection.fetchval(
                "select exists (select from pg_publication where pubname = $1)", PUBLICATION
            ):
                raise StreamBroken(f"there is no publication {PUBLICATION}")
            self._published = await published_tables(connection)

    async def _follow_while_wanted(self, stream: LogStream) -> None:
        following = asyncio.create_task(stream.follow())
        # Nobody may be told that changes are delivered once they no longer are.
        following.add_done_callback(lambda _: self._streaming.clear())
        try:
            while True:
                await asyncio.wait({following}, timeout=_PUBLICATION_CHECK_S)
                if following.done():
                    following.result()
                    return
                if self._bindings or self._subscribing:
                    await self._look_at_publication()
                elif time.monotonic() - self._idle_since > _IDLE_S:
                    self._wanted.clear()
                    self._streaming.clear()
                    return
        finally:
            following.cancel()
            await asyncio.wait({following})

    async def _look_at_publication(self) -> None:
        """As on the real server, everybody is subscribed anew when the publication's tables change."""
        try:
            async with self._pool.acquire() as connection:
                published = await published_tables(connection)
        except (asyncpg.PostgresError, *_GONE) as error:
            _log.info("the publication could not be looked at: %s", error)
            return
        known, self._published = self._published, published
        if known != published or not self._attachments.keys() <= published.keys():
            self._resubscribe()

    def _resubscribe(self) -> None:
        for channel in tuple(self._bindings):
            self.watch(channel)

    def _handle(self, message: bytes) -> None:
        oid = self._decoder.relation_of(message)
        if oid is not None and not self._interest.get(oid, True):
            return
        decoded = self._decoder.decode(message)
        if isinstance(decoded, Relation):
            self._interest.pop(decoded.oid, None)
        elif isinstance(decoded, RowChange) and self._is_of_interest(decoded.relation):
            self._backlog.put(decoded)

    def _is_of_interest(self, relation: Relation) -> bool:
        known = self._interest.get(relation.oid)
        if known is None:
            known = self._interest[relation.oid] = any(
                binding.concerns(relation.schema, relation.name)
                for bindings in self._bindings.values()
                for binding in bindings
            )
        return known

    # Delivering -----------------------------------------------------------------------------------------

    async def _deliver_for_ever(self) -> None:
        while True:
            batch = await self._backlog.take()
            try:
                try:
                    await self._deliver_batch(batch)
                except _GONE:
                    # Nothing has been sent before everything was checked; a new connection may do better.
                    self._connection = None
                    await self._deliver_batch(batch)
            except (asyncpg.PostgresError, *_GONE) as error:
                self._connection = None
                _log.warning("%s changes were lost with the database: %s", len(batch), error)
            except Exception:  # noqa: BLE001 - one bad row must not end the deliveries; the cause is logged
                _log.exception("%s changes could not be delivered", len(batch))

    async def _deliver_batch(self, batch: list[RowChange]) -> None:
        assert self._engine is not None
        connection = self._connection
        if connection is None or connection.is_closed() or self._check is None:
            connection = self._connection = await connect(self._database)
            self._check = VisibilityCheck(connection)
            self._tables.clear()
        judged: dict[int, Judged] = {}
        for relation in {change.relation: None for change in batch}:
            changes = [change for change in batch if change.relation is relation]
            table = await self._table(connection, relation, changes[0].transaction.xid)
            watch = self._watch_of(relation.oid)
            if watch.attachments and table.columns:
                rows = [Row(table, change) for change in changes]
                for one in await judge_rows(connection, self._check, table, watch, rows):
                    judged[id(one.row.change)] = one
        ordered = [judged[id(change)] for change in batch if id(change) in judged]
        self.delivered += await deliver(ordered, max_bytes=self._engine.limits.max_change_bytes)
        self.lag_ms = (datetime.now(UTC) - batch[-1].transaction.committed_at).total_seconds() * 1000

    def _watch_of(self, oid: int) -> TableWatch:
        watch = self._watches.get(oid)
        if watch is None:
            watch = self._watches[oid] = TableWatch(self._attachments.get(oid, []))
        return watch

    async def _table(self, connection: Connection, relation: Relation, xid: int) -> Table:
        """The catalogue's view of a relation, read anew whenever the log announces it anew."""
        known = self._tables.get(relation.oid)
        if known is not None and known.relation is relation:
            return known
        # The transaction may have made the table.
        await connection.execute("select pg_temp.await_visible($1)", [xid])
        table = self._tables[relation.oid] = await load_table(connection, relation)
        if known is None or not known.relation.looks_like(relation):
            await self._attach_anew(connection, relation)
        return table

    async def _attach_anew(self, connection: Connection, relation: Relation) -> None:
        """Attach everybody who asks for a relation: it may be new, or its columns have changed."""
        attachments: list[Attachment] = []
        for bindings in tuple(self._bindings.values()):
            for binding in bindings:
                if binding.active and binding.concerns(relation.schema, relation.name):
                    try:
                        attachments.append(await attach(connection, binding, relation.oid))
                    except BindingInvalid as invalid:
                        _log.info("a subscription does not fit its table: %s", invalid)
        kept = [a for a in attachments if a.binding.active]
        known = {a.binding for a in kept}
        # Whoever has subscribed in the meantime was attached by that.
        kept += [
            a for a in self._attachments.get(relation.oid, ()) if a.binding.active and a.binding not in known
        ]
        self._attachments[relation.oid] = kept
        self._watches.pop(relation.oid, None)
