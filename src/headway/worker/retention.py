"""The service that removes what is past its retention: jobs, messages, Storage objects and orphans."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from headway.core.libraries import error_from_library
from headway.core.validation import Answer, read_answer
from headway.errors import ConfigError, Denied, HeadwayError, TransportError
from headway.worker.duty import Duty
from headway.worker.service import ServiceContext

__all__ = ["Retention"]

_log = logging.getLogger("headway.worker.retention")

_JOBS_AT_ONCE = 200
_OBJECTS_AT_ONCE = 2000
_MESSAGES_AT_ONCE = 1000
# One request of the Storage API may name a thousand; each object is removed from the disk behind it in turn.
_REMOVALS_AT_ONCE = 100
_MOST_LISTED = 1000
# Searches for what no sweep tells of: orphans and old messages. Workers are often started all at once.
_FIRST_SEARCH = 900.0
_SEARCH_SECONDS = (60.0, 3600.0)
# Jobs that become old one by one are removed together: an idle worker asks seldom.
_PAUSE = 120.0
_POSTPONED_BY = 3600


class _Object(Answer):
    bucket: str
    path: str


class _Pruned(Answer):
    jobs: int
    files: tuple[_Object, ...]


class _Collected(Answer):
    bucket: str | None = None
    found: int
    next_in_seconds: float | None = None


class Retention(Duty):
    """Removes rows in small batches and their objects through the Storage API; any number of workers may.

    Args:
        context: The worker's.
    """

    name = "retention"

    def __init__(self, context: ServiceContext) -> None:
        super().__init__(context.observations)
        self._store = context.store
        self._storage = context.storage
        self._agenda = context.agenda
        # A worker that ends by itself removes what it can until then.
        self._pause = _PAUSE if context.link is not None else 0.0
        self._search_at: float | None = None
        self._searched = False

    async def turn(self) -> None:
        """Wait until something is past its retention, or long enough, and remove what is."""
        if self._search_at is None:
            self._search_at = time.monotonic() + _spread(_FIRST_SEARCH)
        try:
            async with asyncio.timeout(max(0.0, self._search_at - time.monotonic())):
                await self._agenda.due("retention")
        except TimeoutError:
            pass
        while await self._prune():
            pass
        if not self._searched or time.monotonic() >= self._search_at:
            await self._search()
        await asyncio.sleep(_spread(self._pause))

    async def _search(self) -> None:
        # Should it fail, it is not tried at every turn.
        self._searched, self._search_at = True, time.monotonic() + _spread(_SEARCH_SECONDS[1])
        found, rest = await self._collect_orphans()
        if found:
            while await self._prune():
                pass
        await self._prune_messages()
        least, most = _SEARCH_SECONDS
        self._search_at = time.monotonic() + _spread(min(max(rest, least), most))

    async def _prune(self) -> bool:
        """Remove one batch; whether there may be more."""
        pruned = read_answer(_Pruned, await self._store.call("prune", {"max_jobs": _JOBS_AT_ONCE}), "prune")
        removed = await self._remove(pruned.files)
        self._observations.removed("jobs", pruned.jobs)
        self._observations.removed("files", removed)
        # Files that could not be removed are postponed, hence listed no more.
        return pruned.jobs == _JOBS_AT_ONCE or len(pruned.files) == _MOST_LISTED

    async def _collect_orphans(self) -> tuple[int, float]:
        """Search every bucket that is due; how many orphans there were, and when to search again."""
        found = 0
        while True:
            collected = read_answer(
                _Collected,
                await self._store.call("collect_orphans", {"max_objects": _OBJECTS_AT_ONCE}),
                "collect_orphans",
            )
            found += collected.found
            if collected.found:
                _log.info("%d Storage objects belong to nothing and will be removed", collected.found)
            rest = collected.next_in_seconds
            # Without a bucket: others are searching those that are due.
            if rest is None or rest > 0 or collected.bucket is None:
                self._observations.removed("orphans", found)
                return found, _SEARCH_SECONDS[1] if rest is None else rest

    async def _prune_messages(self) -> None:
        while True:
            gone = await self._store.call("prune_outbox", {"max_messages": _MESSAGES_AT_ONCE})
            self._observations.removed("messages", int(gone))
            if gone < _MESSAGES_AT_ONCE:
                return

    async def _remove(self, files: Sequence[_Object]) -> int:
        by_bucket: dict[str, list[str]] = defaultdict(list)
        for file in files:
            by_bucket[file.bucket].append(file.path)
        removed = 0
        for bucket, paths in by_bucket.items():
            for start in range(0, len(paths), _REMOVALS_AT_ONCE):
                removed += await self._remove_batch(bucket, paths[start : start + _REMOVALS_AT_ONCE])
        return removed

    async def _remove_batch(self, bucket: str, paths: list[str]) -> int:
        try:
            # What is not there any more is left out of the answer, which is as well.
            await self._storage.from_(bucket).remove(paths)
        except Exception as error:
            refusal = error_from_library(error, now=datetime.now(UTC))
            if refusal is None:
                raise
            return await self._not_removed(bucket, paths, refusal)
        await self._store.call("files_removed", {"files": _named(bucket, paths)})
        return len(paths)

    async def _not_removed(self, bucket: str, paths: list[str], error: HeadwayError) -> int:
        if error.code in ("NoSuchBucket", "Bucket not found") or "bucket not found" in error.message.lower():
            await self._store.call("files_removed", {"files": _named(bucket, paths)})
            return 0
        if isinstance(error, (TransportError, ConfigError)):
            raise error
        for_all = isinstance(error, Denied)
        if len(paths) > 1 and not for_all:
            # One name that Storage does not accept must not keep the others from being removed.
            middle = len(paths) // 2
            first = await self._remove_batch(bucket, paths[:middle])
            return first + await self._remove_batch(bucket, paths[middle:])
        _log.warning("%d objects of bucket %s could not be removed: %s", len(paths), bucket, error)
        self._observations.service_failed(self.name, error.code)
        await self._store.call(
            "files_postponed", {"files": _named(bucket, paths), "delay_seconds": _POSTPONED_BY}
        )
        return 0


def _spread(seconds: float) -> float:
    """Between half and whole: workers that started together do not ask together."""
    return seconds * random.uniform(0.5, 1)  # noqa: S311 - no secret


def _named(bucket: str, paths: Sequence[str]) -> list[dict[str, Any]]:
    return [{"bucket": bucket, "path": path} for path in paths]
