"""What tests of videos share: a small real video, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from headway.sandbox.environment import SANDBOX_KEYS

from .harness import Office, Somebody

__all__ = ["GENERATE", "KIND", "UPLOAD", "files_at_the_provider", "made", "submit"]

KIND = "video.process"
GENERATE = "/gemini/v1beta/models/gemini-2.5-flash:generateContent"
UPLOAD = "/gemini/upload/v1beta/files"


async def files_at_the_provider(office: Office) -> list[str]:
    """The videos that Gemini holds."""
    key = {"x-goog-api-key": SANDBOX_KEYS["GEMINI_API_KEY"]}
    async with httpx.AsyncClient(base_url=office.sandbox.url) as http:
        listed = (await http.get("/gemini/v1beta/files", headers=key)).json()
    return [file["name"] for file in listed["files"]]


async def submit(who: Somebody, project: str, video: Path, languages: Sequence[str] = (), **more: Any) -> Any:
    """A job for a video, as an app submits it."""
    return await who.hw.submit(
        KIND,
        {"languages": list(languages)},
        files={"video": video},
        bucket="videos",
        project_id=project,
        **more,
    )


async def made(who: Somebody) -> dict[str, list[dict[str, Any]]]:
    """All that somebody sees of videos and what was made of them."""
    tables = ("videos", "video_segments", "chapters", "articles", "processing_jobs")
    return {table: await who.rows(table) for table in tables}
