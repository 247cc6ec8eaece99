"""Every error that Headway raises, grouped by what the caller can do about it.

::

    HeadwayError                 message, hint, code, details
    ├── ConfigError              a setting is missing or wrong: change the environment
    ├── SchemaMismatch           the database's migrations do not fit this version: migrate or upgrade
    ├── TransportError           the server could not be asked, or cannot answer now: try again later
    │   ├── ConnectFailed        no connection was made; nothing was sent
    │   └── TimedOut             no answer in time; the outcome is unknown
    ├── ApiError                 the server answered and refused: change the request
    │   ├── NotFound             no such thing, or it is not visible to this caller
    │   ├── Denied               the caller may not do this
    │   ├── Conflict             the thing is in another state than the request supposes
    │   └── InvalidRequest       a field of the request is wrong
    ├── JobEnded                 raised by ``result()``; carries the job's last snapshot
    │   ├── JobFailed
    │   └── JobCancelled
    ├── LeaseLost                worker: another attempt owns the job; stop writing
    ├── BudgetExceeded           worker: the next paid call would pass the budget
    └── Retry                    worker: a handler asks for another attempt
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "ApiError",
    "BudgetExceeded",
    "ConfigError",
    "Conflict",
    "ConnectFailed",
    "Denied",
    "HeadwayError",
    "InvalidRequest",
    "JobCancelled",
    "JobEnded",
    "JobFailed",
    "LeaseLost",
    "NotFound",
    "Retry",
    "SchemaMismatch",
    "TimedOut",
    "TransportError",
]


class HeadwayError(Exception):
    """Something went wrong in Headway.

    Args:
        message: What happened, naming the field or thing concerned; the class docstring's first line
            when omitted.
        hint: What to do next, in one line, or ``None`` when there is nothing to advise.
        code: A stable machine-readable code (a Headway code, an SQLSTATE, or a server's own code);
            the class's ``default_code`` when omitted.
        details: What a server said beside its message; the engine names the field here. ``None`` without.
    """

    default_code: ClassVar[str] = "headway_error"

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        code: str | None = None,
        details: str | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.hint = hint
        self.code = code or self.default_code
        self.details = details
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} Hint: {self.hint}" if self.hint else self.message


class ConfigError(HeadwayError):
    """A setting is missing or invalid."""

    default_code = "config_error"


class SchemaMismatch(HeadwayError):
    """The database's Headway schema does not fit this version of the package."""

    default_code = "schema_mismatch"


class TransportError(HeadwayError):
    """The server could not be asked, or cannot answer now.

    Args:
        message: What happened.
        hint: What to do next, or ``None``.
        code: A machine-readable code.
        details: What the server said beside its message, or ``None``.
        status: The HTTP status of the answer, or ``None`` when there was none.
        retry_after: Seconds to wait, when the server asked for that.
    """

    default_code = "transport_error"

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        code: str | None = None,
        details: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, details=details)
        self.status = status
        self.retry_after = retry_after


class ConnectFailed(TransportError):
    """No connection to the server could be made; nothing was sent."""

    default_code = "connect_failed"


class TimedOut(TransportError):
    """The server did not answer in time; whether it acted is unknown."""

    default_code = "timed_out"


class ApiError(HeadwayError):
    """The server refused the request.

    Args:
        message: What is wrong, naming the field or thing concerned.
        hint: What to do next, or ``None``.
        code: The server's code.
        details: What the server said beside its message; the engine names the field here.
        status: The HTTP status, or ``None`` when nothing was sent or it is not known.
    """

    default_code = "api_error"

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        code: str | None = None,
        details: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, details=details)
        self.status = status


class NotFound(ApiError):
    """There is no such thing, or it is not visible to this caller."""

    default_code = "not_found"


class Denied(ApiError):
    """The caller may not do this."""

    default_code = "denied"


class Conflict(ApiError):
    """The thing is in another state than the request supposes."""

    default_code = "conflict"


class InvalidRequest(ApiError):
    """A field of the request is wrong."""

    default_code = "invalid_request"


class JobEnded(HeadwayError):
    """The job ended without a result.

    Args:
        message: What the job died of.
        hint: What to do next, or ``None``.
        code: The job's machine-readable failure code.
        snapshot: The job's last snapshot, as far as it is known.
    """

    default_code = "job_ended"

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        code: str | None = None,
        snapshot: Any = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.snapshot = snapshot


class JobFailed(JobEnded):
    """The job failed for good."""

    default_code = "job_failed"


class JobCancelled(JobEnded):
    """The job was cancelled."""

    default_code = "job_cancelled"


class LeaseLost(HeadwayError):
    """This attempt no longer owns the job; nothing it writes will be accepted."""

    default_code = "lease_lost"


class BudgetExceeded(HeadwayError):
    """The next paid call would pass the job's or the tenant's budget."""

    default_code = "budget_exceeded"


class Retry(HeadwayError):
    """The handler asks for another attempt.

    Args:
        message: Why this attempt is given up.
        after: Seconds until the next attempt may start; ``None`` leaves it to the retry policy.
        hint: What to do next, or ``None``.
        code: A machine-readable code for the attempt's failure.
    """

    default_code = "retry"

    def __init__(
        self,
        message: str | None = None,
        *,
        after: float | None = None,
        hint: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.after = after
