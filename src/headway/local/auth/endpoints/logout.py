"""Signing out.

Source: supabase/auth ``internal/api/logout.go``.
"""

from __future__ import annotations

from starlette.responses import Response

from headway.local.auth import sessions
from headway.local.auth.call import Call
from headway.local.auth.errors import bad_request

__all__ = ["logout"]


async def logout(call: Call) -> Response:
    """``POST /logout?scope=``: end every session of the user, this one, or all others."""
    caller = await call.caller()
    scope = call.query("scope") or "global"
    if scope not in ("global", "local", "others"):
        raise bad_request("validation_failed", f'Unsupported logout scope "{scope[:32]}"')
    user, session = caller.user, caller.session
    async with call.transaction() as connection:
        await call.record(connection, "logout", user)
        if session is None or scope == "global":
            await sessions.end_all(connection, user.id)
        elif scope == "local":
            await sessions.end(connection, session.id)
        else:
            await sessions.end_all(connection, user.id, besides=session.id)
    return Response(status_code=204)
