"""Does Realtime deliver: privately, from the database, and how fast?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

from headway.client.doctor.finding import Finding, fault, passed, skipped, warning
from headway.client.doctor.subject import As, Subject
from headway.core.message import user_topic
from headway.errors import HeadwayError
from headway.link import LinkPolicy, Listening, Message, RealtimeLink, Refused
from headway.link.listener import Listener

__all__ = ["examine_realtime"]

_TIMEOUT_S = 20.0
_ROUNDS = 5
_MIGRATE = "Apply Headway's migrations: supabase db push."
_SLOW_MS = 1000


async def examine_realtime(subject: Subject) -> list[Finding]:
    """The connection, a round trip, private topics, and changes of ``headway.jobs``."""
    caller: As = "user" if subject.token and subject.public_key else subject.best
    names = ("realtime", "round_trip", "private_channels", "publication")
    if caller == "public":
        return [
            skipped(name, "nobody is signed in, and no secret key is set", "`headway login` first.")
            for name in names
        ]
    async with RealtimeLink(
        subject.url, subject.key_of(caller), token=_token(subject, caller), policy=LinkPolicy(backoff_cap=2.0)
    ) as link:
        connection = await _connection(link)
        findings = [connection]
        if connection.verdict == "failed":
            findings += [skipped(name, "there is no connection") for name in names[1:]]
            return findings
        findings.append(await _round_trip(subject, link, caller))
        findings.append(await _private_channels(subject, link))
    findings.append(await _publication(subject))
    return findings


def _token(subject: Subject, caller: As) -> Callable[[], Awaitable[str]] | None:
    if caller != "user":
        return None

    async def token() -> str:
        assert subject.token is not None
        return subject.token

    return token


async def _connection(link: RealtimeLink) -> Finding:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            async for state in link.states():
                if state.status == "proven":
                    break
    except TimeoutError:
        reason = link.state.last_error or "no answer"
        return fault(
            "realtime",
            f"no connection to Realtime: {reason}",
            "Check that Realtime is on for the project, and that no proxy refuses WebSockets.",
        )
    if link.state.proof == "canary":
        return passed("realtime", "the connection hears what it sends on its private canary", proof="canary")
    return warning(
        "realtime",
        f"the private canary is refused: the connection is proven by {_PROOFS[link.state.proof or '']}",
        f"{_MIGRATE} (…395_canary.sql)",
        proof=link.state.proof,
    )


_PROOFS = {"public canary": "a public one", "answer": "mere answers", "": "nothing"}


async def _round_trip(subject: Subject, link: RealtimeLink, caller: As) -> Finding:
    topic = f"canary:{subject.user_id or 'service'}:{uuid4()}"
    async with link.listen(topic) as listener:
        if (refused := await _listening(listener)) is not None:
            return fault("round_trip", f"a private topic of one's own is refused: {refused}", _MIGRATE)
        times: list[float] = []
        for _ in range(_ROUNDS):
            message = {"topic": topic, "event": "doctor", "payload": {}, "private": True}
            began = time.monotonic()
            try:
                await subject.ask(
                    "POST", "/realtime/v1/api/broadcast", caller=caller, json={"messages": [message]}
                )
                async with asyncio.timeout(_TIMEOUT_S / 4):
                    async for event in listener:
                        if isinstance(event, Message):
                            times.append((event.at - began) * 1000)
                            break
            except TimeoutError:
                continue
            except HeadwayError as error:
                return fault("round_trip", f"a message could not be sent: {error.message}", error.hint)
    if not times:
        return fault("round_trip", "what is sent is not delivered", "Look into the project's Realtime logs.")
    median = sorted(times)[len(times) // 2]
    facts = {"median_ms": round(median, 1), "lost": _ROUNDS - len(times)}
    text = f"a message takes {median:.0f} ms there and back"
    if len(times) < _ROUNDS:
        return warning(
            "round_trip",
            f"{text}, and {_ROUNDS - len(times)} of {_ROUNDS} were lost",
            "Look into the project's Realtime logs, and at its message limit.",
            **facts,
        )
    if median > _SLOW_MS:
        return warning("round_trip", text, "Run apps and workers nearer to the project's region.", **facts)
    return passed("round_trip", text, **facts)


async def _private_channels(subject: Subject, link: RealtimeLink) -> Finding:
    if subject.user_id is None:
        return skipped(
            "private_channels", "nobody is signed in", "`headway login` first, to have it checked."
        )
    async with link.listen(f"user:{subject.user_id}:jobs") as own:
        if (refused := await _listening(own)) is not None:
            return fault("private_channels", f"the user's own list of jobs is refused: {refused}", _MIGRATE)
    stranger = user_topic(uuid4())
    async with link.listen(stranger) as foreign:
        if await _listening(foreign) is None:
            return fault(
                "private_channels",
                "users may listen to the jobs of other people",
                "Remove the policy on realtime.messages that admits everybody.",
            )
    return passed("private_channels", "the user hears their own jobs, and nobody else's")


async def _publication(subject: Subject) -> Finding:
    if subject.secret_key is None:
        return skipped("publication", "no secret key is set", "Set SUPABASE_SECRET_KEY to have it checked.")
    policy = LinkPolicy(changes_timeout=_TIMEOUT_S / 2)
    async with (
        RealtimeLink(subject.url, subject.secret_key, policy=policy) as link,
        link.listen_changes(schema="headway", table="jobs", event="INSERT") as listener,
    ):
        refused = await _listening(listener)
    if refused is None:
        return passed("publication", "changes of headway.jobs are published")
    return warning(
        "publication",
        f"changes of headway.jobs are not published: {refused}",
        "alter publication supabase_realtime add table headway.jobs; needed by postgres_changes alone.",
    )


async def _listening(listener: Listener) -> str | None:
    """``None`` once the server listens; else what it said instead."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            async for event in listener:
                if isinstance(event, Listening):
                    return None
                if isinstance(event, Refused):
                    return event.reason or event.code
    except TimeoutError:
        pass
    return "no answer in time"
