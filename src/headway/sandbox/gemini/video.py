"""What the sandbox's Gemini sees and hears in a video: its length, its title, its subtitles, its colours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.subtitles.subtitle import AssSubtitle

__all__ = ["Heard", "VideoFacts", "read_facts"]

_STYLE = re.compile(r"\{[^}]*\}")
_SHOWN_EVERY_S = 5.0
_MOST_SHOTS = 400
_COLOURS = {
    "black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128), "red": (220, 40, 40),
    "green": (40, 200, 60), "blue": (40, 60, 220), "yellow": (235, 225, 60), "orange": (240, 150, 40),
    "cyan": (60, 220, 220), "magenta": (220, 60, 200),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Heard:
    """A passage: from when to when, in seconds, and the words, or what the picture shows."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What there is to know of a video.

    Attributes:
        duration: Seconds.
        title: Of its metadata, or empty.
        width: Of the picture, in pixels; 0 without one.
        height: As ``width``.
        sound: Whether it has any.
        spoken: Its subtitles, which stand for what is said.
        shown: What the picture looks like, a passage for each change.
    """

    duration: float
    title: str
    width: int
    height: int
    sound: bool
    spoken: tuple[Heard, ...]
    shown: tuple[Heard, ...]


def read_facts(path: Path) -> VideoFacts:
    """Read a video.

    Args:
        path: Any container that FFmpeg reads.

    Raises:
        av.error.FFmpegError: it is no video, or a damaged one.
    """
    with av.open(path) as container:
        duration = (container.duration or 0) / 1_000_000
        title = container.metadata.get("title", "")
        picture = container.streams.video[0] if container.streams.video else None
        size = (picture.width, picture.height) if picture else (0, 0)
        sound = bool(container.streams.audio)
        spoken = tuple(_spoken(container)) if container.streams.subtitles else ()
    with av.open(path) as container:
        shown = tuple(_shown(container, duration)) if picture else ()
    return VideoFacts(duration, title, *size, sound, spoken, shown)


def _spoken(container: av.container.InputContainer) -> Iterator[Heard]:
    stream = container.streams.subtitles[0]
    for packet in container.demux(stream):
        if packet.pts is None or packet.time_base is None:
            continue
        for line in packet.decode():
            if isinstance(line, AssSubtitle) and (text := _words(line)):
                start = float(packet.pts * packet.time_base)
                yield Heard(start, start + float((packet.duration or 0) * packet.time_base), text)


def _words(line: AssSubtitle) -> str:
    text = (line.dialogue or line.text).decode("utf-8", "replace").replace("\\N", " ")
    return " ".join(_STYLE.sub("", text).split())


def _shown(container: av.container.InputContainer, duration: float) -> Iterator[Heard]:
    """Looks at a picture every few seconds: key frames are where a coder saw that something changed."""
    stream = container.streams.video[0]
    stream.codec_context.skip_frame = "NONKEY"
    current: tuple[float, str] | None = None
    looked = -_SHOWN_EVERY_S
    for count, frame in enumerate(container.decode(stream)):
        if count >= _MOST_SHOTS:
            break
        if frame.time is None or frame.time - looked < _SHOWN_EVERY_S:
            continue
        looked = frame.time
        colour = _colour(frame)
        if current is None or current[1] != colour:
            if current is not None:
                yield Heard(current[0], frame.time, f"A {current[1]} picture.")
            current = (frame.time, colour)
    if current is not None:
        yield Heard(current[0], max(duration, current[0]), f"A {current[1]} picture.")


def _colour(frame: av.VideoFrame) -> str:
    red, green, blue = bytes(frame.reformat(2, 2, "rgb24").planes[0])[:3]
    return min(
        _COLOURS,
        key=lambda name: sum((a - b) ** 2 for a, b in zip(_COLOURS[name], (red, green, blue), strict=True)),
    )
