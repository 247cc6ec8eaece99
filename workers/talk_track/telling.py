"""Shows finished slides to watchers while the rest is being written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headway import Context
from workers.talk_track.chunks import WrittenChunk, WrittenSlide

__all__ = ["Telling", "packed"]

# An event holds 64 kB of JSON, in which a character can take six bytes.
_MOST_BYTES = 48_000


class Telling:
    """Emits every portion as ``slides``: ``{"slides": [{"position", "text", "seconds"}]}``.

    A portion is told once it is stored, so that nobody reads what is thrown away. A worker that dies in
    between leaves one portion stored and not told: the next execution tells the last one it finds again.
    Watchers keep texts by position, and the same text replaces itself.

    Args:
        ctx: The job's.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._found: WrittenChunk | None = None

    def found(self, chunk: WrittenChunk) -> None:
        """A portion was there already."""
        self._found = chunk

    async def catch_up(self) -> None:
        """Tell the last portion that was there already."""
        chunk, self._found = self._found, None
        if chunk is not None:
            await self.written(chunk)

    async def written(self, chunk: WrittenChunk) -> None:
        """Tell a portion that was just stored."""
        for slides in packed(chunk.slides):
            await self._ctx.emit("slides", {"slides": [slide.model_dump() for slide in slides]})


def packed(slides: Sequence[WrittenSlide]) -> Iterator[list[WrittenSlide]]:
    """The slides in as few portions as fit into one event each."""
    portion: list[WrittenSlide] = []
    size = 0
    for slide in slides:
        length = len(slide.model_dump_json(ensure_ascii=True).encode())
        if portion and size + length > _MOST_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(slide)
        size += length
    if portion:
        yield portion
