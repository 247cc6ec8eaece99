"""What the program's exit status says of an error.

The table is in ``headway.cli.main``'s docstring and in ``docs/cli.md``.
"""

from __future__ import annotations

from headway.cli.jobs.inputs import WrongArgument
from headway.errors import Denied, HeadwayError, JobCancelled, JobFailed, NotFound, TransportError

__all__ = ["FAILED", "exit_status_of"]

FAILED = 1

_BY_CODE = {
    "not_running": 3,
    "data_dir_in_use": 4,
    "not_signed_in": 5,
    "signed_out": 5,
    "result_timeout": 12,
}
_BY_KIND: tuple[tuple[type[HeadwayError], int], ...] = (
    (WrongArgument, 2),
    (Denied, 5),
    (NotFound, 6),
    (TransportError, 7),
    (JobFailed, 10),
    (JobCancelled, 11),
)


def exit_status_of(error: HeadwayError) -> int:
    """The status to exit with."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((status for kind, status in _BY_KIND if isinstance(error, kind)), FAILED)
