"""Subtitles: passages become WebVTT cues that people can read in time.

Source: W3C WebVTT (``-->``, ``&`` and ``<`` do not stand bare in a cue; a blank line ends it), written and
read by ``webvtt-py``; two lines of 42 characters are what broadcasters allow on the screen at once.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from unicodedata import east_asian_width

from webvtt import Caption, WebVTT
from webvtt.errors import MalformedCaptionError, MalformedFileError
from webvtt.models import Timestamp

from workers.video.segments import Segment

__all__ = ["InvalidSubtitles", "check", "subtitles"]

_LINE = 42
_LINES = 2
_ENDS = "。、，．！？：；」』）】》〉"
# Seconds; whatever is said in less could not be seen, and rounding might leave nothing of it.
_BRIEFEST = 0.05


class InvalidSubtitles(ValueError):
    """The text is no WebVTT, or not the one that was wanted."""


def subtitles(segments: Iterable[Segment]) -> str:
    """The WebVTT of what is said; validated before it is answered.

    Args:
        segments: In order; silent ones have no cue.
    """
    captions: list[Caption] = []
    free = 0.0
    for segment in segments:
        if pieces := _pieces(segment.spoken):
            # What was said in no time at all is shown all the same, and what follows waits for it.
            start = max(segment.start, free)
            free = max(segment.end, start + _BRIEFEST * len(pieces))
            captions += _captions(pieces, start, free - start)
    text = WebVTT(captions=captions).content.rstrip("\n") + "\n"
    check(text, cues=len(captions))
    return text


def check(text: str, *, cues: int | None = None) -> None:
    """See that a text is WebVTT whose cues follow each other.

    Args:
        text: The whole file.
        cues: How many there must be, if that is known.

    Raises:
        InvalidSubtitles: it is not; the message says where.
    """
    try:
        parsed = WebVTT.from_string(text, strict=True)
    except (MalformedFileError, MalformedCaptionError, ValueError) as error:
        raise InvalidSubtitles(f"no WebVTT: {error}") from error
    if cues is not None and len(parsed) != cues:
        raise InvalidSubtitles(f"{len(parsed)} cues instead of {cues}")
    last = 0
    for number, caption in enumerate(parsed.captions, start=1):
        start, end = caption.start_time.in_milliseconds(), caption.end_time.in_milliseconds()
        if not last <= start < end:
            raise InvalidSubtitles(
                f"cue {number}: {caption.start} --> {caption.end} does not follow the one before"
            )
        last = start
        if not caption.raw_text.strip():
            raise InvalidSubtitles(f"cue {number} is empty")


def _captions(pieces: list[list[str]], start: float, length: float) -> Iterator[Caption]:
    """The pieces one after the other, each as long as it takes to be said."""
    weights = [max(sum(map(len, lines)), _LINE // 2) for lines in pieces]
    for lines, (before, until) in zip(pieces, pairwise(accumulate(weights, initial=0)), strict=True):
        yield Caption(
            _stamp(start + length * before / sum(weights)),
            _stamp(start + length * until / sum(weights)),
            [html.escape(line, quote=False) for line in lines],
        )


def _pieces(spoken: str) -> list[list[str]]:
    """What fits on the screen at once, as lines; nothing of what is said is lost."""
    text = " ".join(spoken.split())
    wide = sum(east_asian_width(character) in "WF" for character in text)
    if 2 * wide > len(text):
        # Such characters take twice the room.
        lines = _hanging(textwrap.wrap(text, _LINE // 2, break_on_hyphens=False))
    else:
        lines = textwrap.wrap(text, _LINE, break_on_hyphens=False)
    return [lines[place : place + _LINES] for place in range(0, len(lines), _LINES)]


def _hanging(lines: list[str]) -> list[str]:
    """Lines none of which begins with what ends a sentence: that hangs over the end of the one before."""
    hanging = lines[:1]
    for line in lines[1:]:
        begin = line.lstrip(_ENDS)
        hanging[-1] += line[: len(line) - len(begin)]
        hanging += [begin] if begin else []
    return hanging


def _stamp(seconds: float) -> str:
    return str(Timestamp.from_seconds(round(seconds, 3)))
