"""Which object somebody means: a file of a job, or a bucket and a path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from headway.client.files.exchange import object_address
from headway.client.files.paths import check_bucket, check_path
from headway.core.parts import FileRef
from headway.core.submission import InputFile
from headway.errors import InvalidRequest

__all__ = ["Named", "Place", "place_of"]

Named: TypeAlias = FileRef | InputFile | str
"""A file of a job, or ``bucket/path``."""


_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """An object in Storage.

    Attributes:
        name: What the file is called.
        sha256: What its checksum must be, when known.
        size: How many bytes it must have, when known.
    """

    bucket: str
    path: str
    name: str
    sha256: str | None = None
    size: int | None = None

    @property
    def address(self) -> str:
        """As it stands in an address."""
        return object_address(self.bucket, self.path)


def place_of(file: Named, *, sha256: str | None = None) -> Place:
    """The object that is meant.

    Args:
        file: Which.
        sha256: Its checksum, when the caller knows better.

    Raises:
        InvalidRequest: it can be no object's address.
    """
    if sha256 is not None:
        sha256 = _checksum(sha256)
    if isinstance(file, str):
        bucket, slash, path = file.partition("/")
        if not slash:
            raise InvalidRequest(
                "file: names no path",
                hint="Send bucket/path, such as job-files/<user id>/report.pdf.",
                code="HW100",
                details="file",
            )
        return Place(check_bucket(bucket), check_path(path), path.rpartition("/")[2], sha256)
    return Place(
        check_bucket(file.bucket), check_path(file.path), file.name, sha256 or file.sha256, file.bytes
    )


def _checksum(sha256: str) -> str:
    digits = sha256.strip().lower()
    if not _SHA256.fullmatch(digits):
        raise InvalidRequest(
            "sha256: is no SHA-256 checksum",
            hint="Send its 64 hexadecimal digits.",
            code="HW100",
            details="sha256",
        )
    return digits
