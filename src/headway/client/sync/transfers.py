"""Files between this machine and Storage; blocking."""

from __future__ import annotations

from pathlib import Path

from headway.client.aside import beside
from headway.client.files import DEFAULT_BUCKET, OnProgress, Source
from headway.client.files.places import Named
from headway.client.filters import Id
from headway.client.sync.runner import HasRunner
from headway.client.sync.storage import SyncFiles
from headway.core.parts import FileRef

__all__ = ["SyncTransfers"]


class SyncTransfers(HasRunner):
    """The part of ``Headway`` that moves files."""

    @property
    def storage(self) -> SyncFiles:
        """Files in Storage beside those of jobs: ``stream``, ``read``, ``signed_upload``, ``remove`` …"""
        return SyncFiles(self.runner)

    def upload(
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
        """As ``AsyncHeadway.upload``."""
        with beside("on_progress", on_progress) as telling:
            return self.runner.run(
                lambda hw: hw.upload(
                    source,
                    bucket=bucket,
                    path=path,
                    name=name,
                    content_type=content_type,
                    organization_id=organization_id,
                    replace=replace,
                    resumable=resumable,
                    on_progress=telling,
                )
            )

    def download(
        self,
        file: Named,
        to: Path | str,
        *,
        sha256: str | None = None,
        replace: bool = True,
        on_progress: OnProgress | None = None,
    ) -> Path:
        """As ``AsyncHeadway.download``."""
        with beside("on_progress", on_progress) as telling:
            return self.runner.run(
                lambda hw: hw.download(file, to, sha256=sha256, replace=replace, on_progress=telling)
            )

    def signed_url(self, file: Named, *, expires: int = 3600, download_as: str | None = None) -> str:
        """As ``AsyncHeadway.signed_url``."""
        return self.runner.run(lambda hw: hw.signed_url(file, expires=expires, download_as=download_as))
