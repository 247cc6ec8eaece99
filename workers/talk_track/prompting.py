"""The prompts of a portion; their text is in ``prompts/``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import langcodes
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from workers.talk_track.chunks import WrittenChunk
from workers.talk_track.deck import Deck, Slide
from workers.talk_track.pace import WORDS_PER_SLIDE
from workers.talk_track.payload import TalkTrackOptions

__all__ = ["chunk_prompt", "system_prompt"]

_MARK = re.compile(r"<(?=/?[a-z_]+>)", re.IGNORECASE)
_LAST_WORDS = 300


def system_prompt(options: TalkTrackOptions) -> str:
    """What the model is, and how the talk shall sound."""
    return _template("system.md.j2").render(
        tone=options.tone.capitalize(),
        words=WORDS_PER_SLIDE[options.length],
        audience=options.audience,
        language=langcodes.get(options.language).display_name() if options.language else None,
    )


def chunk_prompt(
    deck: Deck, chunk: Sequence[Slide], before: WrittenChunk | None, options: TalkTrackOptions
) -> str:
    """The slides of a portion, and what they go on from.

    Args:
        deck: The whole deck.
        chunk: The portion.
        before: The portion before it, ``None`` for the first.
        options: How long a slide shall be.
    """
    following = next((slide for slide in deck.slides if slide.position > chunk[-1].position), None)
    return _template("chunk.md.j2").render(
        title=deck.title,
        total=len(deck.slides),
        chunk=chunk,
        summary=before.summary if before else None,
        last_words=before.slides[-1].text[-_LAST_WORDS:] if before else None,
        coming=(following.title or "untitled") if following else None,
        words=WORDS_PER_SLIDE[options.length],
        slides_json=_slides(chunk),
    )


def _slides(chunk: Sequence[Slide]) -> str:
    # An escaped < is the same JSON, and no slide can close the mark that it stands in.
    return json.dumps([slide.model_dump() for slide in chunk], ensure_ascii=False).replace("<", "\\u003c")


@cache
def _template(name: str) -> Template:
    # The reader is a model: escaping for HTML would change what it reads.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(Path(__file__).parent / "prompts"),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    # Somebody's text cannot end the mark that it stands in.
    environment.filters["as_document"] = lambda text: _MARK.sub("<\u200b", str(text))
    return environment.get_template(name)
