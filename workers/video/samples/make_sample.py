"""Makes a small real video: a coloured picture, a tone, a title, and what is said as a subtitle track.

``python workers/video/samples/make_sample.py welcome.mp4`` made the sample beside it. Tests make their own.
"""

from __future__ import annotations

import array
import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.subtitles.subtitle import SubtitleSet
from av.video.stream import VideoStream

__all__ = ["SAMPLE_LINES", "make_video"]

Line = tuple[float, float, str]
"""From when to when, in seconds, and what is said."""

SAMPLE_LINES: Sequence[Line] = (
    (0.0, 4.0, "Welcome to Harbour. This short tour shows how to plan a day on the water."),
    (4.0, 9.0, "First, open the calendar and choose a day. Green days have wind and no storm warning."),
    (9.0, 14.0, "Then press Reserve, and pick a boat. Every boat lists its seats and its equipment."),
    (14.0, 19.0, "Before you cast off, fill in the crew list. Everybody on board needs a life jacket."),
    (19.0, 24.0, "That is all. If plans change, cancel until eight in the morning without a fee."),
)
_RATE = 5
_SOUND = 8000
_COLOURS = ((76, 85, 255), (150, 44, 21), (29, 255, 107), (226, 0, 149), (179, 171, 0))
_ASS = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name\nStyle: Default\n\n"
    b"[Events]\nFormat: Text\n"
)


def make_video(
    path: Path,
    lines: Sequence[Line] = SAMPLE_LINES,
    *,
    seconds: float | None = None,
    title: str | None = "A day on the water",
    size: tuple[int, int] = (160, 120),
    bit_rate: int | None = None,
) -> Path:
    """Write a video that plays everywhere; the path.

    Args:
        path: Its ending chooses the container; ``.mp4`` and ``.mkv`` hold subtitles.
        lines: What is said; the picture changes its colour with each.
        seconds: How long it plays; until the last line ends when omitted.
        title: In its metadata.
        size: Of the picture, in pixels; even numbers.
        bit_rate: Of the picture, to make a video as large as wanted.
    """
    length = seconds if seconds is not None else max((line[1] for line in lines), default=1.0)
    with av.open(path, "w") as container:
        if title:
            container.metadata["title"] = title
        picture = container.add_stream("mpeg4", rate=_RATE)
        assert isinstance(picture, VideoStream)
        picture.width, picture.height, picture.pix_fmt = *size, "yuv420p"
        if bit_rate:
            picture.bit_rate = bit_rate
        sound = container.add_stream("aac", rate=_SOUND, layout="mono")
        sound.bit_rate = 12_000
        words = container.add_stream("mov_text" if path.suffix == ".mp4" else "subrip")
        words.codec_context.subtitle_header = _ASS
        words.time_base = Fraction(1, 1000)
        container.start_encoding()
        for number in range(round(length * _RATE)):
            moment = number / _RATE
            spoken = sum(1 for line in lines if line[0] <= moment)
            container.mux(picture.encode(_frame(size, number, spoken)))
        container.mux(picture.encode(None))
        for begin in range(0, round(length * _SOUND), 1024):
            container.mux(sound.encode(_tone(begin)))
        container.mux(sound.encode(None))
        for number, (start, end, text) in enumerate(lines):
            event = f"{number},0,Default,,0,0,0,,{text}".encode()
            milliseconds = round((end - start) * 1000)
            packet = words.codec_context.encode_subtitle(SubtitleSet.create(event, 0, milliseconds))
            packet.stream, packet.time_base = words, Fraction(1, 1000)
            packet.pts = packet.dts = round(start * 1000)
            packet.duration = milliseconds
            container.mux(packet)
    return path


def _frame(size: tuple[int, int], number: int, spoken: int) -> av.VideoFrame:
    frame = av.VideoFrame(*size, "yuv420p")
    for plane, value in zip(frame.planes, _COLOURS[spoken % len(_COLOURS)], strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    frame.pts = number
    return frame


def _tone(begin: int) -> av.AudioFrame:
    samples = array.array(
        "f", (0.2 * math.sin(2 * math.pi * 440 * (begin + n) / _SOUND) for n in range(1024))
    )
    frame = av.AudioFrame("fltp", "mono", 1024)
    frame.planes[0].update(samples.tobytes())
    frame.sample_rate, frame.pts, frame.time_base = _SOUND, begin, Fraction(1, _SOUND)
    return frame


if __name__ == "__main__":
    make_video(Path(sys.argv[1]))
