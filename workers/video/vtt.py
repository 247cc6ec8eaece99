"""Subtitles: passages become WebVTT cues that people can read in time.

Source: W3C WebVTT (``-->``, ``&`` and ``<`` do not stand bare in a cue; a blank line ends it), written and
read by ``webvtt-py``; two lines of 42 characters are what broadcasters allow on the screen at once.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Iterator

from webvtt import Caption, WebVTT
from webvtt.errors import MalformedCaptionError, MalformedFileError
from webvtt.models import Timestamp

from workers.video.segments import Segment

__all__ = ["InvalidSubtitles", "check", "subtitles"]

_LINE = 42
_CUE = 2 * _LINE
# Seconds; whatever is said in less could not be seen, and rounding might leave nothing of it.
_BRIEFEST = 0.05


class InvalidSubtitles(ValueError):
    """The text is no WebVTT, or not the one that was wanted."""


def subtitles(segments: Iterable[Segment]) -> str:
    """The WebVTT of what is said; validated before it is answered.

    Args:
        segments: In order; silent ones have no cue.
    """
    captions = [caption for segment in segments for caption in _captions(segment)]
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


def _captions(segment: Segment) -> Iterator[Caption]:
    pieces = _pieces(segment.spoken)
    weight = sum(map(len, pieces))
    start, length = segment.start, max(segment.end - segment.start, _BRIEFEST * len(pieces))
    said = 0
    for piece in pieces:
        begins, said = start + length * said / weight, said + len(piece)
        lines = [html.escape(line, quote=False) for line in _wrapped(piece, _LINE)]
        yield Caption(_stamp(begins), _stamp(start + length * said / weight), lines)


def _pieces(spoken: str) -> list[str]:
    """What fits on the screen at once; nothing of what is said is lost."""
    return _wrapped(" ".join(spoken.split()), _CUE)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)


def _stamp(seconds: float) -> str:
    return str(Timestamp.from_seconds(round(seconds, 3)))
