"""Does everybody see only what is theirs, and may nobody do a worker's work?"""

from __future__ import annotations

from uuid import uuid4

from headway.client.doctor.finding import Finding, fault, passed, skipped
from headway.client.doctor.subject import Subject
from headway.errors import ApiError, Denied, HeadwayError, TransportError

__all__ = ["examine_anonymous_access", "examine_user_access"]

_RESTORE = "Apply Headway's migrations anew; somebody has changed its policies or grants."
_MOST_ROWS = 200


async def examine_anonymous_access(subject: Subject) -> Finding:
    """Whether the publishable key alone shows no job."""
    if subject.public_key is None:
        return skipped("rls_public", "no publishable key is set", "Set SUPABASE_PUBLISHABLE_KEY.")
    try:
        rows = await subject.rows("jobs?select=id&limit=1", caller="public")
    except ApiError:
        return passed("rls_public", "the publishable key alone is refused")
    except HeadwayError as error:
        return fault("rls_public", error)
    if rows:
        return fault("rls_public", "jobs are shown to everybody who has the publishable key", _RESTORE)
    return passed("rls_public", "the publishable key alone shows no job")


async def examine_user_access(subject: Subject) -> Finding:
    """Whether the signed-in user sees no job of a stranger, and cannot claim any."""
    if subject.user_id is None:
        return skipped("rls_user", "nobody is signed in", "`headway login` first, to have it checked.")
    try:
        rows = await subject.rows(
            f"jobs?select=owner_id,organization_id&organization_id=is.null&limit={_MOST_ROWS}", caller="user"
        )
        mine = await subject.rows("jobs?select=id&limit=1", caller="user")
    except HeadwayError as error:
        return fault("rls_user", error)
    strangers = sum(row.get("owner_id") != subject.user_id for row in rows)
    if strangers:
        return fault("rls_user", f"the signed-in user sees {strangers} jobs of other people", _RESTORE)
    claim = {"worker_id": str(uuid4()), "request_id": str(uuid4())}
    try:
        # Nobody has registered this worker: nothing is claimed even where it is allowed.
        await subject.ask("POST", "/rest/v1/rpc/claim", caller="user", profile="headway", json=claim)
    except Denied:
        return passed("rls_user", "the signed-in user sees only what is theirs", jobs=len(mine))
    except TransportError as error:
        return fault("rls_user", error)
    except HeadwayError:
        pass  # the engine itself has answered, so the user may call it
    return fault("rls_user", "users may call the functions of workers", _RESTORE)
