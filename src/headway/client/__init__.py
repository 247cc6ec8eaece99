"""What apps import to talk to a Supabase project that Headway runs on."""

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

__all__ = [
    "AsyncHeadway",
    "BatchHandle",
    "ClientPolicy",
    "Headway",
    "JobHandle",
    "LogLine",
    "Page",
    "RequestOrigin",
    "SignedUpload",
    "SyncBatchHandle",
    "SyncJobHandle",
    "SyncWatch",
    "TransferProgress",
    "Upload",
    "UsageRecord",
    "Watch",
    "callback_url",
    "safe_redirect",
]
