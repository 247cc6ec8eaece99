"""The beginning of a download, beside the file that it will be.

It is called ``.<name>.<version>.part``, the version being the object's ETag in base64, so that a later
process knows which object its bytes are of without any other record.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import fcntl
import hashlib
import os
import re
from pathlib import Path
from typing import IO, Protocol

__all__ = ["PartFile"]

_PIECE = 256 * 1024
# Pieces come as small as the network likes, and each write costs a change of thread.
_GATHERED = 1024 * 1024
# A file's name may have 255 bytes, and the version takes up to 120.
_LONGEST_NAME = 120
_STRONG = re.compile(r'"[\x21\x23-\x7e]{1,88}"')


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


class PartFile:
    """A part of an object, locked against other downloads into the same place.

    Args:
        path: Where.
        file: Open and locked.
        etag: The version of the object; empty when it has none that could be asked for again.
    """

    def __init__(self, path: Path, file: IO[bytes], etag: str) -> None:
        self.path = path
        self.etag = etag
        self._file = file
        self._gathered = bytearray()

    @classmethod
    def left_over(cls, target: Path) -> PartFile | None:
        """What an interrupted download has left of a file, unless another one is at it."""
        prefix, suffix = _prefix(target), ".part"
        for path in sorted(target.parent.iterdir()):
            name = path.name
            if not (name.startswith(prefix) and name.endswith(suffix)):
                continue
            etag = _decoded(name[len(prefix) : -len(suffix)])
            if etag is None or path.is_symlink() or not path.is_file():
                continue
            file = path.open("r+b")
            if _lock(file):
                return cls(path, file, etag)
            file.close()
        return None

    @classmethod
    def begin(cls, target: Path, etag: str | None) -> PartFile:
        """An empty part.

        Args:
            target: The file that it will be.
            etag: The version of the object, as the server said.
        """
        known = etag if etag is not None and _STRONG.fullmatch(etag) else ""
        while True:
            tag = base64.urlsafe_b64encode(known.encode()).decode().rstrip("=") or os.urandom(8).hex() + "-"
            path = target.parent / f"{_prefix(target)}{tag}.part"
            # Neither read nor followed by anybody before it is locked.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            file = os.fdopen(descriptor, "r+b")
            if _lock(file):
                file.truncate(0)
                return cls(path, file, known)
            file.close()
            known = ""

    async def read_into(self, digest: _Digest) -> int:
        """Take what is there into a checksum; its bytes."""
        size = 0
        while piece := await asyncio.to_thread(self._file.read, _PIECE):
            digest.update(piece)
            size += len(piece)
        return size

    async def write(self, piece: bytes) -> None:
        """Add a piece; it is on disk, at the latest, when the part is let go of."""
        self._gathered += piece
        if len(self._gathered) >= _GATHERED:
            gathered, self._gathered = self._gathered, bytearray()
            await asyncio.to_thread(self._file.write, gathered)

    def publish(self, target: Path, *, overwrite: bool) -> None:
        """Let the file appear, whole.

        Raises:
            FileExistsError: it is there, and is not to be overwritten.
        """
        self._flush()
        if overwrite:
            self.path.replace(target)
            return
        try:
            os.link(self.path, target)
        except FileExistsError:
            raise FileExistsError(errno.EEXIST, "is there already", str(target)) from None
        self.path.unlink()

    def _flush(self) -> None:
        gathered, self._gathered = self._gathered, bytearray()
        self._file.write(gathered)
        self._file.flush()

    def discard(self) -> None:
        """Nothing of it is wanted."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of it; what nobody could go on from is removed."""
        self._flush()
        self._file.close()
        if not self.etag:
            self.discard()


def _prefix(target: Path) -> str:
    name = target.name
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{name}."


def _lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    # Published or removed by its former holder between our open and our lock?
    return os.fstat(file.fileno()).st_nlink > 0


def _decoded(tag: str) -> str | None:
    try:
        etag = base64.urlsafe_b64decode(tag + "=" * (-len(tag) % 4)).decode("ascii")
    except ValueError:
        return None
    return etag if _STRONG.fullmatch(etag) else None
