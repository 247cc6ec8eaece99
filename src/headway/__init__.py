"""Background jobs for Supabase whose progress your users can watch."""

from headway.client.callback import callback_url, safe_redirect
from headway.client.proxies import RequestOrigin
from headway.client.webhooks import Webhook, check_webhook_signature, sign_webhook, verify_webhook
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
    "RequestOrigin",
    "Retry",
    "SchemaMismatch",
    "TimedOut",
    "TransportError",
    "Webhook",
    "callback_url",
    "check_webhook_signature",
    "safe_redirect",
    "sign_webhook",
    "verify_webhook",
]
