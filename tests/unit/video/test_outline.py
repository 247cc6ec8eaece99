"""Chapters hold all of a transcript, whatever the model makes of it; the bar stands where it promises to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from headway import Stage
from headway.core.stages import StagePlan, StageProgress
from workers.llm import AnswerInvalid, Prompt
from workers.video import worker
from workers.video.outline import ChapterOutline, planned
from workers.video.payload import VideoPayload
from workers.video.segments import Segment, SpokenSegment
from workers.video.translating import TranslatedLines, _lines

SEGMENTS = [Segment(position=n, start=10 * n, end=10 * n + 9, spoken=f"Sentence {n}.") for n in range(10)]


def outline(*spans: tuple[int, int]) -> ChapterOutline:
    return ChapterOutline.model_validate(
        {
            "chapters": [
                {"title": f"From {a}", "first_segment": a, "last_segment": b, "sections": [{"title": "s"}]}
                for a, b in spans
            ]
        }
    )


def test_chapters_that_fit_stay_what_they_are() -> None:
    one, two = planned(outline((0, 3), (4, 9)), SEGMENTS, 30)
    assert (one.title, one.segments, one.start, one.end) == ("From 0", [0, 1, 2, 3], 0, 39)
    assert (two.title, two.segments, two.start, two.end) == ("From 4", [4, 5, 6, 7, 8, 9], 40, 99)


@pytest.mark.parametrize(
    ("spans", "begins"),
    [
        ([(2, 3), (6, 7)], [0, 6]),
        ([(0, 9), (3, 5)], [0, 3]),
        ([(5, 9), (0, 4)], [0, 5]),
        ([(0, 4), (0, 9)], [0]),
        ([(0, 4), (99, 120)], [0]),
        ([(50, 60)], [0]),
    ],
)
def test_gaps_overlaps_and_what_is_not_there(spans: list[tuple[int, int]], begins: list[int]) -> None:
    assert [chapter.segments[0] for chapter in planned(outline(*spans), SEGMENTS, 30)] == begins


@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=1, max_size=12), st.integers(1, 6)
)
def test_every_passage_is_in_exactly_one_chapter(spans: list[tuple[int, int]], most: int) -> None:
    chapters = planned(outline(*spans), SEGMENTS, most)
    assert [place for chapter in chapters for place in chapter.segments] == list(range(10))
    assert 1 <= len(chapters) <= most


def test_the_bar_stands_where_it_is_promised_to() -> None:
    stages = worker.registry.get("video.process").plan.stages
    bar = StageProgress(StagePlan(stages))
    bar.enter("uploading")
    assert bar.advance(5, 20) == 5
    assert [bar.enter(name) for name in ("transcribing", "generating_docs", "translating")] == [20, 30, 55]
    # An equal share of 40 for every language.
    assert [bar.advance(40 * done / 4, 45) for done in range(1, 5)] == [65, 75, 85, 95]
    assert bar.enter("complete") == 100
    assert all(isinstance(stage, Stage) and stage.label for stage in stages)


def test_languages_are_each_wanted_once_in_one_spelling() -> None:
    assert VideoPayload(languages=["DE", "pt_br", "de"]).languages == ["de", "pt-BR"]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"languages": ["klingonese"]}, "write one such as de"),
        ({"language": "?"}, "write one such as de"),
        ({"video_id": "7"}, "UUID"),
        ({"titel": "x"}, "not permitted"),
        ({"title": ""}, "at least 1"),
    ],
)
def test_wrong_payloads_say_what_is_wrong(payload: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        VideoPayload.model_validate(payload)


@pytest.mark.parametrize("time", ["soon", "1:2:3:4", "", "12:99:00.1234567"])
def test_a_time_that_is_none_is_given_back_to_the_model(time: str) -> None:
    with pytest.raises(ValidationError, match="MM:SS"):
        SpokenSegment(start=time, end="00:01")


class Forgetful:
    """A model that leaves out some lines."""

    def __init__(self, *forgets: set[int]) -> None:
        self.forgets = list(forgets)
        self.asked: list[str] = []

    async def complete(self, prompt: Prompt, *, schema: type[BaseModel], ctx: object) -> TranslatedLines:
        self.asked.append(prompt.user)
        forgotten = self.forgets.pop(0)
        lines = [{"n": n, "text": f"Zeile {n}"} for n in range(0, 9) if n not in forgotten]
        return TranslatedLines.model_validate({"lines": lines})


async def test_lines_that_are_forgotten_are_asked_for_again() -> None:
    model = Forgetful({2, 3}, set())
    translated = await _lines(None, model, ["a", "b", "c", "d"], "de")  # type: ignore[arg-type]
    assert translated == ["Zeile 1", "Zeile 2", "Zeile 3", "Zeile 4"]
    assert "[2] b" in model.asked[1]
    assert "[1] a" not in model.asked[1]


async def test_lines_that_stay_forgotten_fail_the_language() -> None:
    with pytest.raises(AnswerInvalid, match="1 of 3 lines"):
        await _lines(None, Forgetful({2}, {2}), ["a", "b", "c"], "de")  # type: ignore[arg-type]
