"""The Files API: resumable upload in pieces, and files that are being looked at before they can be used.

Source: https://ai.google.dev/api/files and the upload protocol that ``google-genai`` speaks
(``X-Goog-Upload-Protocol: resumable``; commands start, upload, query, cancel, finalize).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from av.error import FFmpegError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headway.sandbox.gemini.video import VideoFacts, read_facts
from headway.sandbox.google_errors import GoogleError

__all__ = ["File", "Files"]

_NAME = re.compile(r"files/[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_LIFE = timedelta(hours=48)
_LARGEST = 2 * 1024**3


@dataclass(slots=True)
class File:
    """An uploaded file, or one that is being uploaded.

    Attributes:
        name: ``files/`` and an identity.
        path: Where its bytes are.
        state: ``PROCESSING``, ``ACTIVE`` or ``FAILED``.
        facts: Once it is active, if it is a video.
    """

    name: str
    display_name: str
    mime_type: str
    size: int
    path: Path
    created: datetime
    received: int = 0
    state: str = "PROCESSING"
    fault: str = ""
    facts: VideoFacts | None = None
    digest: Any = field(default_factory=hashlib.sha256)

    def as_dict(self, base: str) -> dict[str, Any]:
        """As the API shows it.

        Args:
            base: The API's address, without a slash at the end.
        """
        moment = self.created.isoformat().replace("+00:00", "Z")
        shown: dict[str, Any] = {
            "name": self.name,
            "displayName": self.display_name,
            "mimeType": self.mime_type,
            "sizeBytes": str(self.received),
            "createTime": moment,
            "updateTime": moment,
            "expirationTime": (self.created + _LIFE).isoformat().replace("+00:00", "Z"),
            "sha256Hash": base64.b64encode(self.digest.hexdigest().encode()).decode(),
            "uri": f"{base}/v1beta/{self.name}",
            "state": self.state,
            "source": "UPLOADED",
        }
        if self.facts is not None:
            shown["videoMetadata"] = {"videoDuration": f"{self.facts.duration:g}s"}
        if self.fault:
            shown["error"] = {"code": 3, "message": self.fault}
        return shown


class Files:
    """All files of the sandbox; they are gone when it stops."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._uploads: dict[str, File] = {}
        self._directory: Path | None = None

    @property
    def names(self) -> list[str]:
        """The files that exist."""
        return list(self._files)

    def find(self, name: str) -> File:
        """A file by its name or address.

        Raises:
            GoogleError: there is none.
        """
        name = "files/" + name.rstrip("/").rpartition("/")[2]
        if name not in self._files:
            raise GoogleError(
                403,
                f"You do not have permission to access the File {name.removeprefix('files/')} "
                "or it may not exist.",
            )
        return self._files[name]

    async def start(self, request: Request) -> Response:
        """Begin an upload."""
        headers = request.headers
        if (
            headers.get("x-goog-upload-protocol") != "resumable"
            or headers.get("x-goog-upload-command") != "start"
        ):
            raise GoogleError(
                400, "Only the resumable upload protocol is spoken here; begin with the command start."
            )
        try:
            body = await request.json()
            described = dict(body.get("file") or {}) if isinstance(body, dict) else {}
            size = int(headers["x-goog-upload-header-content-length"])
        except (ValueError, KeyError, TypeError) as error:
            raise GoogleError(400, f"The file is not described as it must be: {error!r}") from error
        if not 0 < size <= _LARGEST:
            raise GoogleError(400, f"A file has from 1 to {_LARGEST} bytes.")
        name = str(described.get("name") or f"files/{secrets.token_hex(6)}")
        if not _NAME.fullmatch(name):
            raise GoogleError(
                400,
                "file.name: The file ID may contain up to 40 characters that are lowercase alphanumeric or "
                "dashes (-). "
                "The ID cannot start or end with a dash.",
            )
        if name in self._files:
            raise GoogleError(409, f"File {name.removeprefix('files/')} already exists.")
        upload = secrets.token_urlsafe(18)
        mime = str(described.get("mimeType") or headers.get("x-goog-upload-header-content-type") or "")
        self._uploads[upload] = File(
            name,
            str(described.get("displayName", "")),
            mime,
            size,
            self._folder() / upload,
            datetime.now(UTC),
        )
        address = f"{request.url.replace(query='')}?upload_id={upload}&upload_protocol=resumable"
        return JSONResponse({}, headers={"x-goog-upload-url": address, "x-goog-upload-status": "active"})

    async def receive(self, request: Request, base: str) -> Response:
        """Take a piece of an upload, or the word that it has ended."""
        upload = request.query_params["upload_id"]
        file = self._uploads.get(upload)
        if file is None:
            raise GoogleError(404, "There is no such upload; it has ended or was never begun.")
        commands = {part.strip() for part in request.headers.get("x-goog-upload-command", "").split(",")}
        if "query" in commands:
            return _status(file, "active")
        if "cancel" in commands:
            self._forget(upload)
            return Response(headers={"x-goog-upload-status": "cancelled"})
        if "upload" in commands:
            if request.headers.get("x-goog-upload-offset") != str(file.received):
                raise GoogleError(400, f"The next piece begins at {file.received}.")
            with file.path.open("ab") as stored:
                async for piece in request.stream():
                    await asyncio.to_thread(stored.write, piece)
                    file.digest.update(piece)
                    file.received += len(piece)
        if "finalize" not in commands:
            return _status(file, "active")
        if file.received != file.size:
            raise GoogleError(400, f"The upload has {file.received} of {file.size} bytes.")
        del self._uploads[upload]
        self._files[file.name] = file
        return JSONResponse({"file": file.as_dict(base)}, headers={"x-goog-upload-status": "final"})

    async def look(self, file: File) -> None:
        """Find out what is in a file; from then on it is active, or has failed."""
        try:
            if file.mime_type.startswith("video/"):
                file.facts = await asyncio.to_thread(read_facts, file.path)
            file.state = "ACTIVE"
        except FFmpegError as error:
            file.state, file.fault = "FAILED", f"The video cannot be read: {error.strerror}"

    def delete(self, name: str) -> None:
        """Forget a file.

        Raises:
            GoogleError: there is none.
        """
        file = self.find(name)
        del self._files[file.name]
        file.path.unlink(missing_ok=True)

    async def keep(self) -> None:
        """Hold the bytes of all files until cancelled; then they are gone."""
        try:
            await asyncio.Event().wait()
        finally:
            if self._directory is not None:
                shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def kept(self) -> bool:
        """Whether somebody holds the bytes."""
        return self._directory is not None

    def _folder(self) -> Path:
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="headway-sandbox-"))
        return self._directory

    def _forget(self, upload: str) -> None:
        self._uploads.pop(upload).path.unlink(missing_ok=True)


def _status(file: File, status: str) -> Response:
    return Response(
        headers={"x-goog-upload-status": status, "x-goog-upload-size-received": str(file.received)}
    )
