"""Files: streamed, resumable, verified; under the caller's own policies."""

from headway.client.files.access import StorageAccess
from headway.client.files.attaching import Attachable, Attaching
from headway.client.files.progress import OnProgress, TransferProgress
from headway.client.files.resume_store import ResumeStore
from headway.client.files.signed import SignedUpload
from headway.client.files.source import Source, Upload
from headway.client.files.store import DEFAULT_BUCKET, Files

__all__ = [
    "DEFAULT_BUCKET",
    "Attachable",
    "Attaching",
    "Files",
    "OnProgress",
    "ResumeStore",
    "SignedUpload",
    "Source",
    "StorageAccess",
    "TransferProgress",
    "Upload",
]
