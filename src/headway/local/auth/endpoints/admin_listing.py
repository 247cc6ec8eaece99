"""Listings for the service role, page by page: users and the audit log.

Source: supabase/auth ``internal/api/{admin,audit,pagination,sorting}.go``.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.responses import Response

from headway.local.auth import audit, identities, users
from headway.local.auth.call import Call
from headway.local.auth.errors import bad_request
from headway.local.auth.representation import json_response, timestamp, user_json

__all__ = ["audit_log", "list_users"]

_MAX_ROWS = 2**31 - 1
_AUDIT_SCOPES = {"author": ("actor_username", "actor_name"), "action": ("action",), "type": ("log_type",)}


async def list_users(call: Call) -> Response:
    """``GET /admin/users?page=&per_page=&sort=&filter=``: some users, newest first."""
    await call.admin()
    ascending = _ascending(call.query("sort"))
    page, per_page = _pagination(call)
    async with call.parts.database.connection() as connection:
        found, total = await users.page(
            connection,
            call.audience,
            limit=per_page,
            offset=(page - 1) * per_page,
            ascending=ascending,
            search=call.query("filter"),
        )
        owned = await identities.of_users(connection, [user.id for user in found])
    return json_response(
        {"users": [user_json(user, owned[user.id]) for user in found], "aud": call.audience},
        headers=_page_headers(call, page, per_page, total),
    )


def _ascending(sort: str) -> bool:
    field, _, direction = sort.partition(" ")
    if sort and field != "created_at":
        raise bad_request("validation_failed", f"Bad Sort Parameters: bad field for sort '{field[:64]}'")
    if direction.lower() not in ("", "asc", "desc"):
        raise bad_request(
            "validation_failed",
            f"Bad Sort Parameters: bad direction for sort '{direction[:64]}', only 'asc' and 'desc' allowed",
        )
    return direction.lower() == "asc"


def _pagination(call: Call) -> tuple[int, int]:
    values = []
    for name, default in (("page", 1), ("per_page", 50)):
        text = call.query(name) or str(default)
        if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:20]) <= _MAX_ROWS:
            raise bad_request(
                "validation_failed", f"Bad Pagination Parameters: {name} must be a positive integer"
            )
        values.append(int(text))
    return values[0], values[1]


def _page_headers(call: Call, page: int, per_page: int, total: int) -> Mapping[str, str]:
    last = -(-total // per_page)
    query = dict(call.request.query_params)

    def link(to: int, relation: str) -> str:
        # "page" sorts before "per_page", as auth-js's parser needs it.
        parameters = urlencode(sorted({**query, "page": str(to)}.items()))
        return f'<{call.request.scope["path"]}?{parameters}>; rel="{relation}"'

    links = [link(page + 1, "next")] if last > page else []
    return {"Link": ", ".join([*links, link(last, "last")]), "X-Total-Count": str(total)}


async def audit_log(call: Call) -> Response:
    """``GET /admin/audit?query=scope:text``: who did what, newest first."""
    await call.admin()
    page, per_page = _pagination(call)
    query = call.query("query")
    scope, colon, value = query.partition(":")
    if query and (not colon or scope not in _AUDIT_SCOPES):
        raise bad_request("validation_failed", f"Invalid query scope: {query[:64]}")
    async with call.parts.database.connection() as connection:
        rows, total = await audit.search(
            connection,
            _AUDIT_SCOPES[scope] if query else (),
            value,
            limit=per_page,
            offset=(page - 1) * per_page,
        )
    entries = [
        {
            "id": str(row["id"]),
            "payload": row["payload"],
            "created_at": timestamp(row["created_at"]),
            "ip_address": row["ip_address"],
        }
        for row in rows
    ]
    return json_response(entries, headers=_page_headers(call, page, per_page, total))
