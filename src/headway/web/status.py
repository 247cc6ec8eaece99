"""What a client that polls is answered, in the form that it knows.

Source: ``docs/compatibility-views.md``: the five systems' own names of columns, as views of schema ``public``
under the caller's own row level security.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from headway.client.reading import read_result
from headway.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from postgrest import AsyncPostgrestClient

    from headway.client.headway import AsyncHeadway

__all__ = ["VIEWS", "JobStatusDocument", "read_status"]

VIEWS: Mapping[str, str] = {
    "cv.parse": "cv_processing_jobs",
    "talk_track.generate": "talk_track_jobs",
    "document.generate": "document_jobs",
    "video.process": "processing_jobs",
    "discovery.run": "discovery_jobs",
}
"""The view that shows the jobs of a kind."""

_IDS = {"document_jobs": "job_id"}
_ENDS = ("completed", "failed", "cancelled")
_POLL_AFTER_S = 2


@dataclass(frozen=True, slots=True)
class JobStatusDocument:
    """What to answer.

    Attributes:
        body: The row of the job's view; for other kinds the columns that the five views share.
        headers: ``ETag``, ``Cache-Control``, and ``Retry-After`` while there is something to wait for.
    """

    body: dict[str, Any]
    headers: dict[str, str]

    def is_known(self, if_none_match: str | None) -> bool:
        """Whether the poller has this already: answer 304 then."""
        known = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
        return self.headers["ETag"].removeprefix("W/") in known


async def read_status(
    headway: AsyncHeadway, job_id: UUID | str, *, view: str | None = None
) -> JobStatusDocument:
    """A job's status for a poller.

    Args:
        headway: The client of whoever polls.
        job_id: The job.
        view: Only jobs of this view, such as ``cv_processing_jobs``; any job when omitted.

    Raises:
        NotFound: there is no such job, it is not visible, or it is not of this view.
        InvalidRequest: it is no id, or there is no such view.
    """
    if view is not None and view not in VIEWS.values():
        raise InvalidRequest(
            f"view: {view[:100]!r} is none",
            hint=f"One of {', '.join(VIEWS.values())}.",
            code="HW100",
            details="view",
        )
    snapshot = await headway.get(job_id)
    chosen = VIEWS.get(snapshot.kind)
    if view is not None and view != chosen:
        raise _none(view)
    if chosen is not None:
        body = await _row(headway, chosen, snapshot.id)
    else:
        row = snapshot.model_dump(
            mode="json",
            include={
                "id",
                "kind",
                "status",
                "stage",
                "message",
                "metrics",
                "result",
                "created_at",
                "updated_at",
            }
            | {"started_at", "project_id", "organization_id"},
        )
        if snapshot.result_omitted:
            row["result"] = await read_result(headway.connection, snapshot.id)
        body = row | {
            "user_id": str(snapshot.owner_id) if snapshot.owner_id else None,
            "progress": round(snapshot.percent),
            "error_code": snapshot.error.code if snapshot.error else None,
            "error_message": snapshot.error.message if snapshot.error else None,
            "attempts": snapshot.attempt,
            "completed_at": snapshot.finished_at.isoformat() if snapshot.finished_at else None,
        }
    headers = {"ETag": f'W/"{snapshot.run}-{snapshot.revision}"', "Cache-Control": "private, no-cache"}
    if body["status"] not in _ENDS:
        headers["Retry-After"] = str(_POLL_AFTER_S)
    return JobStatusDocument(body, headers)


async def _row(headway: AsyncHeadway, view: str, job_id: UUID) -> dict[str, Any]:
    def query(rest: AsyncPostgrestClient) -> Any:
        column = _IDS.get(view, "id")
        return rest.schema("public").table(view).select("*").eq(column, str(job_id)).limit(1)

    rows = await headway.connection.select(query)
    if not rows:
        raise _none(view)
    found: dict[str, Any] = rows[0]
    return found


def _none(view: str) -> NotFound:
    return NotFound(
        "job_id: there is no such job here",
        hint=f"It may be of another kind, not yours, or past its retention; {view} has no such row.",
        code="HW301",
        details="job_id",
        status=404,
    )
