"""A job's files: inputs read from Storage, outputs written to it, temporary ones gone at the end."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
import mimetypes
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from headway.core.parts import FileRef
from headway.errors import InvalidRequest, LeaseLost, NotFound
from headway.worker.attempt import Attempt
from headway.worker.objects import Objects, Source
from headway.worker.store import Store
from headway.worker.tools import Tools

__all__ = ["Files"]

_BUCKET = "job-files"
_UNSAFE = re.compile(r"[^A-Za-z0-9!\-_.*'() &$@=;:+,?]")
_CHUNK = 256 * 1024


class Files:
    """The files of one execution.

    Args:
        attempt: The execution; its claim names the files.
        store: Where outputs are registered.
        tools: Storage, and where temporary directories are made.
    """

    def __init__(self, attempt: Attempt, store: Store, tools: Tools) -> None:
        self._attempt = attempt
        self._store = store
        self._tools = tools
        self._dir: Path | None = None
        self._pid = os.getpid()
        self._files = {(file.direction, file.name): file for file in attempt.claimed.files}

    @property
    def inputs(self) -> tuple[FileRef, ...]:
        """What the job was given."""
        return tuple(file for (direction, _), file in self._files.items() if direction == "input")

    @property
    def outputs(self) -> tuple[FileRef, ...]:
        """What it has made, in earlier executions too."""
        return tuple(file for (direction, _), file in self._files.items() if direction == "output")

    @property
    def dir(self) -> Path:
        """A private directory for temporary files; removed with all that is in it when the execution ends."""
        if self._dir is None:
            self._dir = Path(
                tempfile.mkdtemp(prefix=f"job-{self._attempt.job.id}-", dir=self._tools.scratch())
            )
        return self._dir

    async def download(self, name: str) -> Path:
        """A file's content as a local file, in ``dir``; downloaded once.

        Args:
            name: Of an input, or else of an output.

        Raises:
            NotFound: the job has no such file, or its object is gone.
            TransportError: Storage could not be asked.
        """
        file = self.get(name)
        target = self.dir / f"{file.direction}-{_local_name(file.name)}"
        if not target.exists():
            partial = target.with_name(f"{target.name}.part")
            with partial.open("wb") as into:
                async for piece in self._objects.stream(file.bucket, file.path):
                    into.write(piece)
            partial.rename(target)
        return target

    async def stream(self, name: str) -> AsyncIterator[bytes]:
        """A file's content, piece by piece; raises as ``download`` does."""
        file = self.get(name)
        async for piece in self._objects.stream(file.bucket, file.path):
            yield piece

    async def read(self, name: str, most_bytes: int = 64 * 1024 * 1024) -> bytes:
        """A file's content in memory.

        Args:
            name: As for ``download``.
            most_bytes: The most to read.

        Raises:
            InvalidRequest: it is larger (HW104).
            NotFound: as ``download``.
        """
        content = bytearray()
        async for piece in self.stream(name):
            content += piece
            if len(content) > most_bytes:
                raise InvalidRequest(
                    f"file {name!r}: has more than {most_bytes} bytes",
                    hint="Send a smaller file.",
                    code="HW104",
                    details=name,
                )
        return bytes(content)

    async def upload(
        self,
        name: str,
        source: Source,
        *,
        bucket: str = _BUCKET,
        path: str | None = None,
        content_type: str | None = None,
    ) -> FileRef:
        """Store a file and register it as the job's output; it goes when the job goes.

        Args:
            name: Unique among the job's outputs; the same name again replaces it.
            source: A local file, bytes, or pieces.
            bucket: Where.
            path: Where in the bucket; under the owner's or organisation's folder, so that they can read it,
                when omitted.
            content_type: Guessed from the name when omitted.

        Raises:
            InvalidRequest: the name is impossible, or the bucket refuses such a file.
            LeaseLost: another worker owns the job; the file is not registered.
            TransportError: Storage could not be asked.
        """
        if not isinstance(name, str) or not 1 <= len(name) <= 255 or "\x00" in name:
            raise InvalidRequest(
                "name: must have 1 to 255 characters", hint="Name the file.", code="HW103", details="name"
            )
        if self._attempt.lost:
            raise LeaseLost(hint="Stop: another worker runs this job now.")
        path = path or self._default_path(name)
        kind = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        size = await self._put(source, bucket, path, kind)
        file = FileRef(
            direction="output",
            name=name,
            bucket=bucket,
            path=path,
            content_type=kind,
            bytes=size[0],
            sha256=size[1],
        )
        await self._store.add_files(
            self._attempt.lease, [file.model_dump(mode="json", exclude={"direction"}, exclude_none=True)]
        )
        self._files["output", name] = file
        self._attempt.made.append(file)
        return file

    async def signed_url(self, file: str | FileRef, expires: float = 3600.0) -> str:
        """An address under which anybody, such as a provider, can read a file for a while.

        Args:
            file: Its name, or what ``upload`` has returned.
            expires: Seconds.
        """
        chosen = file if isinstance(file, FileRef) else self.get(file)
        return await self._objects.signed_url(chosen.bucket, chosen.path, expires)

    def get(self, name: str) -> FileRef:
        """An input, or else an output, by its name; raises ``NotFound`` with the nearest name."""
        for direction in ("input", "output"):
            if (file := self._files.get((direction, name))) is not None:
                return file
        names = [known for _, known in self._files]
        near = difflib.get_close_matches(name, names, n=1)
        raise NotFound(
            f"the job has no file {name[:200]!r}",
            hint=f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(names) or 'none'}.",
            code="file_unknown",
        )

    async def close(self) -> None:
        """Remove the temporary directory."""
        # A copy that a handler has forked must not remove what its original still needs.
        if self._dir is not None and os.getpid() == self._pid:
            directory, self._dir = self._dir, None
            await asyncio.get_running_loop().run_in_executor(
                None, lambda: shutil.rmtree(directory, ignore_errors=True)
            )

    @property
    def _objects(self) -> Objects:
        return self._tools.objects

    async def _put(self, source: Source, bucket: str, path: str, content_type: str) -> tuple[int, str]:
        digest, count = hashlib.sha256(), 0

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal digest, count
            digest, count = hashlib.sha256(), 0
            async for piece in _pieces(source):
                digest.update(piece)
                count += len(piece)
                yield piece

        size = None
        if isinstance(source, Path):
            size = source.stat().st_size
        elif isinstance(source, (bytes, bytearray, memoryview)):
            size = len(source)
        await self._objects.put(bucket, path, pieces, content_type, size=size, repeatable=size is not None)
        return count, digest.hexdigest()

    def _default_path(self, name: str) -> str:
        """By execution, so that a late one cannot overwrite what its successor has written."""
        job = self._attempt.job
        if job.organization_id is not None:
            folder = f"org/{job.organization_id}"
        else:
            folder = str(job.owner_id or "service")
        return f"{folder}/jobs/{job.id}/{job.attempt}/{_object_name(name)}"


async def _pieces(source: Source) -> AsyncIterator[bytes]:
    if isinstance(source, Path):
        with source.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _CHUNK):
                yield piece
    elif isinstance(source, (bytes, bytearray, memoryview)):
        view = memoryview(source)
        for start in range(0, len(view), _CHUNK):
            yield bytes(view[start : start + _CHUNK])
    else:
        async for piece in source:
            yield bytes(piece)


def _local_name(name: str) -> str:
    """A file name for this machine: never a path, never hidden; two names that differ stay apart."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", PurePosixPath(name).name)[-80:].lstrip(".") or "file"
    return safe if safe == name else f"{hashlib.sha256(name.encode()).hexdigest()[:8]}-{safe}"


def _object_name(name: str) -> str:
    """As Storage admits names; see ``isValidKey`` of supabase/storage."""
    safe = _UNSAFE.sub("_", name.replace("..", "_"))[-200:]
    return safe if safe == name else f"{hashlib.sha256(name.encode()).hexdigest()[:8]}-{safe}"
