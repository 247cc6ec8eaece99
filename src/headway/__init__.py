"""Background jobs for Supabase whose progress your users can watch.

Names are imported when they are first used, so that a worker loads nothing of the client, nor a client of the
worker.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.client.callback import callback_url, safe_redirect
    from headway.client.files import SignedUpload, TransferProgress, Upload
    from headway.client.handles import BatchHandle, JobHandle
    from headway.client.headway import AsyncHeadway
    from headway.client.page import Page
    from headway.client.policy import ClientPolicy
    from headway.client.proxies import RequestOrigin
    from headway.client.reading import LogLine, UsageRecord
    from headway.client.sync import Headway, SyncBatchHandle, SyncJobHandle, SyncWatch
    from headway.client.watch import Watch
    from headway.client.webhooks import Webhook, check_webhook_signature, sign_webhook, verify_webhook
    from headway.core.answers import BatchSnapshot
    from headway.core.event import JobEvent
    from headway.core.feed import Update
    from headway.core.job import JobBrief, JobRecord, Snapshot
    from headway.core.listing import JobUpdate
    from headway.core.parts import FileRef, Stage
    from headway.core.retry import RetryPolicy
    from headway.core.retry_after import retry_after_of
    from headway.core.submission import Notify
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
    from headway.link import LinkPolicy
    from headway.outbound.transport import GuardedTransport
    from headway.settings import ClientSettings, WorkerSettings
    from headway.worker.children import ChildResult
    from headway.worker.context import Context
    from headway.worker.outcomes import Cancel, Snooze
    from headway.worker.routes import WorkerApi
    from headway.worker.sync_context import SyncContext
    from headway.worker.worker import Worker

__all__ = [
    "ApiError",
    "AsyncHeadway",
    "BatchHandle",
    "BatchSnapshot",
    "BudgetExceeded",
    "Cancel",
    "ChildResult",
    "ClientPolicy",
    "ClientSettings",
    "ConfigError",
    "Conflict",
    "ConnectFailed",
    "Context",
    "Denied",
    "FileRef",
    "GuardedTransport",
    "Headway",
    "HeadwayError",
    "InvalidRequest",
    "JobBrief",
    "JobCancelled",
    "JobEnded",
    "JobEvent",
    "JobFailed",
    "JobHandle",
    "JobRecord",
    "JobUpdate",
    "LeaseLost",
    "LinkPolicy",
    "LogLine",
    "NotFound",
    "Notify",
    "Page",
    "RequestOrigin",
    "Retry",
    "RetryPolicy",
    "SchemaMismatch",
    "SignedUpload",
    "Snapshot",
    "Snooze",
    "Stage",
    "SyncBatchHandle",
    "SyncContext",
    "SyncJobHandle",
    "SyncWatch",
    "TimedOut",
    "TransferProgress",
    "TransportError",
    "Update",
    "Upload",
    "UsageRecord",
    "Watch",
    "Webhook",
    "Worker",
    "WorkerApi",
    "WorkerSettings",
    "callback_url",
    "check_webhook_signature",
    "retry_after_of",
    "safe_redirect",
    "sign_webhook",
    "verify_webhook",
]

_HOMES = {
    "AsyncHeadway": "headway.client.headway",
    "BatchHandle": "headway.client.handles",
    "BatchSnapshot": "headway.core.answers",
    "Cancel": "headway.worker.outcomes",
    "ChildResult": "headway.worker.children",
    "ClientPolicy": "headway.client.policy",
    "ClientSettings": "headway.settings",
    "Context": "headway.worker.context",
    "FileRef": "headway.core.parts",
    "GuardedTransport": "headway.outbound.transport",
    "Headway": "headway.client.sync",
    "JobBrief": "headway.core.job",
    "JobEvent": "headway.core.event",
    "JobHandle": "headway.client.handles",
    "JobRecord": "headway.core.job",
    "JobUpdate": "headway.core.listing",
    "LinkPolicy": "headway.link",
    "LogLine": "headway.client.reading",
    "Notify": "headway.core.submission",
    "Page": "headway.client.page",
    "RequestOrigin": "headway.client.proxies",
    "RetryPolicy": "headway.core.retry",
    "SignedUpload": "headway.client.files",
    "Snapshot": "headway.core.job",
    "Snooze": "headway.worker.outcomes",
    "Stage": "headway.core.parts",
    "SyncBatchHandle": "headway.client.sync",
    "SyncContext": "headway.worker.sync_context",
    "SyncJobHandle": "headway.client.sync",
    "SyncWatch": "headway.client.sync",
    "TransferProgress": "headway.client.files",
    "Update": "headway.core.feed",
    "Upload": "headway.client.files",
    "UsageRecord": "headway.client.reading",
    "Watch": "headway.client.watch",
    "Webhook": "headway.client.webhooks",
    "Worker": "headway.worker.worker",
    "WorkerApi": "headway.worker.routes",
    "WorkerSettings": "headway.settings",
    "callback_url": "headway.client.callback",
    "check_webhook_signature": "headway.client.webhooks",
    "retry_after_of": "headway.core.retry_after",
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
