"""Sessions of people who use the command line: signed in once, refreshed whenever it is needed.

Source: supabase/auth ``internal/api/token.go`` (grants ``password`` and ``refresh_token``); a refresh token
is good for one use, so only one process at a time may use it.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headway.core.refusals import error_from_response
from headway.core.transport import error_from_httpx
from headway.errors import ConfigError, Denied, HeadwayError
from headway.link.tokens import read_token
from headway.settings import CommandSettings

__all__ = [
    "PasswordSession",
    "Session",
    "SessionStore",
    "StoredSession",
    "sign_in",
    "sign_in_anonymously",
    "sign_out",
]

_TIMEOUT_S = 15.0
_LEAST_LIFE_S = 60.0


class Session(BaseModel):
    """What signing in answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    access_token: str = Field(repr=False)
    refresh_token: str = Field(repr=False)
    user_id: str
    email: str | None = None
    anonymous: bool = False


class SessionStore:
    """One project's session in a file that only this user can read.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def default(cls, url: str) -> SessionStore:
        """Where ``headway login`` keeps the session of a project."""
        settings = CommandSettings.load()
        folder = (settings.state_dir or (settings.state_home or _user_state()) / "headway") / "sessions"
        return cls(folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json")

    def exists(self) -> bool:
        """Whether somebody has signed in."""
        return self.path.is_file()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path.with_suffix(".lock"), flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self) -> Session:
        """The session.

        Raises:
            Denied: there is none (``not_signed_in``).
        """
        try:
            return Session.model_validate_json(self.path.read_bytes())
        except (FileNotFoundError, ValidationError):
            raise Denied("nobody is signed in", hint="Run `headway login`.", code="not_signed_in") from None

    def write(self, session: Session) -> None:
        """Keep a session, instead of the one before."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A new file of our own: one that is there already may be readable for others, or a link.
        descriptor, name = tempfile.mkstemp(prefix=f".{self.path.stem}.", dir=self.path.parent)
        aside = Path(name)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(session.model_dump_json())
            aside.replace(self.path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def remove(self) -> None:
        """Forget the session."""
        self.path.unlink(missing_ok=True)


class StoredSession:
    """Tokens of the session that ``headway login`` has kept.

    Args:
        url: The project.
        key: Its publishable key.
        store: Where the session is.
    """

    def __init__(self, url: str, key: str, store: SessionStore) -> None:
        self._url = url
        self._key = key
        self._store = store
        self._last: str | None = None

    async def token(self) -> str:
        """A token with some life in it.

        Raises:
            Denied: the session has ended: somebody must sign in again.
        """
        return await asyncio.to_thread(self._token)

    def _token(self) -> str:
        with self._store.locked():
            session = self._store.read()
            life = read_token(session.access_token).life
            # Asked for again at once means that the server did not take the last one.
            fresh = session.access_token != self._last and (life is None or life > _LEAST_LIFE_S)
            if not fresh:
                session = _ask(
                    self._url,
                    self._key,
                    "token?grant_type=refresh_token",
                    {"refresh_token": session.refresh_token},
                )
                self._store.write(session)
        self._last = session.access_token
        return session.access_token


class PasswordSession:
    """Tokens for an e-mail address and a password.

    Args:
        url: The project.
        key: Its publishable key.
        email: The address.
        password: The password.
    """

    def __init__(self, url: str, key: str, email: str, password: str) -> None:
        self._arguments = (url, key, email, password)

    async def token(self) -> str:
        """A fresh token.

        Raises:
            Denied: address or password are wrong.
        """
        return (await asyncio.to_thread(sign_in, *self._arguments)).access_token


def sign_in(url: str, key: str, email: str, password: str) -> Session:
    """Sign in with a password.

    Raises:
        Denied: address or password are wrong.
        TransportError: the project could not be asked.
    """
    return _ask(url, key, "token?grant_type=password", {"email": email, "password": password})


def sign_in_anonymously(url: str, key: str) -> Session:
    """Sign in as somebody new without a name.

    Raises:
        ApiError: the project does not allow it.
        TransportError: the project could not be asked.
    """
    return _ask(url, key, "signup", {"data": {}})


def sign_out(url: str, key: str, store: SessionStore) -> bool:
    """End this session at the server, so that its refresh token is of no use to whoever has a copy of it.

    Args:
        url: The project.
        key: Its publishable key.
        store: Where the session is; it stays there.

    Returns:
        Whether the server has ended it; false when it could not be asked, or there is no session.
    """
    try:
        # An access token that has expired ends nothing: the session is refreshed first, if it needs to be.
        token = StoredSession(url, key, store)._token()
        answer = httpx.post(
            f"{url}/auth/v1/logout?scope=local",
            headers={"apikey": key, "Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT_S,
        )
    except (HeadwayError, httpx.HTTPError, httpx.InvalidURL):
        return False
    return answer.is_success


def _user_state() -> Path:
    try:
        return Path.home() / ".local" / "state"
    except RuntimeError:
        raise ConfigError(
            "this user has no home folder to keep a session in",
            hint="Set HEADWAY_STATE_DIR, or HEADWAY_ACCESS_TOKEN.",
            code="not_signed_in",
        ) from None


def _ask(url: str, key: str, what: str, body: dict[str, Any]) -> Session:
    try:
        answer = httpx.post(f"{url}/auth/v1/{what}", headers={"apikey": key}, json=body, timeout=_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise error_from_httpx(error, now=datetime.now(UTC)) from error
    if not answer.is_success:
        refusal = error_from_response(
            answer.status_code, answer.content, answer.headers, now=datetime.now(UTC)
        )
        if answer.status_code in (400, 401, 403) and refusal.code != "anonymous_provider_disabled":
            raise Denied(
                f"signing in was refused: {refusal.message}",
                hint="Check address and password, or run `headway login` again.",
                code="not_signed_in",
                status=answer.status_code,
            )
        raise refusal
    try:
        said = answer.json()
        user = said["user"]
        return Session(
            access_token=said["access_token"],
            refresh_token=said["refresh_token"],
            user_id=user["id"],
            email=user.get("email") or None,
            anonymous=bool(user.get("is_anonymous")),
        )
    except (json.JSONDecodeError, KeyError, TypeError, ValidationError):
        raise HeadwayError(
            f"{url} answered something else than a session",
            hint="Check that SUPABASE_URL is a Supabase project's.",
            code="auth_answer",
        ) from None
