"""Passages become subtitles that every player can read."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webvtt import WebVTT

from workers.video.segments import Segment, SpokenSegment, TranscriptWindow, merged, placed, windows
from workers.video.vtt import InvalidSubtitles, check, subtitles


def heard(*passages: tuple[str, str, str]) -> TranscriptWindow:
    return TranscriptWindow(
        language="en", segments=[SpokenSegment(start=a, end=b, spoken=text) for a, b, text in passages]
    )


def test_a_short_video_word_for_word() -> None:
    window = heard(("00:00", "00:02.5", "Press <Save> & wait."), ("0:02.5", "00:04", "Done --> go on"))
    assert subtitles(merged([placed(window, 0, 4)])) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nPress &lt;Save&gt; &amp; wait.\n\n"
        "00:00:02.500 --> 00:00:04.000\nDone --&gt; go on\n"
    )


def test_silence_has_no_cue_and_a_silent_video_is_still_a_file() -> None:
    silent = Segment(position=0, start=0, end=3, visual="A title")
    assert subtitles([silent]) == "WEBVTT\n"


def test_long_passages_become_several_cues_of_two_lines_each() -> None:
    words = " ".join(f"word{n}" for n in range(60))
    text = subtitles([Segment(position=0, start=10, end=40, spoken=words)])
    cues = WebVTT.from_string(text, strict=True).captions
    assert len(cues) > 3
    assert (cues[0].start, cues[-1].end) == ("00:00:10.000", "00:00:40.000")
    assert all(len(cue.lines) <= 3 and all(len(line) <= 42 for line in cue.lines) for cue in cues)
    assert " ".join(" ".join(cue.lines) for cue in cues) == words


PASSAGE = st.tuples(
    st.floats(0, 90),
    st.floats(0, 90),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=120)
    | st.sampled_from(["-->", "<b>", "&", "NOTE x", "\n\n", "\x00"]),
)


@given(st.lists(PASSAGE, max_size=12), st.floats(0.001, 90))
def test_whatever_a_model_answers_becomes_valid_subtitles(
    passages: list[tuple[float, float, str]], duration: float
) -> None:
    window = heard(
        *((f"{a // 60:02.0f}:{a % 60:06.3f}", f"{b // 60:02.0f}:{b % 60:06.3f}", t) for a, b, t in passages)
    )
    segments = merged([placed(window, 0, duration)])
    assert [s.position for s in segments] == list(range(len(segments)))
    assert all(s.end > s.start for s in segments)
    text = subtitles(segments)
    check(text)
    said = "".join("".join(cue.lines) for cue in WebVTT.from_string(text, strict=True).captions)
    expected = "".join("".join(s.spoken.split()) for s in segments)
    assert "".join(html.unescape(said).split()) == "".join(
        html.unescape(html.escape(expected, quote=False)).split()
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "WEBVTT\n\n00:00:02.000 --> 00:00:01.000\nbackwards\n",
        "WEBVTT\n\n00:00:02.000 --> 00:00:03.000\na\n\n00:00:01.000 --> 00:00:02.000\nb\n",
        "WEBVTT\n\n0:2 --> 0:3\nshort stamps\n",
    ],
)
def test_what_is_no_orderly_webvtt_is_refused(text: str) -> None:
    with pytest.raises(InvalidSubtitles):
        check(text)


def test_cues_are_counted() -> None:
    with pytest.raises(InvalidSubtitles, match="0 cues instead of 1"):
        check("WEBVTT\n", cues=1)


def test_a_long_video_is_read_in_even_parts() -> None:
    assert windows(0, 600) == [(0, 0)]
    assert windows(599.5, 600) == [(0, 599.5)]
    assert windows(1500, 600) == [(0, 500), (500, 1000), (1000, 1500)]


@pytest.mark.parametrize("begins", ["01:00", "11:00"])
def test_a_later_part_may_be_counted_from_its_own_beginning_or_from_the_whole(begins: str) -> None:
    (segment,) = placed(heard((begins, begins, "x")), 600, 1200)
    assert segment.start == 660


def test_passages_beyond_the_end_are_brought_back() -> None:
    (segment,) = merged([placed(heard(("00:58", "05:00", "x")), 0, 60)])
    assert (segment.start, segment.end) == (58, 60)
