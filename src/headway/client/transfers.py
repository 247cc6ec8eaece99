"""Files between this machine and Storage, by the client's own identity."""

from __future__ import annotations

from pathlib import Path

from headway.client.connection import Connected
from headway.client.files import DEFAULT_BUCKET, Files, OnProgress, Source
from headway.client.files.places import Named
from headway.client.filters import Id
from headway.core.parts import FileRef

__all__ = ["Transfers"]


class Transfers(Connected):
    """The part of ``AsyncHeadway`` that moves files."""

    @property
    def storage(self) -> Files:
        """Files in Storage beside those of jobs: ``stream``, ``read``, ``signed_upload``, ``remove`` …"""
        return Files(self.connection)

    async def upload(
        self,
        source: Source,
        *,
        bucket: str = DEFAULT_BUCKET,
        path: str | None = None,
        name: str | None = None,
        content_type: str | None = None,
        organization_id: Id | None = None,
        replace: bool = False,
        resumable: bool | None = None,
        on_progress: OnProgress | None = None,
    ) -> FileRef:
        """As ``storage.upload``: streamed, resumable above 6 MiB, whole in Storage when this returns."""
        return await self.storage.upload(
            source,
            bucket=bucket,
            path=path,
            name=name,
            content_type=content_type,
            organization_id=organization_id,
            replace=replace,
            resumable=resumable,
            on_progress=on_progress,
        )

    async def download(
        self,
        file: Named,
        to: Path | str,
        *,
        sha256: str | None = None,
        replace: bool = True,
        on_progress: OnProgress | None = None,
    ) -> Path:
        """As ``storage.download``: into a file, which appears when it is whole and its checksum is right."""
        return await self.storage.download(file, to, sha256=sha256, replace=replace, on_progress=on_progress)

    async def signed_url(self, file: Named, *, expires: int = 3600, download_as: str | None = None) -> str:
        """As ``storage.signed_url``: an address that shows a file to whoever has it, for some seconds."""
        return await self.storage.signed_url(file, expires=expires, download_as=download_as)
