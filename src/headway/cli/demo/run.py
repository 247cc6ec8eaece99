"""``headway demo``: who is started in which order, and that nothing is left."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from headway.cli.demo.cv import MODULES, tell_cv
from headway.cli.demo.five import ALL_MODULES, tell_five
from headway.cli.demo.house import House
from headway.cli.demo.people import signed_up
from headway.cli.demo.telling import done
from headway.cli.loop import event_loop
from headway.cli.pipelines import pipelines_dir
from headway.cli.throwaway import ThrowawayDirectory
from headway.errors import ConfigError

__all__ = ["run_demo"]

_SAMPLE = ("workers", "cv", "samples", "helena-sorensen-okafor.pdf")
_EMAIL = "helena@example.com"


def run_demo(file: Path | None, *, everything: bool, keep: bool, as_json: bool) -> None:
    """Show Headway at work on a throwaway stack, and remove all of it.

    Args:
        file: A CV; the sample when omitted.
        everything: All five pipelines at once, instead of one whose worker is killed.
        keep: Leave everything running until Ctrl-C.
        as_json: Print the figures as JSON on standard output, and the story on standard error.

    Raises:
        ConfigError: there is no such file.
        HeadwayError: something that was to be shown is not so.
    """
    cv = file or pipelines_dir().joinpath(*_SAMPLE)
    if not cv.is_file():
        raise ConfigError(
            f"There is no file {cv}", hint="Name a PDF, DOCX, text or image.", code="file_missing"
        )
    console = Console(highlight=False, stderr=as_json)
    began = time.perf_counter()
    # As Ctrl-C does: whatever the story is at, everything is ended in order.
    signal.signal(signal.SIGTERM, _interrupt)
    password = secrets.token_urlsafe(12)
    try:
        with ThrowawayDirectory() as throwaway:
            house = House(throwaway)
            try:
                figures = _story(house, cv, password, console, everything=everything)
                if keep:
                    _look_around(house, password, console)
            finally:
                house.close()
    except KeyboardInterrupt:
        console.print("Interrupted.")
        raise SystemExit(130) from None
    finally:
        # Also when the file was no CV: nobody is to wonder about what was started for it.
        took = time.perf_counter() - began
        done(console, f"Everything is gone again after {took:.0f} s: processes, files, ports")
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _story(house: House, cv: Path, password: str, console: Console, *, everything: bool) -> dict[str, Any]:
    title = "five jobs at once, live" if everything else "a CV becomes a profile, live"
    console.print(f"[bold]Headway[/]: {title}\n")
    took = house.start_stack()
    done(
        console,
        f"A stack answers at [cyan]{house.url}[/]: Postgres, REST, Auth, Storage, Realtime",
        took,
    )
    took = house.start_sandbox()
    done(console, f"A sandbox stands in for the paid APIs at [cyan]{house.sandbox_url}[/]", took)
    worker, took = house.start_worker("worker 1", ALL_MODULES if everything else MODULES)
    done(console, f"A worker takes jobs: process {worker.pid}, with a URL and a secret key", took)
    # What uvloop saves in latency is what is to be shown.
    with asyncio.Runner(loop_factory=event_loop) as runner:
        return runner.run(_as_person(house, cv, password, console, everything=everything))


async def _as_person(
    house: House, cv: Path, password: str, console: Console, *, everything: bool
) -> dict[str, Any]:
    key = house.stack["SUPABASE_PUBLISHABLE_KEY"]
    began = time.perf_counter()
    async with signed_up(house.url, key, email=_EMAIL, password=password) as person:
        done(
            console,
            "Helena signs up; all that follows happens with her own token",
            time.perf_counter() - began,
        )
        tell = tell_five if everything else tell_cv
        return await tell(house, person, cv, console)


def _look_around(house: House, password: str, console: Console) -> None:
    console.print("\nStill running, to look around; Ctrl-C ends it:")
    for name in ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY", "SUPABASE_DB_URL"):
        console.print(f"  {name}={house.stack[name]}", soft_wrap=True)
    # With these, "headway list" and "headway show" speak for the person of the story.
    console.print(f"  HEADWAY_EMAIL={_EMAIL}\n  HEADWAY_PASSWORD={password}", soft_wrap=True, markup=False)
    for name in ("stack", "sandbox", "worker 1", "worker 2"):
        log = house.household.log_of(name)
        if log.exists():
            console.print(f"  [dim]log of {name}:[/] {log}", soft_wrap=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print()
