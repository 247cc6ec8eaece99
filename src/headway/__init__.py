"""Background jobs for Supabase whose progress your users can watch.

Names are imported when they are first used, so that a worker loads nothing of the client, nor a client of the
worker.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.client.callback import callback_url, safe_redirect
    from headway.client.proxies import RequestOrigin
    from headway.client.webhooks import (
        Webhook,
        check_webhook_signature,
        sign_webhook,
        verify_webhook,
    )
    from headway.core.parts import FileRef, Stage
    from headway.core.retry import RetryPolicy
    from headway.errors import (
        ApiError,
        BudgetExceeded,
        ConfigError,
        Conflict,
        ConnectFailed,
        Denied,
        HeadwayError,
        InvalidRequest,
        JobCancelled,
        JobEnded,
        JobFailed,
        LeaseLost,
        NotFound,
        Retry,
        SchemaMismatch,
        TimedOut,
        TransportError,
    )
    from headway.settings import WorkerSettings
    from headway.worker.children import ChildResult
    from headway.worker.context import Context
    from headway.worker.outcomes import Cancel, Snooze
    from headway.worker.routes import WorkerApi
    from headway.worker.sync_context import SyncContext
    from headway.worker.worker import Worker

__all__ = [
    "ApiError",
    "BudgetExceeded",
    "Cancel",
    "ChildResult",
    "ConfigError",
    "Conflict",
    "ConnectFailed",
    "Context",
    "Denied",
    "FileRef",
    "HeadwayError",
    "InvalidRequest",
    "JobCancelled",
    "JobEnded",
    "JobFailed",
    "LeaseLost",
    "NotFound",
    "RequestOrigin",
    "Retry",
    "RetryPolicy",
    "SchemaMismatch",
    "Snooze",
    "Stage",
    "SyncContext",
    "TimedOut",
    "TransportError",
    "Webhook",
    "Worker",
    "WorkerApi",
    "WorkerSettings",
    "callback_url",
    "check_webhook_signature",
    "safe_redirect",
    "sign_webhook",
    "verify_webhook",
]

_HOMES = {
    "Cancel": "headway.worker.outcomes",
    "ChildResult": "headway.worker.children",
    "Context": "headway.worker.context",
    "FileRef": "headway.core.parts",
    "RequestOrigin": "headway.client.proxies",
    "RetryPolicy": "headway.core.retry",
    "Snooze": "headway.worker.outcomes",
    "Stage": "headway.core.parts",
    "SyncContext": "headway.worker.sync_context",
    "Webhook": "headway.client.webhooks",
    "Worker": "headway.worker.worker",
    "WorkerApi": "headway.worker.routes",
    "WorkerSettings": "headway.settings",
    "callback_url": "headway.client.callback",
    "check_webhook_signature": "headway.client.webhooks",
    "safe_redirect": "headway.client.callback",
    "sign_webhook": "headway.client.webhooks",
    "verify_webhook": "headway.client.webhooks",
}
"""Where each name is defined; what is not here is an error of ``headway.errors``."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES.get(name, "headway.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
