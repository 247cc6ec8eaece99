"""Which requests may be sent again after an error.

An answer can be lost after its transaction has committed, so what is sent again must not do it twice. The
engine's functions are made for that: jobs, batches, claims and paid calls carry ids made by the caller, and a
worker's writes its lease.
"""

from __future__ import annotations

from headway.errors import ConnectFailed, TransportError

__all__ = ["REPEATABLE_FUNCTIONS", "may_repeat"]

REPEATABLE_FUNCTIONS = frozenset(
    {
        "add_files",
        "batch_snapshot",
        "cancel",
        "cancel_batch",
        "checkpoint",
        "children",
        "claim",
        "claim_outbox",
        "collect_orphans",
        "events_after",
        "files_postponed",
        "files_removed",
        "finish",
        "finish_outbox",
        "heartbeat",
        "prune",
        "prune_outbox",
        "record_usage",
        "register_worker",
        "release_usage",
        "reserve_usage",
        "signal",
        "snapshot",
        "stop_worker",
        "submit",
        "submit_children",
        "submit_many",
        "sweep",
        "tick_schedules",
        "version",
        "watch",
    }
)
"""Functions of schema ``headway`` that may be called twice for once.

``submit`` and its like count because ``Submission`` gives every job an id, ``heartbeat`` because its events
are numbered. ``retry`` is not among them: should the new run have failed meanwhile, it would open another;
nor is ``emit``, which may be called without numbers.
"""

_REPEATABLE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
# The transaction was undone, or never began.
_UNDONE_CODES = frozenset(
    {"40001", "40P01", "55P03", "57014", "PGRST000", "PGRST001", "PGRST002", "PGRST003"}
)
_UNDONE_STATUSES = frozenset({429})


def may_repeat(error: BaseException, *, method: str = "POST", function: str | None = None) -> bool:
    """Whether a request that failed may be sent again: it would help, and do no harm.

    Args:
        error: What it failed with.
        method: Its HTTP method.
        function: The engine's function that it called, if it did.
    """
    if not isinstance(error, TransportError):
        return False
    if isinstance(error, ConnectFailed) or error.code in _UNDONE_CODES or error.status in _UNDONE_STATUSES:
        return True
    return method.upper() in _REPEATABLE_METHODS or function in REPEATABLE_FUNCTIONS
