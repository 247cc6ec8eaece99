"""A running Auth, a movable clock, and what tests ask of them."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg2
import psycopg2.extras
from starlette.types import ASGIApp, Receive, Scope, Send

from headway.local.auth.mail.inbox import Letter
from headway.local.auth.service import AuthService
from headway.local.keys import StackKeys
from headway.local.service import StackContext

VERSIONED = {"X-Supabase-Api-Version": "2024-01-01"}
PASSWORD = "correct horse 1"
# Loading certificates takes longer than most tests; no request here is encrypted.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class MovableClock:
    """The time now, which a test can move."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def move(self, **by: float) -> None:
        """Move it; arguments as for ``timedelta``."""
        self._offset += timedelta(**by)

    def time(self) -> float:
        return self().timestamp()


class Switchboard:
    """One server for many Auths, each under a path of its own: starting a server costs more than a test."""

    def __init__(self) -> None:
        self._apps: dict[str, ASGIApp] = {}
        self._count = 0

    def plug(self, app: ASGIApp) -> str:
        """The path under which ``app`` answers from now on."""
        self._count += 1
        path = f"/{self._count}"
        self._apps[path] = app
        return path

    def reserve(self) -> str:
        """A path that nothing answers under yet."""
        return self.plug(_nothing)

    def replace(self, path: str, app: ASGIApp) -> None:
        """Let ``app`` answer under a reserved path."""
        self._apps[path] = app

    def unplug(self, path: str) -> None:
        """Let nothing answer under a path."""
        self._apps.pop(path, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = "/" + scope["path"].split("/")[1]
            prefix = path + "/auth/v1"
            inner = scope["path"].removeprefix(prefix if scope["path"].startswith(prefix) else path) or "/"
            # What the gateway does with a path; with legacy JWT keys it does nothing more.
            await self._apps[path]({**scope, "path": inner, "root_path": prefix}, receive, send)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("nothing answers here yet")


@dataclass(frozen=True)
class AuthServer:
    """A running Auth and what a test needs to talk to it."""

    url: str
    keys: StackKeys
    context: StackContext
    service: AuthService
    clock: MovableClock
    run: Callable[[Coroutine[Any, Any, Any]], Any]

    def http(self, token: str | None = None, **headers: str) -> httpx.Client:
        """A client of ``/auth/v1`` that speaks the newest API version.

        Args:
            token: The bearer; the anon key when omitted.
            headers: Further headers.
        """
        return httpx.Client(
            base_url=f"{self.url}/auth/v1",
            headers={"Authorization": f"Bearer {token or self.keys.anon_key}", **VERSIONED, **headers},
            timeout=30,
            verify=_NO_TLS,
        )

    @property
    def admin(self) -> httpx.Client:
        """A client with the service role."""
        return self.http(self.keys.service_role_key)

    def sign_up(self, email: str = "ada@example.test", password: str = PASSWORD, **more: Any) -> Any:
        """Sign up and return the body."""
        with self.http() as client:
            response = client.post("/signup", json={"email": email, "password": password, **more})
        assert response.status_code == 200, response.text
        return response.json()

    def mails(self, to: str = "") -> list[Letter]:
        """The letters to an address, newest first."""
        return [mail.letter for mail in self.service.inbox.mails(f'to:"{to}"' if to else "")]

    def newest(self, to: str) -> tuple[str, str]:
        """The link and the code of the newest letter to an address."""
        letter = self.mails(to)[0]
        link = re.search(r"https?://\S+", letter.text)
        code = re.search(r"code: (\d{6,10})", letter.text)
        assert code is not None
        return link[0] if link else "", code[1]

    def run_as_postgres(self, sql: str) -> None:
        """Run statements as a migration does."""
        connection = psycopg2.connect(self.context.database.conninfo("postgres"))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
        finally:
            connection.close()

    def rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        """Run a statement as the superuser and return its rows."""
        connection = psycopg2.connect(self.context.database.conninfo("supabase_admin"))
        try:
            with connection, connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute(sql, parameters or None)
                return [dict(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            connection.close()


def error(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of a refusal in the newest shape, whose invariants are checked."""
    body = response.json()
    assert response.headers["x-sb-error-code"] == body["code"]
    assert response.headers["x-supabase-api-version"] == "2024-01-01"
    return response.status_code, body["code"], body["message"]


StartAuth = Callable[..., AuthServer]
