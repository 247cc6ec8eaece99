"""A project's files as one caller sees them: upload, download, sign, remove."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from headway.client.files import download as downloads
from headway.client.files.access import StorageAccess
from headway.client.files.attaching import Attachable, Attaching
from headway.client.files.destination import Destination, is_there
from headway.client.files.exchange import Exchange
from headway.client.files.paths import (
    check_bucket,
    check_content_type,
    check_path,
    default_path,
    local_target,
)
from headway.client.files.places import Named, place_of
from headway.client.files.plain import upload_plainly
from headway.client.files.progress import OnProgress, ProgressTeller
from headway.client.files.resumable import ResumableUpload
from headway.client.files.resume_store import ResumeStore
from headway.client.files.signed import SignedUpload, read_signed_upload, sign_download, sign_upload
from headway.client.files.source import Opened, Source, content_type_of, opened
from headway.client.files.tus import CHUNK
from headway.client.files.withdrawing import or_withdrawn
from headway.core.parts import FileRef
from headway.errors import HeadwayError, InvalidRequest

__all__ = ["DEFAULT_BUCKET", "Files"]

DEFAULT_BUCKET = "job-files"
_MOST_IN_MEMORY = 64 * 1024 * 1024
# What a small file still takes, once it is on its way.
_PATIENCE_S = 3.0


class Files:
    """Moves files between this machine and a project's Storage, in constant memory.

    Args:
        access: The project, and the caller whose policies decide.
        resume_store: Remembers unfinished uploads; in the user's cache when omitted.
    """

    def __init__(self, access: StorageAccess, *, resume_store: ResumeStore | None = None) -> None:
        self._access = access
        self._exchange = Exchange(access)
        self._resume_store = resume_store

    async def upload(
        self,
        source: Source,
        *,
        bucket: str = DEFAULT_BUCKET,
        path: str | None = None,
        name: str | None = None,
        content_type: str | None = None,
        organization_id: UUID | str | None = None,
        replace: bool = False,
        resumable: bool | None = None,
        on_progress: OnProgress | None = None,
    ) -> FileRef:
        """Upload a file; when this returns, it is whole in Storage.

        Args:
            source: A path, bytes, a file open for reading, or an async iterator of bytes.
            bucket: Where.
            path: Under which path; ``<user id>/<random>/<name>`` when omitted.
            name: What the file is called; the source's own name when omitted.
            content_type: Its media type; told from the name when omitted.
            organization_id: Whose folder it goes to, instead of the user's own.
            replace: Whether an object that is there may be replaced.
            resumable: Whether by TUS, which goes on where it was interrupted; when omitted, above 6 MiB. A
                file given by its path goes on in a later process as well.
            on_progress: Called as bytes arrive.

        Returns:
            The object, with its size and the SHA-256 that was taken on the way.

        Raises:
            InvalidRequest: a field is wrong; the file is too large or of a type that the bucket refuses;
                or it was changed meanwhile.
            Denied: the caller may not write there.
            Conflict: another file is there.
            TransportError: it was interrupted too often.
        """
        owner = await self._access.owner()
        check_bucket(bucket)
        if path is not None:
            check_path(path, bucket=bucket, owner=owner)
        if content_type is not None:
            check_content_type(content_type)
        async with opened(source, name) as file:
            chosen = path or default_path(
                file.name, owner=owner, organization_id=organization_id, folder=None
            )
            destination = Destination(
                bucket, chosen, content_type or content_type_of(file.name), replace=replace
            )
            key = (self._access.url, owner, bucket, path, organization_id, destination.content_type, replace)
            return await self._send(self._exchange, file, destination, key, resumable, on_progress)

    async def upload_signed(
        self,
        signed: SignedUpload | str,
        source: Source,
        *,
        content_type: str | None = None,
        resumable: bool | None = None,
        on_progress: OnProgress | None = None,
    ) -> FileRef:
        """Upload by a right that somebody else has given; as ``upload``, without a user.

        Args:
            signed: What ``signed_upload`` answered, or its ``url``.

        Raises:
            InvalidRequest: the address is not of this project.
            Denied: the right has expired, or is for another path.
        """
        url = signed if isinstance(signed, str) else signed.url
        right = read_signed_upload(url, self._access.url)
        if content_type is not None:
            check_content_type(content_type)
        async with opened(source, None) as file:
            destination = Destination(
                right.bucket, right.path, content_type or content_type_of(file.name), token=right.token
            )
            key = (self._access.url, "signed", right.token)
            exchange = Exchange(self._access, signed=True)
            return await self._send(exchange, file, destination, key, resumable, on_progress)

    async def _send(
        self,
        exchange: Exchange,
        file: Opened,
        destination: Destination,
        key: tuple[object, ...],
        resumable: bool | None,
        on_progress: OnProgress | None,
    ) -> FileRef:
        progress = ProgressTeller(file.name, file.size, on_progress)
        if file.size and (file.size > CHUNK if resumable is None else resumable):
            store = self._resume_store or ResumeStore.default()
            if file.identity is None:
                store = ResumeStore(None)
            with store.claim(*key, file.identity) as claim:
                upload = ResumableUpload(exchange, file, destination, claim, progress)
                sha256 = await upload.run()
                destination = upload.destination
        else:
            sha256 = await or_withdrawn(
                upload_plainly(exchange, file, destination, progress),
                lambda: _withdraw(exchange, destination, file.size),
                patience=_PATIENCE_S,
            )
        try:
            file.check_unchanged()
        except InvalidRequest as error:
            # Half of the one content and half of the other is nothing that anybody wants.
            try:
                await exchange.send("DELETE", f"/object/{destination.address}")
            except HeadwayError as refusal:
                error.add_note(f"{destination.bucket}/{destination.path} stays in Storage: {refusal.message}")
            raise
        return FileRef(
            direction="input",
            name=file.name,
            bucket=destination.bucket,
            path=destination.path,
            content_type=destination.content_type,
            bytes=file.size,
            sha256=sha256,
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
        """Download into a file, which appears when it is whole and its checksum is right.

        Args:
            file: A file of a job, or ``bucket/path``.
            to: The file to write, or a folder, into which it goes under its own name.
            sha256: What the checksum must be, when the file itself does not say.
            replace: Whether a file that is there may be replaced.
            on_progress: Called as bytes arrive.

        Returns:
            The file.

        Raises:
            NotFound: it is not there, or not for this caller.
            FileExistsError: ``replace`` is false, and there is one.
            TransportError: it was interrupted too often (another call goes on where it stopped), or the
                bytes are not those that were uploaded.
        """
        place = place_of(file, sha256=sha256)
        target = local_target(Path(to), place.name)
        progress = ProgressTeller(place.name, place.size, on_progress)
        await downloads.download_to(self._exchange, place, target, overwrite=replace, progress=progress)
        return target

    def stream(self, file: Named, *, sha256: str | None = None) -> AsyncIterator[bytes]:
        """A file's bytes as they come; raises after the last of them if they are not the right ones."""
        return downloads.stream(self._exchange, place_of(file, sha256=sha256))

    async def read(
        self, file: Named, *, sha256: str | None = None, most_bytes: int = _MOST_IN_MEMORY
    ) -> bytes:
        """A whole file in memory.

        Args:
            most_bytes: Refuse a file that is larger.

        Raises:
            InvalidRequest: it is larger.
            NotFound: it is not there, or not for this caller.
            TransportError: it was interrupted too often, or is not what it should be.
        """
        content = bytearray()
        async for piece in self.stream(file, sha256=sha256):
            content += piece
            if len(content) > most_bytes:
                raise InvalidRequest(
                    f"file: has more than {most_bytes} bytes",
                    hint="Download it into a file, or stream it.",
                    code="HW104",
                    details="file",
                )
        return bytes(content)

    async def signed_url(self, file: Named, *, expires: int = 3600, download_as: str | None = None) -> str:
        """An address that shows a file to whoever has it.

        Args:
            file: A file of a job, or ``bucket/path``; the caller must be allowed to read it.
            expires: For how many seconds it works.
            download_as: Browsers save it under this name instead of showing it.

        Raises:
            NotFound: it is not there, or not for this caller.
        """
        return await sign_download(self._exchange, place_of(file), expires=expires, download_as=download_as)

    async def signed_upload(
        self, path: str, *, bucket: str = DEFAULT_BUCKET, replace: bool = False
    ) -> SignedUpload:
        """The right to upload one file, for a browser or another machine.

        Args:
            path: Where it will be; the caller must be allowed to write there.

        Raises:
            InvalidRequest: the path is not one.
            Denied: the caller may not write there.
        """
        check_path(path, bucket=check_bucket(bucket), owner=await self._access.owner())
        return await sign_upload(self._exchange, bucket, path, replace=replace)

    async def remove(self, files: Iterable[Named]) -> tuple[str, ...]:
        """Remove files from Storage.

        Returns:
            ``bucket/path`` of those that were removed; what is missing or not the caller's is not among them.
        """
        by_bucket: dict[str, list[str]] = {}
        for place in map(place_of, files):
            by_bucket.setdefault(place.bucket, []).append(place.path)
        removed: list[str] = []
        for bucket, paths in by_bucket.items():
            for start in range(0, len(paths), 1000):
                body = {"prefixes": paths[start : start + 1000]}
                rows: Any = (await self._exchange.send("DELETE", f"/object/{bucket}", json=body)).json()
                removed += [f"{bucket}/{row['name']}" for row in rows]
        return tuple(removed)

    def attaching(
        self,
        files: Mapping[str, Attachable],
        *,
        bucket: str = DEFAULT_BUCKET,
        organization_id: UUID | str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Attaching:
        """Upload files for a job that is about to be submitted; removed again if it is not.

        ::

            async with files.attaching({"cv": path}) as attached:
                answer = await submit(files=attached.files)
                attached.settle(keep=answer.created)

        Args:
            files: By the name that the handler knows them by: whatever ``upload`` takes, an ``Upload``, or a
                file that is in Storage already.
            bucket: Where they go.
            organization_id: Whose folder they go to, instead of the user's own.
            on_progress: Called as bytes arrive, with the name by which the handler knows the file.
        """
        return Attaching(self, files, bucket=bucket, organization_id=organization_id, on_progress=on_progress)


async def _withdraw(exchange: Exchange, destination: Destination, size: int) -> None:
    """Remove the object that a cancelled upload has made; what it has replaced cannot be had back."""
    if not destination.replace and await is_there(exchange, destination, size):
        await exchange.send("DELETE", f"/object/{destination.address}")
