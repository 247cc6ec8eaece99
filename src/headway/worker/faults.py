"""What an exception says of a job's failure, fit for the job's owner to read."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from headway.core.parts import Fault
from headway.core.validation import field_path
from headway.errors import HeadwayError
from headway.worker.attempt import plain_text
from headway.worker.redaction import Redactor

__all__ = ["describe", "payload_fault"]

_LONGEST = 1000
_CODE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PLAIN = Redactor().redact
_PACKAGE = Path(__file__).parents[1]


def describe(
    error: BaseException, *, step: str | None = None, redact: Callable[[str], str] = _PLAIN
) -> Fault:
    """A failure's code, message and hint; keys, tokens and stack traces are not in it.

    An exception may say what it means to say by attributes ``code`` and ``hint``, as Headway's own do.

    Args:
        error: What a handler or a step has raised.
        step: The step it happened in.
        redact: Takes secrets out of a text.
    """

    def clean(text: Any) -> Any:
        return _clean(text, redact)

    if isinstance(error, HeadwayError):
        return Fault(code=_code(error.code), message=clean(error.message), hint=clean(error.hint), step=step)
    if isinstance(error, ValidationError):
        return _validation(error, step)
    name = type(error).__name__
    said = _said(error)
    text = clean(said) if said else None
    hint = getattr(error, "hint", None)
    return Fault(
        code=_own_code(error) or _snake(name),
        message=f"{name}: {text}" if text else name,
        hint=clean(hint) if isinstance(hint, str) else None,
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


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception that cannot even say what it is
        return ""


def _clean(text: Any, redact: Callable[[str], str] = _PLAIN) -> Any:
    if text is None:
        return None
    # Cut generously before the search, so that half a secret at the end is not shown.
    clean = _placeless(redact(str(text)[: 4 * _LONGEST])).strip()
    return plain_text(clean if len(clean) <= _LONGEST else f"{clean[: _LONGEST - 1]}…", _LONGEST)


def _placeless(text: str) -> str:
    """The text with this machine's paths cut to the file's name: where a worker keeps things is its own.

    Only below directories that are known, so that routes and other people's paths stay as they are.
    """
    found = {Path(tempfile.gettempdir()), Path.cwd(), Path(sys.prefix), Path(sys.base_prefix), _PACKAGE}
    roots = {str(root) for path in found for root in (path, path.resolve()) if len(root.parts) > 1}
    for root in sorted(roots, key=len, reverse=True):
        if root in text:
            text = re.sub(rf"(?<![\w.:/-]){re.escape(root)}/(?:[^\s'\":;,]*/)?([^\s'\"/:;,]*)", r"\1", text)
    return text
