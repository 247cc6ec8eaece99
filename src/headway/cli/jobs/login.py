"""``headway login``, ``headway logout`` and ``headway whoami``."""

from __future__ import annotations

import sys
from pathlib import Path

from headway.cli.jobs.project import find_access
from headway.cli.jobs.running import Caller, console, print_json, run_command
from headway.cli.jobs.sessions import SessionStore, sign_in, sign_in_anonymously, sign_out
from headway.client.headway import AsyncHeadway
from headway.errors import ConfigError

__all__ = ["log_in", "log_out", "who_am_i"]


def log_in(project: Path | None, *, email: str | None, anonymous: bool, as_json: bool) -> None:
    """Sign in and keep the session for later commands, in a file of this user's.

    The password is asked for, or read from the first line of standard input when nobody is at a terminal.

    Args:
        project: The option ``--project``.
        email: Whose; asked for when omitted.
        anonymous: Sign in as somebody new without a name.
        as_json: Print JSON.

    Raises:
        Denied: address or password are wrong.
    """
    import getpass

    access = find_access(project)
    assert access.public_key is not None
    if anonymous:
        session = sign_in_anonymously(access.url, access.public_key)
    else:
        if sys.stdin.isatty():
            address = email or input("E-mail: ")
            password = getpass.getpass()
        else:
            if email is None:
                raise ConfigError(
                    "--email is missing, and nobody is at a terminal to be asked",
                    hint="headway login --email ada@example.com < password.txt",
                    code="email_missing",
                )
            address, password = email, sys.stdin.readline().rstrip("\n")
        session = sign_in(access.url, access.public_key, address, password)
    store = SessionStore.default(access.url)
    with store.locked():
        store.write(session)
    _tell(as_json, access.url, session.user_id, session.email)


def log_out(project: Path | None, *, as_json: bool) -> None:
    """End the session, here and at the server.

    Args:
        project: The option ``--project``.
        as_json: Print JSON.
    """
    access = find_access(project)
    store = SessionStore.default(access.url)
    was_there = store.exists()
    assert access.public_key is not None
    ended = was_there and sign_out(access.url, access.public_key, store)
    store.remove()
    if as_json:
        print_json({"url": access.url, "signed_out": was_there, "ended_at_server": ended})
    elif not was_there:
        console().print("nobody was signed in")
    else:
        console().print("signed out" if ended else "signed out here; the server could not be told")


def who_am_i(caller: Caller) -> None:
    """Print as whom the commands would ask.

    Raises:
        ConfigError: nobody is signed in (``not_signed_in``).
    """

    async def work(client: AsyncHeadway) -> int:
        user_id = await client.connection.owner()
        _tell(caller.as_json, client.connection.url, user_id, None)
        return 0

    run_command(caller, work)


def _tell(as_json: bool, url: str, user_id: str | None, email: str | None) -> None:
    if as_json:
        print_json({"url": url, "user_id": user_id, "email": email, "service": user_id is None})
        return
    who = "the service role" if user_id is None else f"{email} ({user_id})" if email else f"user {user_id}"
    console().print(f"{who} at {url}", markup=False, soft_wrap=True)
