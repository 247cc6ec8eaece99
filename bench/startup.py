"""How long a stack takes to its first answered query, and what it costs to have it idle.

The stack is a real ``headway up`` in a process of its own, on a project with one table; the clock runs from
the start of the process, imports included, to the answer of the first query through ``/rest/v1``.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from bench.report import Figure
from headway.local.postgres.binaries import resolve_binaries
from headway.local.postgres.server import PostgresServer
from headway.settings import LocalSettings

NAME = "startup"

_RUNS = 3
_IDLE_S = 2.0
_MIGRATION = """\
create table public.things (id int primary key);
insert into public.things values (1);
grant select on public.things to service_role;
"""


async def run() -> list[Figure]:
    """Medians of several starts, and the memory of the last stack while it idles."""
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as name:
        project = Path(name)
        migrations = project / "supabase" / "migrations"
        migrations.mkdir(parents=True)
        (migrations / "20260101000000_things.sql").write_text(_MIGRATION)
        cold, warm, memory, work = [], [], [], []
        with _stack(project):
            pass  # whatever is made once per machine
        for _ in range(_RUNS):
            shutil.rmtree(project / ".headway", ignore_errors=True)
            with _stack(project) as (seconds, _):
                cold.append(seconds)
            with _stack(project) as (seconds, process):
                warm.append(seconds)
                work.append(_processor_s(process.pid))
                await asyncio.sleep(_IDLE_S)
                memory.append(_memory_mb(process.pid))
        postgres_cold, postgres_warm = await _postgres(project)
        return [
            Figure(f"cold start to the first answered query, median of {_RUNS}", _median(cold), "s", 3.0),
            Figure(f"warm start to the first answered query, median of {_RUNS}", _median(warm), "s", 1.0),
            Figure("of that processor time of all its processes", _median(work), "s"),
            Figure(f"of these Postgres: cold, median of {_RUNS}", _median(postgres_cold), "s", 1.5),
            Figure(f"of these Postgres: warm, median of {_RUNS}", _median(postgres_warm), "s", 0.3),
            Figure("reference: bare initdb with the same options", await _bare_initdb(project), "s"),
            Figure("reference: python -c pass", _bare_python(), "s"),
            Figure("idle memory of every process of the stack (PSS)", _median(memory), "MB", 200.0),
        ]


@contextmanager
def _stack(project: Path) -> Iterator[tuple[float, subprocess.Popen[str]]]:
    """A stack, and the seconds until it answered a query."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "headway.cli", "up", "--json", "--project", project),
            *("--port", "0", "--db-port", "0", "--inbox-port", "0"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=_environment(),
    )
    assert process.stdout is not None
    try:
        lines = list(iter(process.stdout.readline, "}\n"))
        variables = json.loads("".join(lines) + "}")
        answer = httpx.get(
            f"{variables['SUPABASE_URL']}/rest/v1/things?select=id",
            headers={"apikey": variables["SUPABASE_SECRET_KEY"]},
        )
        seconds = time.perf_counter() - began
        assert answer.json() == [{"id": 1}], answer.text
        yield seconds, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        process.stdout.close()


async def _postgres(directory: Path) -> tuple[list[float], list[float]]:
    """Postgres alone, from nothing and from an existing cluster to an answered query."""
    cold, warm = [], []
    binaries = resolve_binaries(LocalSettings())
    for number in range(_RUNS):
        for seconds in (cold, warm):
            server = PostgresServer(binaries, data_dir=directory / f"postgres-{number}", tcp_port=0)
            began = time.perf_counter()
            await server.start()
            seconds.append(time.perf_counter() - began)
            await server.stop()
    return cold, warm


async def _bare_initdb(directory: Path) -> float:
    from headway.local.postgres.accounts import server_account
    from headway.local.postgres.cluster import Cluster
    from headway.local.postgres.process import DEFAULT_GUARD
    from headway.local.postgres.server_log import ServerLog

    seconds = []
    for number in range(_RUNS):
        cluster = Cluster(
            directory / f"bare-{number}", resolve_binaries(LocalSettings()), server_account(None)
        )
        log = ServerLog(directory / "bare.log")
        began = time.perf_counter()
        await cluster.initialise(log, log.descriptor, durable=True, guard=DEFAULT_GUARD)
        seconds.append(time.perf_counter() - began)
        log.close()
    return _median(seconds)


def _bare_python() -> float:
    seconds = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        seconds.append(time.perf_counter() - began)
    return _median(seconds)


def _processor_s(pid: int) -> float:
    """What a process and everything below it have computed so far, whoever else uses the machine."""
    process = psutil.Process(pid)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _environment() -> dict[str, str]:
    # An installed package has its bytecode; compiling the sources anew at each start is no user's lot.
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _memory_mb(pid: int) -> float:
    """The proportional set size of a process and everything below it: shared pages are counted once."""
    process = psutil.Process(pid)
    return sum(each.memory_full_info().pss for each in (process, *process.children(recursive=True))) / 1e6


def _median(values: list[float]) -> float:
    return statistics.median(values)
