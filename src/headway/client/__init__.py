"""What apps import to talk to a Supabase project that Headway runs on."""

from headway.client.callback import callback_url, safe_redirect
from headway.client.proxies import RequestOrigin

__all__ = ["RequestOrigin", "callback_url", "safe_redirect"]
