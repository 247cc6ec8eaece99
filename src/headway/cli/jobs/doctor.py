"""``headway doctor``: looks at a project, and says what to do."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from headway.cli.jobs.project import Access, access_token, find_access
from headway.cli.jobs.running import Caller, console, print_json, quieten, refusing
from headway.errors import HeadwayError

if TYPE_CHECKING:
    from headway.client.doctor import Finding

__all__ = ["run_doctor"]

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "skipped": ("–", "dim")}


def run_doctor(project: Path | None, *, strict: bool, as_json: bool) -> None:
    """Examine the project; exits with 1 when something has failed.

    Args:
        project: The option ``--project``.
        strict: Warnings count as failures.
        as_json: Print JSON.

    Raises:
        ConfigError: no project is named, or no key is known.
    """
    quieten()
    with refusing(Caller(project, False, as_json)):
        access = find_access(project, needs="any")
        findings = asyncio.run(_examine(access, as_json))
    bad = {"failed", "warning"} if strict else {"failed"}
    well = all(finding.verdict not in bad for finding in findings)
    if as_json:
        rows = [
            {
                "check": each.check,
                "verdict": each.verdict,
                "message": each.message,
                "remedy": each.remedy,
                "facts": each.facts,
            }
            for each in findings
        ]
        print_json({"ok": well, "url": access.url, "findings": rows})
    if not well:
        raise SystemExit(1)


async def _examine(access: Access, as_json: bool) -> list[Finding]:
    import httpx

    from headway.client.doctor import Finding, Subject, examine

    findings: list[Finding] = []
    token: str | None = None
    try:
        token = await _token(access)
    except HeadwayError as error:
        # Nobody needs to be signed in; a session that is refused is a finding.
        if error.code != "not_signed_in" or "refused" in error.message:
            findings.append(Finding("sign_in", "failed", error.message, error.hint))
    async with httpx.AsyncClient(timeout=15) as http:
        subject = Subject(access.url, http, access.public_key, access.secret_key, token)
        for finding in findings:
            _print(finding, as_json)
        async for finding in examine(subject):
            findings.append(finding)
            _print(finding, as_json)
    return findings


async def _token(access: Access) -> str | None:
    if access.public_key is None:
        return None
    made = access_token(access)
    if isinstance(made, str):
        return made
    token = made()
    return await token if inspect.isawaitable(token) else token


def _print(finding: Finding, as_json: bool) -> None:
    if as_json:
        return
    from rich.text import Text

    mark, style = _MARKS[finding.verdict]
    screen = console()
    line = Text(f"{mark} ", style=style).append(f"{finding.check:<17}", style="bold")
    line.append(finding.message, style="dim" if finding.verdict == "skipped" else "default")
    screen.print(line, soft_wrap=True)
    if finding.remedy and finding.verdict != "ok":
        screen.print(Text(f"{'':19}→ {finding.remedy}", style=style), soft_wrap=True)
