"""Passages become subtitles that every player can read."""

from __future__ import annotations

import html
from itertools import pairwise

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
    assert all(len(cue.lines) <= 2 and all(len(line) <= 42 for line in cue.lines) for cue in cues)
    assert " ".join(" ".join(cue.lines) for cue in cues) == words


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=40), min_size=1, max_size=30))
def test_no_words_are_so_long_that_they_need_a_third_line(words: list[str]) -> None:
    text = subtitles([Segment(position=0, start=0, end=9, spoken=" ".join(words))])
    cues = WebVTT.from_string(text, strict=True).captions
    assert max(len(cue.lines) for cue in cues) <= 2
    assert " ".join(" ".join(cue.lines) for cue in cues) == " ".join(words)


def test_characters_that_are_twice_as_wide_have_half_as_many_to_the_line() -> None:
    spoken = (
        "これは長い字幕の例です。ボタンを押して設定を開き、次に進んでください。最後に保存を押してください。"
    )
    cues = WebVTT.from_string(
        subtitles([Segment(position=0, start=0, end=9, spoken=spoken)]), strict=True
    ).captions
    lines = [line for cue in cues for line in cue.lines]
    assert all(len(line) <= 21 for line in lines)
    assert "".join(lines) == spoken


def test_no_line_begins_with_the_end_of_a_sentence() -> None:
    spoken = "あ" * 21 + "。」" + "い" * 21 + "、う。"
    cues = WebVTT.from_string(
        subtitles([Segment(position=0, start=0, end=9, spoken=spoken)]), strict=True
    ).captions
    assert [cue.lines for cue in cues] == [["あ" * 21 + "。」", "い" * 19], ["い" * 2 + "、う。"]]


def test_passages_of_the_same_second_share_it() -> None:
    window = heard(
        ("00:05", "00:05", "Yes."),
        ("00:05", "00:08", "And now the other thing, please."),
        ("00:08", "00:12", "Done."),
    )
    segments = merged([placed(window, 0, 20)])
    assert [s.spoken for s in segments] == ["Yes.", "And now the other thing, please.", "Done."]
    assert [s.end for s in segments[:-1]] == [s.start for s in segments[1:]]
    assert (segments[0].start, segments[1].end, segments[2].end) == (5, 8, 12)


def test_what_no_one_could_have_said_in_that_time_is_shown_all_the_same() -> None:
    window = heard(("00:05.000", "00:05.100", "word " * 300), ("00:05.100", "00:08", "x"))
    cues = WebVTT.from_string(subtitles(merged([placed(window, 0, 20)])), strict=True).captions
    assert (cues[0].start, cues[-1].lines, cues[-1].end) == ("00:00:05.000", ["x"], "00:00:08.000")


MOMENT = st.floats(0, 90) | st.integers(0, 90).map(float)
PASSAGE = st.tuples(
    MOMENT,
    MOMENT,
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
    assert all(one.end <= following.start for one, following in pairwise(segments))
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
