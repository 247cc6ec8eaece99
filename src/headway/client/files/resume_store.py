"""Remembers unfinished uploads, so that another process can go on with them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from headway.client.files.paths import check_path
from headway.client.files.tus import UPLOAD_ID
from headway.errors import InvalidRequest
from headway.settings import FileSettings

__all__ = ["Claim", "ResumeStore", "Unfinished"]

_log = logging.getLogger(__name__)

# Hosted Supabase keeps an unfinished upload for a day.
_KEPT_SECONDS = 2 * 86_400


class Unfinished(BaseModel):
    """An upload that was begun.

    Attributes:
        upload_id: As the server calls it.
        mark: In the object's metadata.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    upload_id: str = Field(pattern=UPLOAD_ID.pattern)
    path: str
    mark: str = Field(pattern="^[0-9a-f]{32}$")

    @field_validator("path")
    @classmethod
    def _leads_nowhere_else(cls, path: str) -> str:
        try:
            return check_path(path)
        except InvalidRequest as error:
            raise ValueError(error.message) from None


class Claim:
    """The exclusive right to one upload's memory, while it is held.

    Args:
        descriptor: Of the locked file; ``None`` remembers nothing.
        path: Of that file.
    """

    def __init__(self, descriptor: int | None = None, path: Path | None = None) -> None:
        self._descriptor = descriptor
        self._path = path

    @property
    def remembers(self) -> bool:
        """Whether another process will find what is remembered here."""
        return self._descriptor is not None

    def recall(self) -> Unfinished | None:
        """What an earlier process has begun."""
        if self._descriptor is None:
            return None
        written = os.pread(self._descriptor, 64 * 1024, 0)
        try:
            return Unfinished.model_validate_json(written) if written else None
        except ValidationError:
            return None  # a process was killed while it wrote

    def remember(self, unfinished: Unfinished) -> None:
        """Keep it for another process."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, unfinished.model_dump_json().encode(), 0)

    def forget(self) -> None:
        """There is nothing to go on with any more."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)


class ResumeStore:
    """A folder with one small file for every unfinished upload.

    The name of a file is a hash of whose upload it is, where it goes, and what the file's identity is:
    another content, another person or another project is another upload. Nothing in it grants anything: going
    on takes the token of whoever began.

    Args:
        directory: Where; made when needed, for this user only. ``None`` remembers nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory

    @classmethod
    def default(cls) -> ResumeStore:
        """The folder of ``HEADWAY_RESUME_DIR``, else one in the user's cache; none without a home."""
        settings = FileSettings.load()
        if settings.resume_dir is not None:
            return cls(settings.resume_dir)
        cache = settings.cache_home or _user_cache()
        return cls(None if cache is None else cache / "headway" / "uploads")

    @contextmanager
    def claim(self, *parts: object) -> Iterator[Claim]:
        """What is remembered of an upload, for one process at a time; others begin one of their own.

        Args:
            parts: What makes the upload this one and no other.
        """
        opened = self._lock(hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest())
        if opened is None:
            yield Claim()
            return
        descriptor, path = opened
        claim = Claim(descriptor, path)
        try:
            yield claim
        finally:
            if claim.recall() is None:
                path.unlink(missing_ok=True)
            os.close(descriptor)

    def _lock(self, name: str) -> tuple[int, Path] | None:
        if self.directory is None:
            return None
        path = self.directory / f"{name}.json"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._prune()
            while True:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    os.close(descriptor)
                    return None
                if os.fstat(descriptor).st_nlink:
                    return descriptor, path
                # Removed by its former holder between our open and our lock.
                os.close(descriptor)
        except OSError as error:
            _log.info("unfinished uploads are not remembered: %s: %s", self.directory, error.strerror)
            return None

    def _prune(self) -> None:
        assert self.directory is not None
        oldest = time.time() - _KEPT_SECONDS
        for path in self.directory.glob("*.json"):
            try:
                if path.stat().st_mtime < oldest:
                    path.unlink()
            except FileNotFoundError:
                pass  # another process was faster


def _user_cache() -> Path | None:
    try:
        home = Path.home()
    except RuntimeError:
        return None  # as in a container whose user is but a number
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache")
