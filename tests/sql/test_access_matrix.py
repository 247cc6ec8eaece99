"""Every role against every relation, function and Realtime topic: each cell of access_matrix.txt is tried.

A cell lists whose rows the actor reached (``p`` a person's own, that of *owner*; ``o`` the organisation's;
``a`` the anonymous session's; ``s`` the service's or everybody's), or is ``-`` (allowed in general, but none
of these), ``x`` (permission denied), ``ok`` (about nobody's rows), or the SQLSTATE of another refusal.

A new relation or function fails this test until it has its line. To write the file anew, and review the diff:
``UPDATE_EXPECTED=1 .venv/bin/python -m pytest tests/sql/test_access_matrix.py``
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pytest

from headway.local.config import load_config
from headway.local.database import Database
from support.access_seed import ACTORS, HOOK, KIND, Seed, sow
from support.people import Project
from support.postgres import SUPABASE_DIR, TestCluster

MATRIX = Path(__file__).with_name("access_matrix.txt")
HEADER = ("object", "verb", *ACTORS)
SCHEMAS = ("headway", "headway_private", "public")
Cell = Callable[[str], str]

# A column that callers may change, where they may change any.
CHANGED = {
    "public.organizations": "name", "public.organization_members": "role", "public.projects": "name",
    "public.profile_share_links": "label", "public.interview_sessions": "end_reason",
    "public.interview_questions": "status", "public.profile_conflicts": "resolved_at",
    "public.slide_decks": "title", "public.slides": "title", "public.talk_tracks": "title",
    "public.videos": "title", "public.video_segments": "spoken_content", "public.chapters": "title",
    "public.articles": "title", "public.campaigns": "name", "headway.notification_settings": "allow_loopback",
    "headway.cleaned_buckets": "orphans_after",
}  # fmt: skip


# What is there -------------------------------------------------------------------------------------------


def relations(project: Project) -> dict[str, str]:
    """Each relation and its first column."""
    rows = project.owner(
        "select n.nspname || '.' || c.relname as name, (select min(a.attname) from pg_attribute a"
        " where a.attrelid = c.oid and a.attnum = 1) as first_column"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = any (%s) and c.relkind in ('r', 'p', 'v', 'm', 'f') order by 1",
        list(SCHEMAS),
    )
    return {row.name: row.first_column for row in rows}


def functions(project: Project) -> list[Any]:
    return project.owner(
        "select n.nspname || '.' || p.proname as name, p.oid::regprocedure::text as signature,"
        " n.nspname = 'headway_private' or p.prorettype = 'trigger'::regtype as internal,"
        " array(select format_type(t, null) from unnest(p.proargtypes) t) as types,"
        " coalesce(p.proargnames[1:p.pronargs], '{}') as arguments, p.pronargdefaults as defaults"
        " from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where n.nspname = any (%s) order by 1, 2",
        list(SCHEMAS),
    )


# Trying a cell -------------------------------------------------------------------------------------------


class Probe:
    """Statements as one actor, each undone at once."""

    def __init__(self, database: Database, seed: Seed, actor: str) -> None:
        self.seed = seed
        self.person = seed.actors[actor]
        self.connection = psycopg2.connect(database.conninfo("authenticator"))
        self.cursor = self.connection.cursor()
        self.cursor.execute(
            "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
            (self.person.role, self.person.claims),
        )
        self.cursor.execute("savepoint cell")

    def attempt(self, sql: str, parameters: object = None) -> tuple[str | None, list[Any]]:
        """The SQLSTATE of a refusal or None, and the rows."""
        try:
            self.cursor.execute(sql, parameters)
            return None, self.cursor.fetchall() if self.cursor.description else []
        except psycopg2.Error as error:
            return error.pgcode or "lost", []
        finally:
            self.cursor.execute("rollback to savepoint cell")

    def close(self) -> None:
        self.connection.rollback()
        self.connection.close()


def summary(reached: dict[str, str | None]) -> str:
    """One cell of what came of each tag: None reached, ``-`` nothing there, else an SQLSTATE."""
    tags = "".join(tag for tag, fault in reached.items() if fault is None)
    if tags:
        return tags
    faults = {fault for fault in reached.values() if fault is not None}
    denied = {"42501": "x", "55000": "x", "HW301": "-", "HW302": "-"}
    shown = {denied.get(fault, fault) for fault in faults}
    return "/".join(sorted(shown))


def relation_cell(probe: Probe, relation: str, first_column: str, verb: str) -> str:
    rows = probe.seed.rows.get(relation, {})
    reached: dict[str, str | None] = {}
    if verb == "insert":
        inserts = probe.seed.inserts.get(relation, {})
        if not inserts:
            fault, _ = probe.attempt(f"insert into {relation} default values")
            # Whoever may insert gets as far as a constraint, or stores an empty row.
            return "x" if fault in {"42501", "55000"} else "ok"
        for tag, values in inserts.items():
            converted = [json.dumps(v) if isinstance(v, dict) else v for v in values.values()]
            reached[tag], _ = probe.attempt(
                f"insert into {relation} ({', '.join(values)}) values ({', '.join(['%s'] * len(values))})",
                converted,
            )
            if reached[tag] == "23505":
                reached[tag] = None  # there already: row level security has let it pass by then
        return summary(reached)
    if not rows:
        fault, found = probe.attempt(
            {
                "select": f"select 1 from {relation} limit 1",
                "update": f"update {relation} set {CHANGED.get(relation, first_column)} = null where false",
                "delete": f"delete from {relation} where false",
            }[verb]
        )
        return summary({"s": fault or (None if found else "-")})
    for tag, key in rows.items():
        where = " and ".join(f"{column} = %s" for column in key)
        column = CHANGED.get(relation, next(iter(key)))
        fault, found = probe.attempt(
            {
                "select": f"select 1 from {relation} where {where}",
                "update": f"update {relation} set {column} = {column} where {where} returning 1",
                "delete": f"delete from {relation} where {where} returning 1",
            }[verb],
            list(key.values()),
        )
        reached[tag] = fault or (None if found else "-")
    return summary(reached)


def document(value: object) -> str:
    return json.dumps(value)


def calls(seed: Seed) -> dict[str, dict[str, tuple[str, tuple[Any, ...]]]]:
    """Calls whose arguments say whose rows they are about: function -> tag -> (arguments, parameters)."""
    ids = seed.ids
    scope = {"p": {}, "o": {"organization_id": ids["org"]["o"]}, "s": {"owner_id": str(uuid.uuid4())}}
    job = {"kind": KIND}

    def each(arguments: str, name: str, *more: Any) -> dict[str, tuple[str, tuple[Any, ...]]]:
        return {tag: (arguments, (identity, *more)) for tag, identity in ids[name].items()}

    def fenced(arguments: str, *more: Any) -> dict[str, tuple[str, tuple[Any, ...]]]:
        return {
            tag: (f"%s, 1, %s{arguments}", (identity, ids["token"][tag], *more))
            for tag, identity in ids["job_id"].items()
        }

    def scoped(body: Callable[[dict[str, Any]], object]) -> dict[str, tuple[str, tuple[Any, ...]]]:
        return {tag: ("%s::json", (document(body(where)),)) for tag, where in scope.items()}

    call_id = str(uuid.uuid4())
    return {
        "headway.add_files": fenced(", '[]'"),
        "headway.batch_snapshot": each("%s", "batch_id"),
        "headway.cancel": each("%s", "waiting_job"),
        "headway.cancel_batch": each("%s", "batch_id"),
        "headway.cancel_jobs": {"s": ('\'{"kind": "none.such"}\'', ())},
        "headway.checkpoint": fenced(", 'step'"),
        "headway.children": each("%s", "job_id"),
        "headway.claim": {"s": ("%s, %s", (ids["worker_id"]["s"], str(uuid.uuid4())))},
        "headway.claim_outbox": {"s": ("%s, %s", (ids["worker_id"]["s"], str(uuid.uuid4())))},
        "headway.collect_orphans": {"s": ("", ())},
        "headway.create_endpoint": scoped(
            lambda where: {"channel": "webhook", "target": f"{HOOK}new"} | where
        ),
        "headway.cron_next": {"s": ("'@daily'", ())},
        "headway.cron_preview": {"s": ("'@daily'", ())},
        "headway.delete_endpoint": each("%s", "endpoint_id"),
        "headway.delete_schedule": each("%s", "schedule_id"),
        "headway.drain_queue": {"s": ("'default'", ())},
        "headway.emit": fenced(", '[]'"),
        "headway.events_after": each("%s", "job_id"),
        "headway.files_postponed": {"s": ("'[]'", ())},
        "headway.files_removed": {"s": ("'[]'", ())},
        "headway.finish": {"s": ("%s, '[]'", (ids["worker_id"]["s"],))},
        "headway.finish_outbox": {"s": ("'[]'", ())},
        "headway.forget_owner": each("%s", "user_id"),
        "headway.heartbeat": {"s": ("%s", (ids["worker_id"]["s"],))},
        "headway.limit_kind": {"s": ("%s", (KIND,))},
        "headway.limit_queue": {"s": ("'default'", ())},
        "headway.look": each("%s", "job_id"),
        "headway.pause_queue": {"s": ("'default'", ())},
        "headway.pause_schedule": each("%s", "schedule_id"),
        "headway.ping_endpoint": each("%s", "endpoint_id"),
        "headway.prune": {"s": ("", ())},
        "headway.prune_outbox": {"s": ("", ())},
        "headway.put_schedule": scoped(lambda where: {"name": "new", "cron": "@daily", "job": job | where}),
        "headway.record_usage": fenced(", %s, 'openai', 0.01", call_id),
        "headway.redeliver": each("%s", "message_id"),
        "headway.register_worker": {"s": ("%s, 'w', '[]'", (str(uuid.uuid4()),))},
        "headway.release_usage": fenced(", %s", call_id),
        "headway.requeue": each("%s", "failed_job"),
        "headway.reserve_usage": fenced(", %s, 'openai', 0.01", call_id),
        "headway.resume_queue": {"s": ("'default'", ())},
        "headway.resume_schedule": each("%s", "schedule_id"),
        "headway.retry": each("%s", "failed_job"),
        "headway.retry_jobs": {"s": ('\'{"kind": "none.such"}\'', ())},
        "headway.rotate_endpoint_secret": each("%s", "endpoint_id"),
        "headway.run_schedule": each("%s", "schedule_id"),
        "headway.set_budget": each("%s, 'day', 5", "tenant_id"),
        "headway.signal": each("%s, 'again', '1'", "waiting_job"),
        "headway.snapshot": each("%s", "job_id"),
        "headway.spend_today": {"s": ("", ())},
        "headway.stop_worker": {"s": ("%s", (ids["worker_id"]["s"],))},
        "headway.submit": scoped(lambda where: job | where),
        "headway.submit_children": fenced(", %s", document([job])),
        "headway.submit_many": scoped(lambda where: {"jobs": [job | where]}),
        "headway.sweep": {"s": ("", ())},
        "headway.tick_schedules": {"s": ("", ())},
        "headway.update_endpoint": each('%s, \'{"label": "x"}\'', "endpoint_id"),
        "headway.version": {"s": ("", ())},
        "headway.watch": {tag: ("%s", ([f"job:{i}"],)) for tag, i in ids["job_id"].items()},
        "public.apply_profile": each("%s, '{}'", "profile"),
        "public.create_profile_share_link": {"s": ("", ())},
        "public.is_language": {"s": ("'en'", ())},
        "public.is_partial_date": {"s": ("'2022'", ())},
        "public.is_text_list": {"s": ("'{a}', 1, 1", ())},
        "public.is_web_url": {"s": ("'https://example.com'", ())},
        "public.launch_campaigns": scoped(lambda where: [{"business_type": "b", "location": "l"} | where]),
        "public.member_org_ids": {"s": ("", ())},
        "public.profile_completeness_of": {"s": ("null::public.profiles", ())},
        "public.resolve_profile_conflict": each("%s, 'known'", "conflict"),
        "public.shared_profile": each("%s", "share_token"),
        "public.writer_org_ids": {"s": ("", ())},
    }


# Answers that are true or false instead of a refusal: `-` where they are false.
QUESTIONS = {
    "public.can_manage_member": ("%s, 'viewer'", "org"),
    "public.can_read_project": ("%s", "project"),
    "public.can_write_deck": ("%s", "deck"),
    "public.can_write_path": ("%s", "path"),
    "public.can_write_project": ("%s", "project"),
    "public.can_write_video": ("%s", "video"),
    "public.is_org_admin": ("%s", "org"),
    "public.is_org_member": ("%s", "org"),
    "public.is_org_writer": ("%s", "org"),
    "public.org_role": ("%s", "org"),
    "public.revoke_profile_share_link": ("%s", "link"),
}
# Reads that answer with no rows, instead of a refusal, to whoever may not see the job.
SILENT = {"headway.children", "headway.events_after", "headway.watch"}


def function_cell(probe: Probe, function: Any) -> str:
    if function.internal:
        nulls = ", ".join(f"null::{kind}" for kind in function.types)
        fault, _ = probe.attempt(f"select {function.name}({nulls})")
        return "x" if fault == "42501" else "ok"
    reached: dict[str, str | None] = {}
    if function.name in QUESTIONS:
        arguments, name = QUESTIONS[function.name]
        for tag, identity in probe.seed.ids[name].items():
            fault, rows = probe.attempt(f"select {function.name}({arguments})", (identity,))
            reached[tag] = fault or (None if rows[0][0] else "-")
        return summary(reached)
    about = calls(probe.seed)[function.name]
    for tag, (arguments, parameters) in about.items():
        fault, rows = probe.attempt(f"select * from {function.name}({arguments})", parameters or None)
        if fault is None and function.name in SILENT and not rows:
            fault = "-"
        reached[tag] = fault
    cell = summary(reached)
    return "ok" if cell == "s" and set(about) == {"s"} else cell


def topics(seed: Seed) -> dict[str, dict[str, str]]:
    ids = seed.ids
    other = str(uuid.uuid4())
    return {
        "job:<id>": {tag: f"job:{i}" for tag, i in ids["job_id"].items()} | {"s": f"job:{other}"},
        "user:<id>:jobs": {tag: f"user:{i}:jobs" for tag, i in ids["user_id"].items()},
        "project:<id>:jobs": {tag: f"project:{i}:jobs" for tag, i in ids["project"].items()},
        "org:<id>:jobs": {tag: f"org:{i}:jobs" for tag, i in ids["org"].items()},
        "queue:<name>": {"s": "queue:default"},
        "outbox": {"s": "outbox"},
        "canary:<id>:<anything>": {tag: f"canary:{i}:{other}" for tag, i in ids["user_id"].items()}
        | {"s": f"canary:{other}"},
        "job:<anything else>": {"s": "job:1", "p": f"job:{ids['job_id']['p']}:jobs", "o": "job:" + "'" * 9},
        "user:<upper case>:jobs": {"p": f"user:{ids['user_id']['p'].upper()}:jobs"},
        "<another application's>": {"s": "room:1"},
    }


def topic_cell(probe: Probe, given: dict[str, str], verb: str) -> str:
    """As the server asks: may the role read, or write, a message of the topic?"""
    reached: dict[str, str | None] = {}
    extension = "presence" if verb.endswith("presence") else "broadcast"
    for tag, topic in given.items():
        probe.cursor.execute("select set_config('realtime.topic', %s, true)", (topic,))
        if verb.startswith("receive"):
            sql = "select 1 from realtime.messages where topic = %s and extension = %s"
        else:
            sql = "insert into realtime.messages (topic, extension, private) values (%s, %s, true)"
        # set_config is undone by the rollback to the savepoint, hence one statement after it.
        fault, rows = probe.attempt(sql, (topic, extension))
        reached[tag] = fault or (None if rows or verb.startswith("send") else "-")
    return summary(reached)


# The matrix ----------------------------------------------------------------------------------------------

Line = tuple[str, str]


@pytest.fixture(scope="module")
def database(cluster: TestCluster) -> Iterator[Database]:
    def migrate(fresh: Database) -> None:
        from headway.local.postgres.migrations import apply_migrations

        cluster.run(apply_migrations(fresh, SUPABASE_DIR, load_config(SUPABASE_DIR / "config.toml")))

    with cluster.clone(cluster.template("migrated", migrate)) as cloned:
        yield cloned


@pytest.fixture(scope="module")
def measured(database: Database) -> dict[Line, dict[str, str]]:
    """Every cell, tried."""
    project = Project(database)
    seed = sow(project)
    there, callable_ = relations(project), functions(project)
    heard = topics(seed)
    with psycopg2.connect(database.conninfo("supabase_admin")) as connection, connection.cursor() as cursor:
        cursor.execute("truncate realtime.messages")
        for extension in ("broadcast", "presence"):
            for given in heard.values():
                for topic in given.values():
                    cursor.execute(
                        "insert into realtime.messages (topic, extension, private) values (%s, %s, true)",
                        (topic, extension),
                    )
    connection.close()
    answer: dict[Line, dict[str, str]] = {}
    for actor in ACTORS:
        probe = Probe(database, seed, actor)
        for relation, first_column in there.items():
            for verb in ("select", "insert", "update", "delete"):
                answer.setdefault((relation, verb), {})[actor] = relation_cell(
                    probe, relation, first_column, verb
                )
        for function in callable_:
            name = function.signature if "." in function.signature else f"public.{function.signature}"
            answer.setdefault((name.replace(" ", "_"), "call"), {})[actor] = function_cell(probe, function)
        for pattern, given in heard.items():
            for verb in ("receive", "receive-presence", "send", "send-presence"):
                cell = topic_cell(probe, given, verb)
                answer.setdefault((pattern.replace(" ", "_"), verb), {})[actor] = cell
        probe.close()
    project.close()
    return answer


def written(cells: dict[Line, dict[str, str]]) -> str:
    lines = [HEADER, *((*line, *(cells[line][actor] for actor in ACTORS)) for line in cells)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADER))]
    return "".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def expected() -> dict[Line, dict[str, str]]:
    header, *lines = (line.split() for line in MATRIX.read_text().splitlines())
    assert tuple(header) == HEADER
    return {(line[0], line[1]): dict(zip(ACTORS, line[2:], strict=True)) for line in lines}


def test_every_cell(measured: dict[Line, dict[str, str]]) -> None:
    if os.environ.get("UPDATE_EXPECTED"):
        MATRIX.write_text(written(measured))
    table = expected()
    missing = sorted(measured.keys() - table.keys())
    assert not missing, f"no cells in {MATRIX.name} for {missing}; see this module's docstring"
    gone = sorted(table.keys() - measured.keys())
    assert not gone, f"{MATRIX.name} has cells of what does not exist: {gone}"
    wrong = {
        f"{' '.join(line)} as {actor}": f"expected {table[line][actor]}, got {cell}"
        for line, cells in measured.items()
        for actor, cell in cells.items()
        if table[line][actor] != cell
    }
    assert wrong == {}


def test_every_relation_has_rows_to_reach(measured: dict[Line, dict[str, str]]) -> None:
    """A cell that nothing could have filled would prove nothing."""
    for (name, verb), cells in measured.items():
        if verb == "select" and name not in {"headway_private.learning", "headway_private.rotations"}:
            assert cells["service"] not in {"", "-"}, name


def test_rights_on_single_columns_are_measured_too(
    measured: dict[Line, dict[str, str]], migrated_database: Database
) -> None:
    """A cell says that permission is denied only where no column is granted; CHANGED names those that are."""
    project = Project(migrated_database)
    rows = project.owner(
        "select n.nspname || '.' || c.relname as name, v.verb, r.role,"
        " has_any_column_privilege(r.role, c.oid, v.verb) as granted"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace,"
        " unnest('{select,update}'::text[]) v (verb),"
        " unnest('{anon,authenticated,service_role}'::text[]) r (role)"
        " where n.nspname = any (%s) and c.relkind in ('r', 'p', 'v', 'm', 'f')",
        list(SCHEMAS),
    )
    project.close()
    actors = {"anon": {"anon"}, "service_role": {"service"}}
    for row in rows:
        acting = actors.get(row.role, set(ACTORS) - {"anon", "service"})
        tried = any(measured[row.name, row.verb][actor] != "x" for actor in acting)
        assert tried == row.granted, (row.name, row.verb, row.role)


def test_the_anonymous_role_reaches_next_to_nothing() -> None:
    """Whoever has not even an anonymous session can only open a shared profile."""
    reached = {line for line, cells in expected().items() if cells["anon"] not in {"x", "-"}}
    assert reached == {("public.shared_profile(text)", "call")}


def test_nobody_but_the_service_writes_the_engine() -> None:
    for (name, verb), cells in expected().items():
        if name.startswith(("headway.", "headway_private.")) and verb in {"insert", "update", "delete"}:
            assert {cells[actor] for actor in ACTORS if actor != "service"} == {"x"}, (name, verb)


def test_strangers_reach_nobodys_rows() -> None:
    """A stranger and another organisation's owner see what is everybody's, and never p, o or a."""
    everybodys = {"headway.kinds", "headway.durations"}
    for (name, verb), cells in expected().items():
        if name in everybodys or verb in {"insert", "call"}:
            continue
        for actor in ("stranger", "outsider"):
            assert not set(cells[actor]) & set("poa"), (name, verb, actor)
