"""What an exception says of a job's failure, fit for the job's owner to read."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from headway.core.parts import Fault
from headway.core.validation import field_path
from headway.errors import HeadwayError
from headway.link.redaction import redact
from headway.worker.attempt import plain_text

__all__ = ["describe", "payload_fault"]

_LONGEST = 1000
_CODE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRETS = (
    re.compile(r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant|or)?[-_]?[A-Za-z0-9_-]{16,}"),
    re.compile(r"\bAIza[0-9A-Za-z_-]{20,}"),
    re.compile(r"(?i)\b(password|passwd|secret|api[-_]?key|token)(\s*[=:]\s*)[^\s,;&'\"]+"),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
)


def describe(error: BaseException, *, step: str | None = None) -> Fault:
    """A failure's code, message and hint; keys, tokens and stack traces are not in it.

    An exception may say what it means to say by attributes ``code`` and ``hint``, as Headway's own do.

    Args:
        error: What a handler or a step has raised.
        step: The step it happened in.
    """
    if isinstance(error, HeadwayError):
        return Fault(
            code=_code(error.code), message=_clean(error.message), hint=_clean(error.hint), step=step
        )
    if isinstance(error, ValidationError):
        return _validation(error, step)
    name = type(error).__name__
    text = _clean(str(error)) if str(error) else None
    hint = getattr(error, "hint", None)
    return Fault(
        code=_own_code(error) or _snake(name),
        message=f"{name}: {text}" if text else name,
        hint=_clean(hint) if isinstance(hint, str) else None,
        step=step,
    )


def payload_fault(error: ValidationError) -> Fault:
    """A payload that its kind's model refuses, although the engine's schema let it pass."""
    fault = _validation(error, None)
    return Fault(
        code="payload_invalid",
        message=f"payload: {fault.message}",
        hint="Submit the job again with a payload that fits its kind.",
    )


def _validation(error: ValidationError, step: str | None) -> Fault:
    # Never the input: it may be anything, and it may be secret.
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    said = "; ".join(f"{field_path(f['loc']) or 'value'}: {f['msg']}" for f in faults[:5])
    more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
    return Fault(
        code="validation_failed",
        message=_clean(f"{error.title}: {said}{more}"),
        hint="The data does not have the expected shape.",
        step=step,
    )


def _own_code(error: BaseException) -> str | None:
    code: Any = getattr(error, "code", None)
    return _code(code) if isinstance(code, str) and 0 < len(code) <= 100 and code.isascii() else None


def _code(code: str) -> str:
    return (plain_text(code, 100) or "error").strip() or "error"


def _snake(name: str) -> str:
    return _CODE.sub("_", name).lower()[:100]


def _clean(text: Any) -> Any:
    if text is None:
        return None
    clean = redact(str(text)[: 4 * _LONGEST])
    for pattern in _SECRETS:
        clean = pattern.sub(lambda m: f"{m[1]}{m[2]}<redacted>" if m.lastindex else "<redacted>", clean)
    clean = clean.strip()
    return plain_text(clean if len(clean) <= _LONGEST else f"{clean[: _LONGEST - 1]}…", _LONGEST)
