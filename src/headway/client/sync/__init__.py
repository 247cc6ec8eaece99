"""The client for code without an event loop: the same code, on a thread of its own."""

from headway.client.sync.handles import SyncBatchHandle, SyncJobHandle
from headway.client.sync.headway import Headway
from headway.client.sync.watch import SyncWatch

__all__ = ["Headway", "SyncBatchHandle", "SyncJobHandle", "SyncWatch"]
