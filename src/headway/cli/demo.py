"""``headway demo``: what there is, shown on a throwaway stack with the official client."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from headway.cli.target import load_settings
from headway.cli.throwaway import ThrowawayDirectory
from headway.cli.up import configure_logging, event_loop
from headway.errors import HeadwayError
from headway.local.postgres.sockets import socket_dir
from headway.local.project import Project, packaged_supabase_dir

if TYPE_CHECKING:
    from supabase import AsyncClient

    from headway.local.stack import Stack

__all__ = ["run_demo"]

_NOTES = """\
create table public.notes (
  id bigint generated always as identity primary key,
  owner_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  body text not null
);
alter table public.notes enable row level security;
create policy "owners see and write their notes" on public.notes
  for all to authenticated using (owner_id = (select auth.uid())) with check (owner_id = (select auth.uid()));
grant select, insert on public.notes to authenticated;
"""


def run_demo() -> None:
    """Bring up a throwaway stack, use it as two people through the official client, and remove it.

    Raises:
        HeadwayError: something that was to be shown is not so.
    """
    console = Console(highlight=False)
    began = time.perf_counter()
    with ThrowawayDirectory() as throwaway:
        project = _demo_project(throwaway.path)
        project.prepare()
        throwaway.also_remove(socket_dir(project.postgres_dir))
        configure_logging(project.stack_log, screen=False)
        settings = load_settings(
            {
                "data_dir": project.data_dir,
                "api_port": 0,
                "db_port": 0,
                "inbox_port": 0,
                "durable": False,
            }
        )
        from headway.local.stack import Stack

        stack = Stack(project.supabase_dir, project.data_dir, project.config(), settings)
        with asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(_show(stack, console, began))
    console.print("[green]✓[/] Everything is gone again: processes, files, ports.")
    console.print("[dim]Your own: `headway up` in a folder with supabase/migrations.[/]")


def _demo_project(directory: Path) -> Project:
    supabase = directory / "project" / "supabase"
    shutil.copytree(packaged_supabase_dir(), supabase)
    newest = max((file.name for file in (supabase / "migrations").glob("*.sql")), default="0")
    version = int(newest.split("_")[0]) + 1
    (supabase / "migrations").mkdir(exist_ok=True)
    (supabase / "migrations" / f"{version}_notes.sql").write_text(_NOTES, "utf-8")
    return Project(directory / "project", directory / "data")


async def _show(stack: Stack, console: Console, began: float) -> None:
    console.print("[bold]Headway[/]: a Supabase-compatible stack on this machine\n")
    await stack.start()
    try:
        versions = await _versions(stack)
        console.print(
            f"[green]✓[/] {versions}; REST, Auth, Storage and Realtime at [cyan]{stack.public_url}[/] "
            f"after {time.perf_counter() - began:.1f} s"
        )
        try:
            await _walk_through(stack, console)
        except _client_errors() as error:
            raise _fault(f"{type(error).__name__}: {error}") from error
    finally:
        await stack.stop()


def _client_errors() -> tuple[type[Exception], ...]:
    from httpx import HTTPError
    from postgrest.exceptions import APIError
    from supabase_auth.errors import AuthError

    return HTTPError, APIError, AuthError


async def _versions(stack: Stack) -> str:
    connection = await stack.database.connect("postgres")
    try:
        version = await connection.fetchval("show server_version")
        applied = await connection.fetchval("select count(*) from supabase_migrations.schema_migrations")
    finally:
        await connection.close()
    return f"Postgres {version} with {applied} migrations"


async def _walk_through(stack: Stack, console: Console) -> None:
    with _step(console, "The official Python client signs up two people"):
        ada, grace = await asyncio.gather(_signed_up(stack, "ada"), _signed_up(stack, "grace"))
    with _step(console, "Ada writes a note through the REST API"):
        written = (await ada.table("notes").insert({"body": "Only mine."}).execute()).data
        note = written[0] if len(written) == 1 else None
        if not isinstance(note, dict):
            raise _fault(f"the insert answered {written!r}")
    console.print(f"  [dim]{note}[/]")
    with _step(console, "Row level security: Ada reads one note, Grace none"):
        seen = [len((await who.table("notes").select("*").execute()).data) for who in (ada, grace)]
        if seen != [1, 0]:
            raise _fault(f"Ada and Grace read {seen} notes")
    with _step(console, "Grace cannot write in Ada's name"):
        refusal = await _refused(
            lambda: grace.table("notes").insert({"body": "x", "owner_id": note["owner_id"]}).execute()
        )
    console.print(f"  [dim]{refusal}[/]")


async def _signed_up(stack: Stack, name: str) -> AsyncClient:
    from supabase import acreate_client

    client = await acreate_client(stack.public_url, stack.keys.publishable_key)
    await client.auth.sign_up({"email": f"{name}@example.com", "password": f"{name}'s demo password"})
    return client


async def _refused(request: Callable[[], Awaitable[Any]]) -> str:
    from postgrest.exceptions import APIError

    try:
        answer = await request()
    except APIError as error:
        if error.code != "42501":
            raise
        return f"{error.code}: {error.message}"
    raise _fault(f"the write was accepted: {answer!r}")


def _fault(what: str) -> HeadwayError:
    return HeadwayError(f"The demo found a fault: {what}", code="demo_failed")


@contextmanager
def _step(console: Console, what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    console.print(f"[green]✓[/] {what} [dim]({(time.perf_counter() - began) * 1000:.0f} ms)[/]")
