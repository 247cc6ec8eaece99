"""What an examination says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from headway.errors import HeadwayError

__all__ = ["Finding", "Report", "Verdict", "fault", "passed", "skipped", "warning"]

Verdict: TypeAlias = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: Its stable name.
        verdict: ``failed`` breaks something; a ``warning`` may; ``skipped`` could not be looked at.
        message: What was found.
        remedy: What to do about it, in one line; ``None`` when there is nothing to do.
        facts: Figures for programs.
    """

    check: str
    verdict: Verdict
    message: str
    remedy: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """The whole examination.

    Attributes:
        url: The project.
        findings: In the order in which things were looked at.
    """

    url: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing has failed."""
        return all(finding.verdict != "failed" for finding in self.findings)

    def __getitem__(self, check: str) -> Finding:
        return next(finding for finding in self.findings if finding.check == check)


def passed(check: str, message: str, **facts: Any) -> Finding:
    """All is well."""
    return Finding(check, "ok", message, None, facts)


def warning(check: str, message: str, remedy: str, **facts: Any) -> Finding:
    """It may do harm."""
    return Finding(check, "warning", message, remedy, facts)


def fault(check: str, what: str | HeadwayError, remedy: str | None = None, **facts: Any) -> Finding:
    """It does harm; an error brings its own remedy."""
    if isinstance(what, HeadwayError):
        return Finding(check, "failed", what.message, remedy or what.hint, {"code": what.code, **facts})
    return Finding(check, "failed", what, remedy, facts)


def skipped(check: str, reason: str, remedy: str | None = None) -> Finding:
    """It could not be looked at."""
    return Finding(check, "skipped", reason, remedy)
