"""Are the buckets there, private, and open to their owners alone?"""

from __future__ import annotations

from uuid import uuid4

from headway.client.doctor.finding import Finding, fault, passed, skipped
from headway.client.doctor.subject import Subject
from headway.client.files.paths import OWNED_BUCKETS
from headway.errors import HeadwayError

__all__ = ["examine_buckets", "examine_file_access"]

_MIGRATE = "Apply Headway's migrations: supabase db push (…560_storage.sql makes buckets and policies)."


async def examine_buckets(subject: Subject) -> Finding:
    """Whether Headway's buckets are there, and private."""
    if subject.secret_key is None:
        return skipped("buckets", "no secret key is set", "Set SUPABASE_SECRET_KEY to have it checked.")
    try:
        buckets = (await subject.ask("GET", "/storage/v1/bucket", caller="secret")).json()
        public = {bucket["id"]: bool(bucket["public"]) for bucket in buckets}
    except HeadwayError as error:
        return fault("buckets", error)
    except (ValueError, TypeError, KeyError):
        return fault("buckets", "Storage answered something else than buckets", "Check SUPABASE_URL.")
    missing = sorted(OWNED_BUCKETS - public.keys())
    if missing:
        return fault("buckets", f"buckets are missing: {', '.join(missing)}", _MIGRATE, missing=missing)
    open_ones = sorted(bucket for bucket in OWNED_BUCKETS if public[bucket])
    if open_ones:
        return fault(
            "buckets",
            f"buckets are public, so that everybody may read every file: {', '.join(open_ones)}",
            "Make them private in the dashboard: Storage, Edit bucket.",
            public=open_ones,
        )
    return passed("buckets", f"the buckets are there and private: {', '.join(sorted(OWNED_BUCKETS))}")


async def examine_file_access(subject: Subject) -> Finding:
    """Whether the user may write into their own folder, and into nobody else's; nothing is written."""
    if subject.user_id is None:
        return skipped("file_access", "nobody is signed in", "`headway login` first, to have it checked.")
    try:
        await _ask_to_upload(subject, subject.user_id)
    except HeadwayError as error:
        return fault(
            "file_access", f"the user may not write into their own folder: {error.message}", _MIGRATE
        )
    try:
        await _ask_to_upload(subject, str(uuid4()))
    except HeadwayError:
        return passed("file_access", "the user may write into their own folder, and into nobody else's")
    return fault(
        "file_access",
        "users may write into the folders of other people",
        "Remove the policy on storage.objects that admits everybody.",
    )


async def _ask_to_upload(subject: Subject, folder: str) -> None:
    # The right to upload is what policies decide; it is thrown away.
    path = f"/storage/v1/object/upload/sign/job-files/{folder}/headway-doctor-{uuid4()}"
    await subject.ask("POST", path, caller="user", json={})
