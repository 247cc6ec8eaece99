"""All five pipelines at once, each with its own sample and a bar of its own."""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console

from headway.cli.demo.figures import show_figures
from headway.cli.demo.house import House
from headway.cli.demo.people import Person
from headway.cli.demo.telling import done, seconds
from headway.cli.pipelines import pipelines_dir
from headway.client.handles import JobHandle
from headway.core.feed import Update
from headway.display import ProgressDisplay
from headway.errors import HeadwayError, JobFailed

__all__ = ["ALL_MODULES", "tell_five"]

ALL_MODULES = tuple(f"workers.{name}" for name in ("cv", "talk_track", "document", "video", "discovery"))
# Long enough for five bars to be seen moving.
_THINKING_S = {"openai": 0.7, "gemini": 0.4, "n8n": 1.5}


async def tell_five(house: House, person: Person, cv: Path, console: Console) -> dict[str, Any]:
    """Submit one job of each pipeline, watch all five, and show what has come of them.

    Args:
        house: With stack, sandbox and a worker of all five running.
        person: Who submits them.
        cv: The CV among the samples.
        console: Where to tell it.

    Returns:
        The figures by name.

    Raises:
        JobFailed: one of them has failed.
    """
    for provider, thinking_s in _THINKING_S.items():
        house.slow_down(provider, thinking_s)
    organization = await person.insert("organizations", {"name": "Demo & Daughters"})
    project = await person.insert("projects", {"name": "Demo", "organization_id": organization["id"]})
    done(console, "She founds an organisation with a project")
    began = time.perf_counter()
    jobs = await _submitted(person, UUID(project["id"]), cv)
    done(console, f"{len(jobs)} jobs are submitted", time.perf_counter() - began)
    began = time.perf_counter()
    with ProgressDisplay(console=console, outputs=1) as display:
        for title, job in jobs.items():
            display.announce(job, title)
        ends = await display.follow(*jobs.values(), after_seq=0)
    elapsed = time.perf_counter() - began
    _require_success(jobs, ends)
    done(console, "All five have completed", elapsed)
    costs = {
        title: sum((record.cost for record in await job.usage()), Decimal(0)) for title, job in jobs.items()
    }
    outcomes = {title: await _outcome(job) for title, job in jobs.items()}
    console.print()
    show_figures(console, [(title, f"{outcomes[title]}; ${_rounded(costs[title])}") for title in jobs])
    show_figures(console, [("the five together", seconds(elapsed))])
    return {
        "seconds": round(elapsed, 2),
        "jobs": {title: str(job.id) for title, job in jobs.items()},
        "costs": {title: str(cost) for title, cost in costs.items()},
    }


async def _submitted(person: Person, project: UUID, cv: Path) -> dict[str, JobHandle]:
    samples = pipelines_dir() / "workers"
    submit = person.hw.submit
    handles = await asyncio.gather(
        submit("cv.parse", {}, files={"cv": cv}, bucket="cvs"),
        submit("talk_track.generate", _sample("talk_track", "sample"), project_id=project),
        submit("document.generate", _sample("document", "sample"), project_id=project),
        submit(
            "video.process",
            _sample("video", "samples"),
            files={"video": samples / "video" / "samples" / "welcome.mp4"},
            bucket="videos",
            project_id=project,
        ),
        submit("discovery.run", _sample("discovery", "samples")),
    )
    titles = ("CV to profile", "Talk track", "Handbook document", "Video to docs", "Business discovery")
    return dict(zip(titles, handles, strict=True))


def _sample(pipeline: str, folder: str) -> Any:
    return json.loads((pipelines_dir() / "workers" / pipeline / folder / "payload.json").read_text("utf-8"))


def _rounded(cost: Decimal) -> str:
    return f"{cost.quantize(Decimal('0.0001')).normalize():f}"


def _require_success(jobs: dict[str, JobHandle], ends: list[Update]) -> None:
    for title, end in zip(jobs, ends, strict=True):
        if end.status != "completed":
            error = end.error
            raise JobFailed(
                f"{title}: {error.message if error else end.status}",
                hint=error.hint if error else None,
                code=error.code if error else "demo_failed",
            )


async def _outcome(job: JobHandle) -> str:
    result = await job.result()
    if not isinstance(result, dict):
        raise HeadwayError(f"The demo found a fault: {job.kind} answered {result!r}", code="demo_failed")
    match job.kind:
        case "cv.parse":
            return f"{len(result['work_experience'])} roles, {len(result['board_experience'])} board roles"
        case "talk_track.generate":
            return f"{result['slides']} slides, {result['total_duration_seconds'] / 60:.0f} minutes to speak"
        case "document.generate":
            return f"{result['bytes']:,} bytes of HTML"
        case "video.process":
            languages = [entry["language"] for entry in result["languages"]]
            return f"{len(result['chapters'])} chapters, translated to {', '.join(languages)}"
        case _:
            return (
                f"{result['leads_enriched']} leads with a contact, of {result['businesses_found']} businesses"
            )
