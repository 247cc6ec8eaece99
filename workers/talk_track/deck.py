"""The deck that a job speaks about, as it was when the job first looked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel

from headway import Context, InvalidRequest
from workers.talk_track.payload import SlideInput, TalkTrackPayload

__all__ = ["Deck", "Slide", "read_deck"]

_MOST_CHARACTERS_OF_A_SLIDE = 12_000
_MOST_CHARACTERS = 1_000_000


class Slide(BaseModel):
    """A slide with something to say about it.

    Attributes:
        position: Its number in the deck.
    """

    position: int
    title: str = ""
    body: str = ""
    hints: str = ""

    @classmethod
    def of(cls, position: int, given: SlideInput) -> Self:
        """A slide without the white space that says nothing."""
        return cls(
            position=position,
            title=" ".join((given.title or "").split()),
            body=(given.body or "").strip(),
            hints=(given.speaker_hints or "").strip(),
        )

    @property
    def characters(self) -> int:
        """How much there is to read."""
        return len(self.title) + len(self.body) + len(self.hints)


class Deck(BaseModel):
    """Slides in order."""

    title: str | None = None
    slides: list[Slide]

    def checked(self) -> Self:
        """The deck, when there is something to say and not too much to read.

        Raises:
            InvalidRequest: naming the slide.
        """
        if not any(slide.characters for slide in self.slides):
            raise InvalidRequest(
                "slides: there is no text on any slide",
                hint="Give at least one slide a title, a body or speaker hints.",
                code="deck_empty",
                details="slides",
            )
        for slide in self.slides:
            if slide.characters > _MOST_CHARACTERS_OF_A_SLIDE:
                raise InvalidRequest(
                    f"slides: slide {slide.position} has {slide.characters:,} characters, more than "
                    f"{_MOST_CHARACTERS_OF_A_SLIDE:,}",
                    hint="Shorten it, or make it several slides.",
                    code="slide_too_long",
                    details="slides",
                )
        if sum(slide.characters for slide in self.slides) > _MOST_CHARACTERS:
            raise InvalidRequest(
                f"slides: the deck has more than {_MOST_CHARACTERS:,} characters",
                hint="Make it several decks.",
                code="deck_too_long",
                details="slides",
            )
        return self


async def read_deck(ctx: Context, payload: TalkTrackPayload) -> Deck:
    """The slides to speak about.

    A stored deck is read once: whoever edits it while the talk is being written does not mix two decks.

    Raises:
        InvalidRequest: the job has no project, the project has no such deck, or there is nothing to say or
            too much to read.
    """
    if ctx.job.project_id is None:
        raise InvalidRequest(
            "project_id: a talk track belongs to a project",
            hint="Submit the job with the project_id whose talk it is.",
            code="project_missing",
            details="project_id",
        )
    if payload.slides is not None:
        return _given(payload.title, payload.slides).checked()
    assert payload.deck_id is not None
    return await ctx.step("deck", _stored, ctx, payload.deck_id, ctx.job.project_id, payload.title, into=Deck)


def _given(title: str | None, slides: Sequence[SlideInput]) -> Deck:
    return Deck(title=title, slides=[Slide.of(place, slide) for place, slide in enumerate(slides, start=1)])


async def _stored(ctx: Context, deck_id: UUID, project_id: UUID, title: str | None) -> Deck:
    # The service role sees every deck: a deck of another project is as good as none.
    found: Any = (
        await ctx.db.table("slide_decks")
        .select("title, slides(position, title, body, speaker_hints)")
        .eq("id", str(deck_id))
        .eq("project_id", str(project_id))
        .order("position", foreign_table="slides")
        .execute()
    ).data
    if not found:
        raise InvalidRequest(
            "deck_id: there is no such deck in the job's project",
            hint="Submit with the project that the deck belongs to.",
            code="deck_not_found",
            details="payload.deck_id",
        )
    (row,) = found
    slides = [
        Slide.of(
            each["position"], SlideInput.model_validate({k: v for k, v in each.items() if k != "position"})
        )
        for each in row["slides"]
    ]
    return Deck(title=title or row["title"], slides=slides).checked()
