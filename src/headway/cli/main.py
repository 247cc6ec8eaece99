"""The command line: ``headway``.

Only what parsing needs is imported here; a command imports its work when it runs, so that ``--help`` and
scripts stay quick.

Exit statuses, the same for all commands:

== =========================================================================
0  done; of ``watch``: every job has completed; of ``doctor``: all is well
1  it failed, or was refused; ``doctor`` has found something
2  the command line is wrong
3  no stack is running, and no project is named
4  a stack is running already
5  nobody is signed in, or whoever is may not do this
6  there is no such job or file, or it is not visible
7  the project could not be asked, or cannot answer now
10 the job has failed
11 the job was cancelled
12 the job has not ended in time
== =========================================================================

``--json`` prints results to standard output, and an error as ``{"error": {"code", "message", "hint",
"details"}}`` on one line to standard error.
``up --ephemeral -- COMMAND`` exits with COMMAND's status, 128+n when signal n ended it.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from headway.cli.exits import FAILED, exit_status_of
from headway.cli.jobs.commands import app as job_commands
from headway.errors import HeadwayError

__all__ = ["app", "run"]

app = typer.Typer(
    name="headway",
    help="Background jobs for Supabase, and a Supabase-compatible stack on your machine to build them on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", help="The project's folder; the nearest with supabase/ when omitted."),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where the stack's data live; PROJECT/.headway when omitted."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class StatusFormat(StrEnum):
    """How ``headway status`` prints."""

    table = "table"
    env = "env"
    json = "json"


class LogSource(StrEnum):
    """Whose log."""

    stack = "stack"
    postgres = "postgres"


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"headway {version('headway')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Background jobs for Supabase, and a Supabase-compatible stack on your machine to build them on."""


@app.command(short_help="Start the local stack.")
def up(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="With --ephemeral: run this with the stack's environment, after `--`."),
    ] = None,
    project: ProjectOption = None,
    data_dir: DataDirOption = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The gateway's port; 0 for a free one.")] = None,
    db_port: Annotated[int | None, typer.Option(help="Postgres's port; 0 for a free one.")] = None,
    inbox_port: Annotated[int | None, typer.Option(help="The mail inbox's port; 0 for a free one.")] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when the stack answers.")] = False,
    ephemeral: Annotated[
        bool, typer.Option("--ephemeral", help="A throwaway stack on free ports; nothing is left of it.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print neither addresses nor requests.")
    ] = False,
    as_json: JsonOption = False,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Start the local stack: Postgres, /rest/v1, /auth/v1, /storage/v1 and /realtime/v1 behind one port."""
    if command and not ephemeral:
        raise typer.BadParameter("a COMMAND needs --ephemeral")
    if detach and ephemeral:
        raise typer.BadParameter("--detach and --ephemeral exclude each other")
    settings = {
        "data_dir": data_dir,
        "host": host,
        "api_port": port,
        "db_port": db_port,
        "inbox_port": inbox_port,
    }
    if ephemeral:
        from headway.cli.ephemeral import run_ephemeral

        raise typer.Exit(
            run_ephemeral(command or [], project=project, settings=settings, quiet=quiet, as_json=as_json)
        )
    if detach:
        from headway.cli.detach import up_detached

        up_detached(project=project, settings=settings, quiet=quiet, as_json=as_json)
        return
    from headway.cli.up import run_foreground

    run_foreground(project=project, settings=settings, quiet=quiet, as_json=as_json, ready_fd=ready_fd)


@app.command()
def down(
    project: ProjectOption = None,
    data_dir: DataDirOption = None,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds until it is killed.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Stop the running stack; its data stay."""
    from headway.cli.down import stop_running

    stop_running(project=project, data_dir=data_dir, timeout_s=timeout, as_json=as_json)


@app.command()
def status(
    project: ProjectOption = None,
    data_dir: DataDirOption = None,
    output: Annotated[
        StatusFormat, typer.Option("--output", "-o", help="How to print.")
    ] = StatusFormat.table,
    override_name: Annotated[
        list[str] | None,
        typer.Option(help="With -o env: another variable name, such as api.url=NEXT_PUBLIC_SUPABASE_URL."),
    ] = None,
) -> None:
    """Show the running stack's addresses, keys and figures."""
    from headway.cli.status import print_status

    print_status(project=project, data_dir=data_dir, output=output.value, overrides=override_name or [])


@app.command(short_help="Empty the database; apply migrations and seed again.")
def reset(project: ProjectOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Drop the database's content and apply migrations and seed anew, on a running or a stopped stack."""
    from headway.cli.reset import reset_stack

    reset_stack(project=project, data_dir=data_dir, as_json=as_json)


@app.command(short_help="Print what the stack logged.")
def logs(
    source: Annotated[LogSource | None, typer.Argument(help="Whose log; both when omitted.")] = None,
    project: ProjectOption = None,
    data_dir: DataDirOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is logged.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many past lines.")] = 100,
) -> None:
    """Print what the stack and its Postgres logged."""
    from headway.cli.logs import print_logs

    sources = [source.value] if source else [each.value for each in LogSource]
    print_logs(sources, project=project, data_dir=data_dir, follow=follow, lines=lines)


@app.command(short_help="Run SQL on the running stack.")
def sql(
    file: Annotated[Path | None, typer.Argument(help="A file with SQL; standard input when omitted.")] = None,
    command: Annotated[str | None, typer.Option("--command", "-c", help="The SQL itself.")] = None,
    role: Annotated[str, typer.Option(help="The database role to connect as.")] = "postgres",
    project: ProjectOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run SQL on the running stack in one transaction, and print what the last statement returned."""
    from headway.cli.sql import run_sql

    if command is not None and file is not None:
        raise typer.BadParameter("give either a FILE or --command")
    run_sql(command, file, role=role, project=project, data_dir=data_dir, as_json=as_json)


@app.command(context_settings={"ignore_unknown_options": True})
def psql(
    arguments: Annotated[list[str] | None, typer.Argument(help="psql's own arguments.")] = None,
    role: Annotated[str, typer.Option(help="The database role to connect as.")] = "postgres",
    project: ProjectOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Open psql on the running stack."""
    from headway.cli.sql import run_psql

    run_psql(arguments or [], role=role, project=project, data_dir=data_dir)


@app.command(short_help="Run the jobs that modules declare.")
def worker(
    modules: Annotated[
        list[str], typer.Argument(help="Import paths of modules with Worker objects, such as workers.cv.")
    ],
    once: Annotated[bool, typer.Option("--once", help="Claim once, run what was claimed, and end.")] = False,
    burst: Annotated[
        bool, typer.Option("--burst", help="Run until nothing can be claimed, and end.")
    ] = False,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", "-c", min=1, help="How many jobs at once.")
    ] = None,
    queues: Annotated[
        str | None, typer.Option(help="Take jobs from these queues only, such as urgent,default.")
    ] = None,
    kinds: Annotated[str | None, typer.Option(help="Run only these of the modules' kinds.")] = None,
    http_port: Annotated[
        int | None, typer.Option(help="Serve /healthz, /readyz, /metrics and routes there; 0 for a free one.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What this worker is called.")] = None,
) -> None:
    """Run the jobs that modules declare, until SIGTERM or Ctrl-C; twice hands running jobs back at once."""
    if once and burst:
        raise typer.BadParameter("--once and --burst exclude each other")
    from headway.cli.worker import run_modules

    settings = {
        "concurrency": concurrency,
        "queues": queues,
        "kinds": kinds,
        "http_port": http_port,
        "worker_name": name,
    }
    run_modules(modules, mode="once" if once else "burst" if burst else "serve", settings=settings)


@app.command(short_help="Stand in for the paid APIs, offline.")
def sandbox(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 for a free one.")] = 0,
    output: Annotated[
        StatusFormat, typer.Option("--output", "-o", help="How to print the variables.")
    ] = StatusFormat.table,
    prices: Annotated[Path | None, typer.Option(help="A price list; Headway's own when omitted.")] = None,
) -> None:
    """Stand in for the paid APIs, offline, until Ctrl-C; prints the variables that clients need."""
    from headway.cli.sandbox import run_sandbox

    run_sandbox(host=host, port=port, output=output.value, prices=prices)


@app.command(short_help="Show a CV become a profile, live.")
def demo(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A CV: PDF, DOCX, text or image.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All five pipelines at once.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """A CV becomes a profile, live, on a throwaway stack, although its worker is killed in the middle."""
    from headway.cli.demo import run_demo

    run_demo(file, everything=everything, keep=keep, as_json=as_json)


app.add_typer(job_commands)


def run() -> NoReturn:
    """The program ``headway``: runs the command line and exits."""
    try:
        app()
    except HeadwayError as error:
        _report(error.message, error.hint)
        raise SystemExit(exit_status_of(error)) from None
    except OSError as error:
        _report(f"{error.filename or 'system'}: {error.strerror or error}", None)
        raise SystemExit(FAILED) from None
    raise SystemExit(0)


def _report(message: str, hint: str | None) -> None:
    sys.stderr.write(f"error: {message}\n" + (f"hint: {hint}\n" if hint else ""))


if __name__ == "__main__":
    run()
