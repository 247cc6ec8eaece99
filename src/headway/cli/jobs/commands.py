"""How the commands about jobs are written on a command line.

Only what parsing needs is imported here, as in ``headway.cli.main``.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

if TYPE_CHECKING:
    from headway.cli.jobs.running import Caller

__all__ = ["app"]

app = typer.Typer()

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.", show_default=False)]
JobsArgument = Annotated[
    list[str], typer.Argument(metavar="JOB...", help="The jobs' ids.", show_default=False)
]
ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", help="A folder whose running stack is meant, whatever the environment says."),
]
ServiceOption = Annotated[
    bool, typer.Option("--service", help="Use the secret key: past row level security, as an operator.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, errors included.")]
TimeoutOption = Annotated[
    float | None, typer.Option(min=0, help="Seconds to wait; exit status 12 after them.")
]


class Status(StrEnum):
    """A job's status."""

    pending = "pending"
    processing = "processing"
    completed = "completed"
    failed = "failed"
    cancelled = "cancelled"


def _caller(project: Path | None, service: bool, as_json: bool) -> Caller:
    from headway.cli.jobs.running import Caller

    return Caller(project, service, as_json)


@app.command(
    epilog="""\b
Examples:
  headway submit cv.parse --bucket cvs --file cv=cv.pdf --watch
  headway submit profile.export --set language=de --set contact=false
  headway submit cv.parse --bucket cvs --file cv=cv.pdf --json | jq -r .id"""
)
def submit(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="The job's kind, such as cv.parse.")],
    payload: Annotated[
        str | None,
        typer.Argument(
            metavar="PAYLOAD", help="JSON, @FILE with JSON, or - for standard input; {} when omitted."
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Put a value into the payload.")
    ] = None,
    files: Annotated[
        list[str] | None, typer.Option("--file", metavar="NAME=PATH", help="An input file.")
    ] = None,
    bucket: Annotated[str | None, typer.Option(help="Where the files go; job-files when omitted.")] = None,
    queue: Annotated[str | None, typer.Option(help="Instead of the kind's queue.")] = None,
    priority: Annotated[int | None, typer.Option(min=0, max=9, help="9 is the most urgent.")] = None,
    delay: Annotated[float | None, typer.Option(min=0, help="Not before so many seconds.")] = None,
    run_at: Annotated[
        str | None, typer.Option(help="Not before this moment, such as 2026-11-26T09:00.")
    ] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key finds the same job.")] = None,
    unique_key: Annotated[
        str | None, typer.Option(help="Finds a job of this key that has not ended.")
    ] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="A word to find it by.")] = None,
    organization_id: Annotated[UUID | None, typer.Option(help="Whose it is, instead of yours.")] = None,
    project_id: Annotated[UUID | None, typer.Option(help="The project in your app it belongs to.")] = None,
    owner_id: Annotated[UUID | None, typer.Option(help="With --service: on whose behalf.")] = None,
    max_attempts: Annotated[int | None, typer.Option(min=1, help="How often it may be tried.")] = None,
    cost_budget: Annotated[str | None, typer.Option(help="What its paid calls may cost.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show its progress until it ends.")] = False,
    timeout: TimeoutOption = None,
    project: ProjectOption = None,
    service: ServiceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a job, and print its id."""
    from headway.cli.jobs.inputs import read_decimal, read_files, read_moment, read_payload
    from headway.cli.jobs.running import refusing
    from headway.cli.jobs.submit import submit_job

    caller = _caller(project, service, as_json)
    with refusing(caller):
        content = read_payload(payload, assignments or ())
        paths = read_files(files or ())
        fields = {
            "bucket": bucket,
            "queue": queue,
            "priority": priority,
            "delay": delay,
            "run_at": read_moment(run_at, "--run-at"),
            "idempotency_key": idempotency_key,
            "unique_key": unique_key,
            "tags": tuple(tags or ()),
            "organization_id": organization_id,
            "project_id": project_id,
            "owner_id": owner_id,
            "max_attempts": max_attempts,
            "cost_budget": read_decimal(cost_budget, "--cost-budget"),
        }
    submit_job(caller, kind, content, paths, fields, watch=watch, wait_s=timeout)


@app.command(short_help="Show jobs live until they end.")
def watch(
    jobs: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB]...", help="The jobs' ids; all of yours with --all.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Follow a list: jobs that appear later too, until interrupted.")
    ] = False,
    organization_id: Annotated[UUID | None, typer.Option(help="With --all: this organisation's.")] = None,
    project_id: Annotated[UUID | None, typer.Option(help="With --all: this project's.")] = None,
    after_seq: Annotated[
        int | None, typer.Option(min=0, help="Of the only JOB: tell what came after this seq; 0 for all.")
    ] = None,
    follow_retries: Annotated[bool, typer.Option("--follow-retries", help="Go on after ends.")] = False,
    timeout: TimeoutOption = None,
    project: ProjectOption = None,
    service: ServiceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show jobs live until they end: bars, stages, time left, partial output; --json is one update a line."""
    from headway.cli.jobs.watch import watch_list, watch_named

    caller = _caller(project, service, as_json)
    if everything == bool(jobs):
        raise typer.BadParameter("name JOBs, or say --all")
    if everything:
        watch_list(caller, organization=organization_id, project=project_id, timeout_s=timeout)
        return
    if after_seq is not None and len(jobs or ()) != 1:
        raise typer.BadParameter("--after-seq is about exactly one JOB")
    watch_named(caller, jobs or (), after_seq=after_seq, follow_retries=follow_retries, timeout_s=timeout)


@app.command("list")
def list_(
    status: Annotated[list[Status] | None, typer.Option(help="Only of this status; may be repeated.")] = None,
    active: Annotated[bool, typer.Option("--active", help="Only those that have not ended.")] = False,
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind; may be repeated.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Only with this tag.")] = None,
    organization_id: Annotated[UUID | None, typer.Option(help="Only of this organisation.")] = None,
    project_id: Annotated[UUID | None, typer.Option(help="Only of this project in your app.")] = None,
    batch_id: Annotated[UUID | None, typer.Option(help="Only of this batch.")] = None,
    since: Annotated[str | None, typer.Option(help="Since a moment, or 15m, 6h, 7d ago.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="At most so many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="The page after the one that printed this.")] = None,
    project: ProjectOption = None,
    service: ServiceOption = False,
    as_json: JsonOption = False,
) -> None:
    """List jobs, the newest first."""
    from headway.cli.jobs.inputs import read_moment
    from headway.cli.jobs.listing import list_jobs
    from headway.cli.jobs.running import refusing

    if active and status:
        raise typer.BadParameter("--active and --status exclude each other")
    caller = _caller(project, service, as_json)
    with refusing(caller):
        moment = read_moment(since, "--since")
    statuses = ["pending", "processing"] if active else [each.value for each in status or ()]
    filters = {
        "status": statuses or None,
        "kind": kind or None,
        "tags": tags or None,
        "organization_id": organization_id,
        "project_id": project_id,
        "batch_id": batch_id,
        "since": moment,
        "limit": limit,
        "cursor": cursor,
    }
    list_jobs(caller, filters)


@app.command(short_help="Show everything about a job.")
def show(
    job: JobArgument,
    project: ProjectOption = None,
    service: ServiceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show everything about a job: stages, steps, timeline, usage, files."""
    from headway.cli.jobs.show import show_job

    show_job(_caller(project, service, as_json), job)


@app.command(short_help="Wait for a job's end, and print its result.")
def result(
    job: JobArgument,
    timeout: TimeoutOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it to this file.")] = None,
    project: ProjectOption = None,
    service: ServiceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Wait for a job's end, and print its result as JSON."""
    from headway.cli.jobs.result import print_result

    print_result(_caller(project, service, as_json), job, timeout_s=timeout, out=out)


@app.command(short_help="Download a job's files.")
def download(
    job: JobArgument,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which file; all outputs when omitted.")
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="The file or folder to write to.")] = Path(),
    keep: Annotated[bool, typer.Option("--keep", help="Never replace a file that is there.")] = False,
    project: ProjectOption = None,
    service: ServiceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Download a job's files, verified by their checksums."""
    from headway.cli.jobs.result import download_files

    download_files(_caller(project, service, as_json), job, name, to, replace=not keep)


@app.command(short_help="Cancel jobs.")
def cancel(
    jobs: JobsArgument,
    reason: Annotated[str | None, typer.Option(help="For whoever wonders.")] = None,
    project: ProjectOption = None,
    service: ServiceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Cancel jobs: waiting ones at once, running ones are asked to stop."""
    from headway.cli.jobs.act import cancel_jobs

    cancel_jobs(_caller(project, service, as_json), jobs, reason)


@app.command(short_help="Run a job that has ended once more.")
def retry(
    job: JobArgument,
    from_step: Annotated[
        str | None, typer.Option(help="Keep only the completed steps before this one; all when omitted.")
    ] = None,
    cost_budget: Annotated[
        str | None, typer.Option(help="What it may cost from its beginning, when a budget has stopped it.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show its progress until it ends.")] = False,
    timeout: TimeoutOption = None,
    project: ProjectOption = None,
    service: ServiceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a job that has ended once more, from the step where it failed."""
    from headway.cli.jobs.act import retry_job
    from headway.cli.jobs.inputs import read_decimal
    from headway.cli.jobs.running import refusing

    caller = _caller(project, service, as_json)
    with refusing(caller):
        budget = read_decimal(cost_budget, "--cost-budget")
    retry_job(caller, job, from_step, cost_budget=budget, watch=watch, timeout_s=timeout)


@app.command()
def signal(
    job: JobArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The signal's name.")],
    payload: Annotated[
        str | None, typer.Argument(metavar="PAYLOAD", help="JSON, @FILE, or - for standard input.")
    ] = None,
    project: ProjectOption = None,
    service: ServiceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a job what it waits for."""
    from headway.cli.jobs.act import signal_job
    from headway.cli.jobs.inputs import read_payload
    from headway.cli.jobs.running import refusing

    caller = _caller(project, service, as_json)
    with refusing(caller):
        content = None if payload is None else read_payload(payload)
    signal_job(caller, job, name, content)


@app.command()
def login(
    email: Annotated[str | None, typer.Option(help="Your e-mail address; asked for when omitted.")] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="As somebody new without a name.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign in to a project, for later commands."""
    from headway.cli.jobs.login import log_in
    from headway.cli.jobs.running import refusing

    with refusing(_caller(project, False, as_json)):
        log_in(project, email=email, anonymous=anonymous, as_json=as_json)


@app.command()
def logout(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Forget the session of `headway login`."""
    from headway.cli.jobs.login import log_out
    from headway.cli.jobs.running import refusing

    with refusing(_caller(project, False, as_json)):
        log_out(project, as_json=as_json)


@app.command()
def whoami(
    project: ProjectOption = None, service: ServiceOption = False, as_json: JsonOption = False
) -> None:
    """Print as whom the commands ask."""
    from headway.cli.jobs.login import who_am_i

    who_am_i(_caller(project, service, as_json))


@app.command(short_help="Say what a project lacks, and what to do.")
def doctor(
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are failures too.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at everything that Headway needs of a project, and say what to do; nothing is changed."""
    from headway.cli.jobs.doctor import run_doctor

    run_doctor(project, strict=strict, as_json=as_json)
