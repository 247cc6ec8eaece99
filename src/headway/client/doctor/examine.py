"""The whole examination, in an order in which each thing stands on those before it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from headway.client.address import checked_key, checked_url
from headway.client.doctor.finding import Finding, Report, skipped
from headway.client.doctor.keys import examine_public_key, examine_secret_key, examine_token
from headway.client.doctor.reach import examine_clock, examine_url
from headway.client.doctor.realtime import examine_realtime
from headway.client.doctor.schema import examine_exposure, examine_migrations
from headway.client.doctor.security import examine_anonymous_access, examine_user_access
from headway.client.doctor.storage import examine_buckets, examine_file_access
from headway.client.doctor.subject import Subject
from headway.client.doctor.workers import examine_workers
from headway.errors import ConfigError

__all__ = ["diagnose", "examine"]

_TIMEOUT_S = 15.0
_AFTER_KEYS = (
    *("exposure", "migrations", "rls_public", "rls_user", "buckets", "file_access"),
    *("realtime", "round_trip", "private_channels", "publication", "workers"),
)


async def diagnose(
    url: str,
    *,
    public_key: str | None = None,
    secret_key: str | None = None,
    access_token: str | None = None,
    wall: Callable[[], float] = time.time,
) -> Report:
    """Look at everything that Headway needs of a project; nothing is changed there.

    Args:
        url: The project's URL.
        public_key: The publishable key.
        secret_key: The secret key; without it buckets, publication and workers are not looked at.
        access_token: A user's token; without it row level security is not looked at as a user.
        wall: The clock of this machine, in seconds since 1970.

    Raises:
        ConfigError: the URL cannot be one, or there is no key at all.
    """
    if public_key is None and secret_key is None:
        raise ConfigError(
            "no key is given", hint="Give the publishable or the secret key.", code="key_missing"
        )
    async with httpx.AsyncClient(timeout=_TIMEOUT_S) as http:
        subject = Subject(
            checked_url(url),
            http,
            None if public_key is None else checked_key(public_key),
            None if secret_key is None else checked_key(secret_key),
            access_token,
            wall,
        )
        findings = [finding async for finding in examine(subject)]
    return Report(subject.url, tuple(findings))


async def examine(subject: Subject) -> AsyncIterator[Finding]:
    """Yields each finding as soon as it is known."""
    reached, answer = await examine_url(subject)
    yield reached
    if reached.verdict == "failed":
        for name in ("clock", "public_key", "secret_key", "token", *_AFTER_KEYS):
            yield skipped(name, "the project cannot be reached")
        return
    yield examine_clock(subject, answer)
    keys = {
        "public": await examine_public_key(subject),
        "secret": await examine_secret_key(subject),
        "user": await examine_token(subject),
    }
    for finding in keys.values():
        yield finding
    # What a bad key is told says nothing about the project.
    if keys["public"].verdict == "failed":
        subject.public_key = None
    if keys["secret"].verdict == "failed":
        subject.secret_key = None
    if keys["user"].verdict == "failed" or subject.public_key is None:
        subject.token = None
    if subject.public_key is None and subject.secret_key is None:
        for name in _AFTER_KEYS:
            yield skipped(name, "no key is accepted")
        return
    exposed = await examine_exposure(subject)
    yield exposed
    below: tuple[tuple[str, Callable[[Subject], Awaitable[Finding]]], ...] = (
        ("migrations", examine_migrations),
        ("rls_public", examine_anonymous_access),
        ("rls_user", examine_user_access),
    )
    for name, look in below:
        yield await look(subject) if exposed.verdict == "ok" else skipped(name, "schema headway is not shown")
    yield await examine_buckets(subject)
    yield await examine_file_access(subject)
    for finding in await examine_realtime(subject):
        yield finding
    yield (
        await examine_workers(subject)
        if exposed.verdict == "ok"
        else skipped("workers", "schema headway is not shown")
    )
