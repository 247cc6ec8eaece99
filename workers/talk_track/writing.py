"""Has a model write one portion of a talk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import langcodes

from headway import Context
from workers.llm import Prompt, Prompts, text_model
from workers.talk_track.chunks import WrittenChunk, answer_for, written
from workers.talk_track.deck import Deck, Slide
from workers.talk_track.pace import WORDS_PER_SLIDE
from workers.talk_track.payload import TalkTrackOptions

__all__ = ["chunk_prompt", "write_chunk"]

_PROMPTS = Prompts(Path(__file__).parent / "prompts")
_CHARACTERS_OF_LAST_WORDS = 300
# Scripts that a tokenizer knows little of take several tokens a word; the summary comes on top. An answer
# that does not fit is asked for again with twice the limit, while a generous limit would hold back a job's
# whole budget.
_TOKENS_PER_WORD = 5
_TOKENS_FOR_SUMMARY = 1_500


async def write_chunk(
    ctx: Context, deck: Deck, chunk: Sequence[Slide], before: WrittenChunk | None, options: TalkTrackOptions
) -> WrittenChunk:
    """What to say to some slides.

    Args:
        ctx: The job's.
        deck: The whole deck.
        chunk: The portion.
        before: The portion before it, ``None`` for the first.
        options: How it shall sound.

    Raises:
        Retry: the model cannot answer now.
        BudgetExceeded: the job's budget does not allow the call.
        ApiError: the model refuses, or its answers are no use.
    """
    model = await ctx.shared(text_model)
    answer = await model.complete(
        chunk_prompt(deck, chunk, before, options),
        schema=answer_for(chunk, options),
        ctx=ctx,
        max_tokens=_TOKENS_FOR_SUMMARY + len(chunk) * WORDS_PER_SLIDE[options.length] * _TOKENS_PER_WORD,
    )
    return written(answer, options, sandbox=model.sandbox)


def chunk_prompt(
    deck: Deck, chunk: Sequence[Slide], before: WrittenChunk | None, options: TalkTrackOptions
) -> Prompt:
    """The slides of a portion, and what they go on from; the words are in ``prompts/``."""
    following = next((slide for slide in deck.slides if slide.position > chunk[-1].position), None)
    return _PROMPTS.render(
        "chunk",
        tone=options.tone,
        words=WORDS_PER_SLIDE[options.length],
        language=langcodes.get(options.language).display_name() if options.language else None,
        audience=options.audience,
        title=deck.title,
        total=len(deck.slides),
        chunk=chunk,
        before=before,
        last_words=before.slides[-1].text[-_CHARACTERS_OF_LAST_WORDS:] if before else None,
        coming=following.title if following else None,
        slides=_as_json(chunk),
    )


def _as_json(chunk: Sequence[Slide]) -> str:
    # A < that is written as \u003c is the same JSON, and no slide can close the mark that it stands in.
    return json.dumps([slide.model_dump() for slide in chunk], ensure_ascii=False).replace("<", "\\u003c")
