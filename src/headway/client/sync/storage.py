"""Files in Storage beside those of jobs; blocking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator

from headway.client.aside import beside
from headway.client.files import DEFAULT_BUCKET, Files, OnProgress, SignedUpload, Source
from headway.client.files.places import Named
from headway.client.headway import AsyncHeadway
from headway.client.sync.runner import Runner
from headway.core.parts import FileRef

__all__ = ["SyncFiles"]

_MOST_IN_MEMORY = 64 * 1024 * 1024


class SyncFiles:
    """As ``AsyncHeadway.storage``, without an event loop.

    Args:
        runner: What runs the asynchronous client.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def read(self, file: Named, *, sha256: str | None = None, most_bytes: int = _MOST_IN_MEMORY) -> bytes:
        """As ``Files.read``: a whole file in memory."""
        return self._runner.run(lambda hw: hw.storage.read(file, sha256=sha256, most_bytes=most_bytes))

    def stream(self, file: Named, *, sha256: str | None = None) -> Iterator[bytes]:
        """As ``Files.stream``: a file's bytes as they come, verified after the last of them."""
        pieces: AsyncIterator[bytes] | None = None

        async def begin(hw: AsyncHeadway) -> AsyncIterator[bytes]:
            return hw.storage.stream(file, sha256=sha256)

        async def close(_: AsyncHeadway) -> None:
            aclose = getattr(pieces, "aclose", None)
            if aclose is not None:
                await aclose()

        pieces = self._runner.run(begin)
        source = pieces

        async def take(_: AsyncHeadway) -> bytes | None:
            return await anext(source, None)

        try:
            while (piece := self._runner.run(take)) is not None:
                yield piece
        finally:
            self._runner.run(close)

    def signed_upload(
        self, path: str, *, bucket: str = DEFAULT_BUCKET, replace: bool = False
    ) -> SignedUpload:
        """As ``Files.signed_upload``: the right to upload one file, for a browser or another machine."""
        return self._runner.run(lambda hw: hw.storage.signed_upload(path, bucket=bucket, replace=replace))

    def upload_signed(
        self,
        signed: SignedUpload | str,
        source: Source,
        *,
        content_type: str | None = None,
        resumable: bool | None = None,
        on_progress: OnProgress | None = None,
    ) -> FileRef:
        """As ``Files.upload_signed``: upload by a right that somebody else has given."""

        with beside("on_progress", on_progress) as telling:

            async def upload(hw: AsyncHeadway) -> FileRef:
                files: Files = hw.storage
                return await files.upload_signed(
                    signed, source, content_type=content_type, resumable=resumable, on_progress=telling
                )

            return self._runner.run(upload)

    def remove(self, files: Iterable[Named]) -> tuple[str, ...]:
        """As ``Files.remove``: remove files from Storage; those that were removed."""
        return self._runner.run(lambda hw: hw.storage.remove(files))
