"""What is drawn of jobs, in terminals, notebooks and logs."""

from __future__ import annotations

import io
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from headway.core.feed import Feed, Update
from headway.display import Mode, ProgressDisplay
from headway.display.durations import short_duration
from headway.display.plain_text import one_line, safe_text
from unit.core.documents import JOB, OTHER, event, message, snapshot

STAGES = [
    {"name": "extract", "label": "Reading", "weight": 1},
    {"name": "parse", "label": "Understanding", "weight": 5},
    {"name": "apply", "weight": 1},
]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def life(
    *, ends: str = "completed", said: str = "Page 1 of 2", data: dict[str, Any] | None = None
) -> list[Update]:
    """A job's updates: it waits, starts, comes to its second stage, shows two slides, and ends."""
    feed = Feed(JOB)
    waiting = {"status": "pending", "percent": 0, "stage": None, "message": None, "started_at": None}
    updates = feed.take_snapshot(snapshot(seq=1, revision=1, attempt=0, stages=STAGES, **waiting))
    updates += feed.take_message(message(event(2, "started"), seq=2, revision=2, percent=0, stage=None))
    updates += feed.take_message(
        message(
            event(3, "stage_started", data={"stage": "parse", "percent": 14, "message": said}),
            event(4, data={"name": "slide", "data": {"text": "Welcome\nall"}}),
            event(5, data={"name": "log", "data": {"level": "INFO", "message": "asked the model"}}),
            seq=5,
            revision=3,
            percent=14,
            stage="parse",
            message=said,
            metrics={"slides_done": 1},
        )
    )
    if ends == "failed":
        data = {"code": "broken", "message": "It broke.", "hint": "Try another file."}
    updates += feed.take_message(
        message(
            event(6, ends, data=data or {}),
            seq=6,
            revision=4,
            status=ends,
            percent=100 if ends == "completed" else 14,
            stage="parse",
            message=said,
            error=data if ends == "failed" else None,
            finished_at="2026-11-22T10:00:06+00:00",
        )
    )
    assert updates[-1].ended
    return updates


def screen(width: int = 100, height: int = 30) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, legacy_windows=False)


def drawn(display: ProgressDisplay, console: Console) -> str:
    """What the terminal shows now, without colours."""
    from headway.display.terminal import TerminalBoard

    plain = Console(file=io.StringIO(), width=console.width, height=console.height, color_system=None)
    plain.print(TerminalBoard(display.board))
    return plain.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestTerminal:
    def test_stages_tick_off_with_bar_time_and_output(self, clock: Clock) -> None:
        console = screen()
        waiting, started, *middle, end = life()
        with ProgressDisplay(mode="terminal", console=console, clock=clock) as display:
            display.show(waiting)
            assert "○ Reading  ○ Understanding  ○ apply" in drawn(display, console)
            assert "pending" in drawn(display, console)
            display.show(started)
            clock.now += 4
            for update in middle:
                display.show(update)
            picture = drawn(display, console)
            assert "✓ Reading  ● Understanding  ○ apply" in picture
            assert "cv.parse 0f9d5b" in picture
            assert "14 %" in picture
            assert "4.0s" in picture
            assert "Page 1 of 2" in picture
            assert "slides_done 1" in picture
            assert "› slide: Welcome all" in picture
            assert "asked the model" in picture
            clock.now += 3
            display.show(end)
        picture = drawn(display, console)
        assert "✓ Reading  ✓ Understanding  ✓ apply" in picture
        assert "completed · 7.0s" in picture
        clock.now += 1000
        assert drawn(display, console) == picture, "the picture of an ended job stands still"

    def test_the_time_left_runs_down_with_the_clock(self, clock: Clock) -> None:
        from headway.core.parts import Eta

        console = screen()
        _, started, *_ = life()
        eta = Eta.model_validate({"seconds": 90, "at": "2026-11-22T10:02:00+00:00", "runs": 3})
        display = ProgressDisplay(mode="lines", console=console, clock=clock)
        display.show(replace(started, eta=eta))
        assert "about 1m 30s left" in drawn(display, console)
        clock.now += 60
        assert "about 30s left" in drawn(display, console)
        display.show(replace(started, eta=eta))
        assert "about 30s left" in drawn(display, console), "the same estimate is not a new one"
        clock.now += 60
        assert "left" not in drawn(display, console), "an estimate that was wrong is no promise"

    def test_a_job_is_called_by_its_kind_as_soon_as_that_is_known(self, clock: Clock) -> None:
        display = ProgressDisplay(mode="lines", console=screen(), clock=clock)
        known, named = display.board.add(JOB, None), display.board.add(OTHER, "my job")
        assert known.title == "job 0f9d5b"
        for update in life():
            display.show(update)
        assert (known.title, named.title) == ("cv.parse 0f9d5b", "my job")

    def test_a_failure_says_what_to_do(self, clock: Clock) -> None:
        console = screen()
        display = ProgressDisplay(mode="lines", console=console, clock=clock)
        for update in life(ends="failed"):
            display.show(update)
        picture = drawn(display, console)
        assert "✗ Understanding" in picture
        assert "It broke." in picture
        assert "hint: Try another file." in picture

    def test_no_stage_is_torn_by_a_narrow_screen(self, clock: Clock) -> None:
        console = screen(width=26)
        display = ProgressDisplay(mode="lines", console=console, clock=clock)
        for update in life():
            display.show(update)
        picture = [line.rstrip() for line in drawn(display, console).splitlines()]
        assert picture[1:3] == ["  ✓ Reading", "  ✓ Understanding  ✓ apply"]

    @pytest.mark.parametrize(("height", "lines"), [(5, 4), (12, 11), (200, 60)])
    def test_many_jobs_fit_the_screen(self, clock: Clock, height: int, lines: int) -> None:
        console = screen(height=height)
        display = ProgressDisplay(mode="lines", console=console, clock=clock)
        for number in range(20):
            display.board.add(UUID(int=number), f"job {number}")
        picture = drawn(display, console).rstrip("\n").split("\n")
        assert len(picture) <= lines
        if height < 20:
            assert "more" in picture[-1]

    def test_the_screen_is_shared_by_what_jobs_have_to_say(self, clock: Clock) -> None:
        for height, parts in ((3, 1), (4, 2), (30, 5)):
            console = screen(height=height)
            display = ProgressDisplay(mode="lines", console=console, clock=clock)
            list(display.track(life()[:-1]))
            assert len(drawn(display, console).rstrip("\n").split("\n")) == min(parts + 1, height - 1)


class TestLines:
    def test_every_event_is_a_line_and_progress_is_none(self, clock: Clock) -> None:
        console = Console(file=io.StringIO(), width=80, color_system=None)
        with ProgressDisplay(console=console, clock=clock) as display:
            assert display.mode == "lines"
            for update in life():
                display.show(update)
                display.show(Update(update.job))
        written = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        ended = [line for line in written if "completed after" in line]
        assert [line.split("%  ", 1)[1] for line in written if line not in ended] == [
            "pending",
            "started",
            "stage parse: Page 1 of 2",
            "slide: Welcome all",
            "log: asked the model",
        ]

    def test_a_failure_says_what_to_do(self, clock: Clock) -> None:
        console = Console(file=io.StringIO(), width=80, color_system=None)
        with ProgressDisplay(console=console, clock=clock) as display:
            for update in life(ends="failed"):
                display.show(update)
        *_, failed, hint = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert failed.endswith(": It broke.")
        assert hint.endswith("hint: Try another file.")

    def test_a_cancellation_says_why(self, clock: Clock) -> None:
        console = Console(file=io.StringIO(), width=80, color_system=None)
        with ProgressDisplay(console=console, clock=clock) as display:
            for update in life(ends="cancelled", data={"reason": "wrong file"}):
                display.show(update)
        last = console.file.getvalue().splitlines()[-1]  # type: ignore[attr-defined]
        assert last.endswith(": wrong file")


class TestNotebook:
    @pytest.fixture
    def pages(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """A kernel that keeps what it is told to show, by IPython's display protocol."""
        shown: list[Any] = []

        class Handle:
            def update(self, shown_object: Any) -> None:
                shown.append(shown_object._repr_mimebundle_())

        class ZMQInteractiveShell:
            pass

        ipython = types.ModuleType("IPython")
        ipython.get_ipython = ZMQInteractiveShell  # type: ignore[attr-defined]
        ipython_display = types.ModuleType("IPython.display")

        def display(shown_object: Any, *, display_id: bool) -> Handle:
            assert display_id is True
            shown.append(shown_object._repr_mimebundle_())
            return Handle()

        ipython_display.display = display  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        monkeypatch.setitem(sys.modules, "IPython.display", ipython_display)
        return shown

    def test_the_cells_output_is_redrawn_in_place(self, pages: list[Any], clock: Clock) -> None:
        with ProgressDisplay(clock=clock) as display:
            assert display.mode == "notebook"
            for update in life():
                display.show(update)
        last = pages[-1]
        assert last["text/plain"] == "cv.parse 0f9d5b: 100 % completed"
        assert 'aria-valuenow="100"' in last["text/html"]
        assert "✓ Understanding" in last["text/html"]
        assert any("● Understanding" in page["text/html"] for page in pages)

    def test_nothing_that_a_job_says_is_markup(self, pages: list[Any], clock: Clock) -> None:
        with ProgressDisplay(clock=clock) as display:
            for update in life(said="<script>alert(1)</script>", ends="failed"):
                display.show(update)
        assert not any("<script>" in page["text/html"] for page in pages)

    def test_a_terminals_ipython_is_a_terminal(
        self, monkeypatch: pytest.MonkeyPatch, pages: list[Any]
    ) -> None:
        class TerminalInteractiveShell:
            pass

        monkeypatch.setattr(sys.modules["IPython"], "get_ipython", TerminalInteractiveShell)
        assert ProgressDisplay(console=screen()).mode == "terminal"
        assert pages == []


class TestText:
    @pytest.mark.parametrize(
        ("text", "safe"),
        [
            ("plain", "plain"),
            ("\x1b[2J\x1b[31mred", "[2J[31mred"),
            ("a\x07b\x9bc", "abc"),
            ("a\nb\tc", "a b c"),
            ("abc\u202edef", "abcdef"),
            ("Ünïcode 日本", "Ünïcode 日本"),
        ],
    )
    def test_no_text_controls_the_terminal(self, text: str, safe: str) -> None:
        assert safe_text(text) == safe

    def test_markup_of_rich_is_only_text(self, clock: Clock) -> None:
        console = screen()
        display = ProgressDisplay(mode="lines", console=console, clock=clock)
        for update in life(said="[bold]no[/bold] [link=http://x]x[/link]")[:-1]:
            display.show(update)
        assert "[bold]no[/bold] [link=http://x]x[/link]" in drawn(display, console)

    @pytest.mark.parametrize(
        ("value", "line"),
        [
            ("a  b", "a b"),
            ({"text": "said", "n": 1}, "said"),
            ({"n": 1, "m": [1, 2]}, '{"n": 1, "m": [1, 2]}'),
            (None, "null"),
            ({}, "{}"),
            ([], "[]"),
            ([1, 2], "[1, 2]"),
            ({"slides": [{"position": 1, "text": "One."}, {"position": 2, "text": "Two."}]}, "One. · Two."),
            ({"slides": [{"text": "x" * 100}] * 9}, f"{'x' * 100} · {'x' * 56}…"),
            ({"rows": [{"n": 1}, {"text": "said"}]}, '{"rows": [{"n": 1}, {"text": "said"}]}'),
            ({"slides": [{"text": "One."}], "n": 1}, '{"slides": [{"text": "One."}], "n": 1}'),
            ("x" * 200, "x" * 159 + "…"),
        ],
    )
    def test_any_value_is_a_line(self, value: object, line: str) -> None:
        assert one_line(value) == line

    @pytest.mark.parametrize(
        ("seconds", "text"), [(0, "0.0s"), (9.94, "9.9s"), (42.4, "42s"), (185, "3m 05s"), (7800, "2h 10m")]
    )
    def test_durations(self, seconds: float, text: str) -> None:
        assert short_duration(seconds) == text


def test_a_callback_that_comes_from_a_thread_is_drawn(clock: Clock) -> None:
    from concurrent.futures import ThreadPoolExecutor

    console = screen()
    show: Callable[[Update], None]
    with ProgressDisplay(mode="terminal", console=console, clock=clock) as display:
        show = display.show
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(show, life() * 20))
    assert len(display.board.cards) == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("mode", ["lines", "terminal"])
def test_an_output_that_cannot_write_what_jobs_say_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, encoding: str, mode: Mode, clock: Clock
) -> None:
    written = io.BytesIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding, write_through=True))
    with ProgressDisplay(mode=mode, clock=clock) as display:
        display.board.add(JOB, "Zürich · 東京 ✓")
        for update in life():
            display.show(update)
            # Also what the app prints meanwhile, while rich stands before the output.
            print("plain words")
    text = written.getvalue().decode(encoding)
    assert "plain words" in text
    assert {"ascii": "Z?rich", "cp1252": "Zürich · ?? ?", "utf-8": "Zürich · 東京 ✓"}[encoding] in text
