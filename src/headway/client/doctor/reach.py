"""Is there a project at the address, and do its clock and ours agree?"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from headway.client.doctor.finding import Finding, fault, passed, skipped, warning
from headway.client.doctor.subject import Subject
from headway.errors import ConfigError, HeadwayError

__all__ = ["examine_clock", "examine_url"]

_UNNOTICED_S = 5.0
# PostgREST and Auth forgive so much.
_FORGIVEN_S = 30.0
_URL_REMEDY = "Copy the project's URL from Settings, Data API: https://<project>.supabase.co, without a path."


async def examine_url(subject: Subject) -> tuple[Finding, httpx.Response | None]:
    """Whether a Supabase project answers; and its answer, whose headers tell the time."""
    try:
        answer = await subject.ask("GET", "/auth/v1/health", caller="public")
    except ConfigError as error:
        # The key may be wrong: whoever says so is a project.
        if error.hint and "key" in error.hint:
            return passed("url", f"{subject.url} answers"), None
        return fault("url", error, _URL_REMEDY), None
    except HeadwayError as error:
        return fault("url", error, (error.hint if error.code != "not_found" else None) or _URL_REMEDY), None
    try:
        said = answer.json()
    except ValueError:
        said = None
    if not isinstance(said, dict) or "name" not in said:
        return fault("url", f"{subject.url} answers, but is no Supabase project", _URL_REMEDY), None
    return passed("url", f"{subject.url} answers", auth=str(said.get("version", ""))), answer


def examine_clock(subject: Subject, answer: httpx.Response | None) -> Finding:
    """How far this machine's clock is from the server's: tokens are refused when it is too far."""
    said = answer.headers.get("date") if answer is not None else None
    if answer is None or said is None:
        return skipped("clock", "the server did not say what time it is")
    try:
        there = parsedate_to_datetime(said).astimezone(UTC).timestamp()
    except ValueError:
        return skipped("clock", "the server did not say what time it is")
    # Its time was written somewhere within the round trip, cut to whole seconds.
    took = answer.elapsed.total_seconds()
    skew = subject.wall() - there - 0.5 - took / 2
    off = max(abs(skew) - 0.5 - took / 2, 0.0)
    direction = "ahead of" if skew > 0 else "behind"
    facts = {"seconds": round(skew, 1)}
    if off <= _UNNOTICED_S:
        return passed("clock", "this machine's clock agrees with the server's", **facts)
    text = f"this machine's clock is {off:.0f} s {direction} the server's"
    remedy = "Set the clock by the network's time (timedatectl set-ntp true)."
    return (fault if off > _FORGIVEN_S else warning)("clock", text, remedy, **facts)
