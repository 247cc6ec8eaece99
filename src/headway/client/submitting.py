"""Sends jobs, and the files that go with them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

from headway.client.connection import Connection
from headway.client.files import Attachable, Files, OnProgress
from headway.client.reading import read_files
from headway.core.answers import Submitted, SubmittedMany
from headway.core.ids import new_id
from headway.core.submission import InputFile, Submission, read_submission, submissions_body
from headway.core.validation import read_answer
from headway.errors import HeadwayError, InvalidRequest, NotFound

__all__ = ["Job", "submission_of", "submit_many", "submit_one"]

Job: TypeAlias = Submission | Mapping[str, Any]
"""One of many jobs: the fields that ``submit`` takes, ``kind`` among them."""

_TURN = 200
_SECONDS = {"delay": "delay_seconds", "retention": "retention_seconds"}


def submission_of(fields: Mapping[str, Any], path: str = "") -> Submission:
    """A valid submission from what ``submit`` was given.

    Args:
        fields: By ``submit``'s names; ``None`` counts as left out.
        path: What to put before the names of fields in errors.

    Raises:
        InvalidRequest: a field is wrong.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    for short, column in _SECONDS.items():
        if short in given:
            given[column] = _seconds(given.pop(short))
    retention = given.get("retention_seconds")
    if isinstance(retention, float) and retention.is_integer():
        given["retention_seconds"] = int(retention)
    # Ids that follow each other in time keep jobs that are claimed together on the same pages.
    given.setdefault("id", new_id())
    return read_submission(given, path)


async def submit_one(
    connection: Connection,
    fields: Mapping[str, Any],
    files: Mapping[str, Attachable] | None,
    bucket: str,
    on_upload: OnProgress | None,
) -> Submitted:
    """Submit one job; its files are uploaded first, and removed again when there is no job for them.

    Raises:
        HeadwayError: the job was refused, or could not be sent; nothing is left behind.
    """
    if files is not None and not isinstance(files, Mapping):
        raise InvalidRequest(
            "files: is no mapping of names to files",
            hint='Send a mapping such as {"cv": Path("cv.pdf")}.',
            code="HW100",
            details="files",
        )
    if not files:
        return await _submit(connection, submission_of(fields))
    # What the handler is to call them is looked at before anything is uploaded.
    named = [{"name": name, "bucket": bucket, "path": "unknown"} for name in files]
    submission = submission_of({**fields, "files": named})
    attaching = Files(connection).attaching(
        files, bucket=bucket, organization_id=submission.organization_id, on_progress=on_upload
    )
    async with attaching as attached:
        attached.stored = lambda: _exists(connection, submission.id)
        with_files = submission_of({**fields, "id": submission.id, "files": attached.files})
        answer = await attached.sending(_submit(connection, with_files))
        attached.settle(keep=await _took(connection, submission, answer, attached.files))
    return answer


async def submit_many(
    connection: Connection, jobs: Iterable[Job], batch_id: UUID | None, batch_name: str | None
) -> SubmittedMany:
    """Submit up to 10,000 jobs in one request: all of them or none.

    Raises:
        HeadwayError: one was refused (its place is named), or they could not be sent.
    """
    if not isinstance(jobs, Iterable):
        raise _no_job("jobs")
    submissions = []
    for place, job in enumerate(jobs):
        if isinstance(job, Submission):
            submissions.append(job)
        elif isinstance(job, Mapping):
            submissions.append(submission_of(_without_files(job, place), f"jobs[{place}]"))
        else:
            raise _no_job(f"jobs[{place}]")
        if place % _TURN == _TURN - 1:
            # Ten thousand payloads take a while to look at, and watches want to be told meanwhile.
            await asyncio.sleep(0)
    body = submissions_body(submissions, batch_id=batch_id, batch_name=batch_name)
    return read_answer(SubmittedMany, await connection.call("submit_many", body), "answer to submit_many")


async def _submit(connection: Connection, submission: Submission) -> Submitted:
    return read_answer(Submitted, await connection.call("submit", submission.body()), "answer to submit")


async def _took(
    connection: Connection, submission: Submission, answer: Submitted, files: Sequence[InputFile]
) -> bool:
    """Whether the job that was made or found has these very files."""
    if answer.created or answer.merged == "debounce_key":
        return True
    if answer.id != submission.id:
        return False
    # Found by the id that was sent: made by our own earlier try, whose answer was lost, unless the caller has
    # used the id before.
    try:
        taken = {file.path for file in await read_files(connection, answer.id)}
    except HeadwayError:
        return True
    return {file.path for file in files} <= taken


async def _exists(connection: Connection, job_id: UUID) -> bool:
    try:
        await connection.call("snapshot", {"job_id": str(job_id)})
    except NotFound:
        return False
    return True


def _no_job(field: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field}: is no {'list of jobs' if field == 'jobs' else 'job'}",
        hint='Send a list of mappings such as {"kind": "cv.parse", "payload": {}}.',
        code="HW100",
        details=field,
    )


def _without_files(job: Mapping[str, Any], place: int) -> Mapping[str, Any]:
    files = job.get("files")
    if isinstance(files, Mapping):
        raise InvalidRequest(
            f"jobs[{place}].files: files are uploaded for one job at a time",
            hint="Upload them first and send their FileRefs as a list, or submit the job by itself.",
            code="HW100",
            details=f"jobs[{place}].files",
        )
    return job


def _seconds(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value
