"""A deck in portions, and what a model may answer for one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, create_model, model_validator

from workers.talk_track.deck import Slide
from workers.talk_track.pace import WORDS_PER_SLIDE, seconds_to_say, spoken_words
from workers.talk_track.payload import TalkTrackOptions
from workers.talk_track.speech import as_speech

__all__ = [
    "CHUNK_SIZE", "SpokenSlide", "TalkTrackChunk", "WrittenChunk", "WrittenSlide", "answer_for", "chunks_of",
    "step_name", "written",
]  # fmt: skip

CHUNK_SIZE = 10
# Twice what 200 words take in languages of long words; a model counts badly, and ten slides hang on it.
_MOST_CHARACTERS_OF_A_SUMMARY = 4_000
_MOST_CHARACTERS_OF_A_SLIDE = 8_000
# A slide that calls for it may be longer than asked for; a model that ignores the length may not.
_MOST_TIMES_AS_LONG = 4


def _said(text: str) -> str:
    text = as_speech(text)
    if not text:
        raise ValueError("there is nothing to say")
    return text


# Checked by code and not by the schema's words: the providers' structured outputs don't know minLength.
Said = Annotated[str, AfterValidator(_said)]


class SpokenSlide(BaseModel):
    """What to say to one slide."""

    position: int = Field(description="The slide's position, as given.")
    text: Said = Field(
        description="What the speaker says: plain speech, no headings, no lists, no stage directions."
    )


class TalkTrackChunk(BaseModel):
    """What to say to some slides, and what has been said so far."""

    slides: list[SpokenSlide] = Field(description="One entry for each of the given slides.")
    summary: Said = Field(
        description="What the audience has heard so far, these slides included: at most 200 words, for "
        "whoever writes on from here."
    )


class WrittenSlide(BaseModel):
    """A slide as ``talk_tracks.slides`` keeps it.

    Attributes:
        seconds: How long it takes to say.
    """

    position: int
    text: str
    seconds: int


class WrittenChunk(BaseModel):
    """A finished portion: the result of its step.

    Attributes:
        summary: What was said up to its end.
        sandbox: Whether the sandbox has written it instead of a model.
    """

    slides: list[WrittenSlide]
    summary: str
    sandbox: bool = False


def chunks_of(slides: Sequence[Slide]) -> Iterator[Sequence[Slide]]:
    """The slides in portions of ``CHUNK_SIZE``, in order."""
    for start in range(0, len(slides), CHUNK_SIZE):
        yield slides[start : start + CHUNK_SIZE]


def step_name(chunk: Sequence[Slide]) -> str:
    """The step that writes a portion, such as ``slides_0011_0020``: what a retry may start from."""
    return f"slides_{chunk[0].position:04}_{chunk[-1].position:04}"


def answer_for(chunk: Sequence[Slide], options: TalkTrackOptions) -> type[TalkTrackChunk]:
    """The answer's type for a portion: about exactly these slides, at about the length asked for.

    Args:
        chunk: The slides.
        options: How long a slide shall be.
    """
    expected = [slide.position for slide in chunk]
    most_words = WORDS_PER_SLIDE[options.length] * _MOST_TIMES_AS_LONG

    def complete(answer: TalkTrackChunk) -> TalkTrackChunk:
        answer.slides.sort(key=lambda slide: slide.position)
        given = [slide.position for slide in answer.slides]
        if given != expected:
            raise ValueError(f"slides must be exactly the positions {expected}, each once; these are {given}")
        for slide in answer.slides:
            if (words := spoken_words(slide.text)) > most_words:
                raise ValueError(f"slide {slide.position} has {words:.0f} words, more than {most_words}")
            if len(slide.text) > _MOST_CHARACTERS_OF_A_SLIDE:
                raise ValueError(
                    f"slide {slide.position} has more than {_MOST_CHARACTERS_OF_A_SLIDE} characters"
                )
        if len(answer.summary) > _MOST_CHARACTERS_OF_A_SUMMARY:
            raise ValueError(f"the summary has more than {_MOST_CHARACTERS_OF_A_SUMMARY} characters")
        return answer

    return create_model(
        "TalkTrackChunk",
        __base__=TalkTrackChunk,
        __doc__=TalkTrackChunk.__doc__,
        __validators__={"complete": model_validator(mode="after")(complete)},  # type: ignore[dict-item]
    )


def written(answer: TalkTrackChunk, options: TalkTrackOptions, *, sandbox: bool) -> WrittenChunk:
    """An answer with the time that each slide takes."""
    return WrittenChunk(
        slides=[
            WrittenSlide(
                position=slide.position,
                text=slide.text,
                seconds=seconds_to_say(slide.text, options.words_per_minute),
            )
            for slide in answer.slides
        ],
        summary=answer.summary,
        sandbox=sandbox,
    )
