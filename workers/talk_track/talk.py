"""A talk as it grows, portion by portion."""

from __future__ import annotations

from collections.abc import Sequence

from headway import Context
from workers.talk_track.chunks import WrittenChunk, chunks_of, step_name
from workers.talk_track.deck import Deck, Slide
from workers.talk_track.payload import TalkTrackOptions
from workers.talk_track.telling import Telling
from workers.talk_track.writing import write_chunk

__all__ = ["Talk"]


class Talk:
    """Writes a deck's portions in order; each is a step, so that none is ever written twice.

    Args:
        ctx: The job's.
        deck: What it is about.
        options: How it shall sound.
    """

    def __init__(self, ctx: Context, deck: Deck, options: TalkTrackOptions) -> None:
        self._ctx = ctx
        self._deck = deck
        self._options = options
        self._telling = Telling(ctx)
        self.chunks: list[WrittenChunk] = []

    @property
    def seconds(self) -> int:
        """How long it takes to say what is written so far."""
        return sum(slide.seconds for chunk in self.chunks for slide in chunk.slides)

    async def write(self) -> bool:
        """Write what is not written yet; whether that was all.

        A worker that is told to stop finishes the portion at hand, which is paid for, and begins no other.
        """
        for portion in chunks_of(self._deck.slides):
            await self._portion(portion)
            if self._ctx.told_to_stop and portion[-1] is not self._deck.slides[-1]:
                return False
        await self._telling.catch_up()
        return True

    def _report(self) -> None:
        total = len(self._deck.slides)
        done = sum(len(chunk.slides) for chunk in self.chunks)
        self._ctx.metrics(slides_done=done, slides_total=total, seconds=self.seconds)
        self._ctx.progress(done, total, f"{done} of {total} slides written")

    async def _portion(self, portion: Sequence[Slide]) -> None:
        written = False

        async def write() -> WrittenChunk:
            nonlocal written
            written = True
            await self._telling.catch_up()
            before = self.chunks[-1] if self.chunks else None
            return await write_chunk(self._ctx, self._deck, portion, before, self._options)

        chunk = await self._ctx.step(step_name(portion), write, into=WrittenChunk)
        self.chunks.append(chunk)
        # First, so that whoever reads the slides knows how far that is.
        self._report()
        if written:
            await self._telling.written(chunk)
        else:
            self._telling.found(chunk)
