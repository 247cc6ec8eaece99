"""A board drawn with rich."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from headway.display.board import Board, JobCard, StageMark
from headway.display.durations import short_duration
from headway.display.flow import flowing
from headway.display.plain_text import one_line

__all__ = ["TerminalBoard"]

_MARKS = {"done": ("✓", "green"), "now": ("●", "cyan"), "todo": ("○", "dim"), "failed": ("✗", "red")}
_ENDS = {"completed": ("✓", "green"), "failed": ("✗", "red"), "cancelled": ("■", "yellow")}
_ROOMY = 24
_MOST_METRICS = 6


class TerminalBoard:
    """Draws a board, as tall as the terminal has room for.

    Args:
        board: What to draw.
        outputs: How many lines of partial output to show of each job.
    """

    def __init__(self, board: Board, outputs: int = 3) -> None:
        self._board = board
        self._outputs = outputs
        self._spinner = Spinner("dots", style="cyan")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        cards = self._board.cards
        height = options.height or console.size.height or _ROOMY
        # Each job gets its line first; what room is left is shared, and when there is not even room for all,
        # those under way come first.
        details = max((height - 1) // max(len(cards), 1) - 1, 0)
        if len(cards) > height - 1:
            cards = tuple(sorted(cards, key=lambda card: card.ended))
            shown = cards[: max(height - 2, 1)]
        else:
            shown = cards
        for card in shown:
            yield self._headline(card)
            yield from islice(self._details(card, options.max_width), details)
        if len(shown) < len(cards):
            yield Text(f"  … and {len(cards) - len(shown)} more", style="dim")

    def _headline(self, card: JobCard) -> Table:
        row = Table.grid(padding=(0, 1), expand=False)
        row.add_column(width=1)
        row.add_column(max_width=40, no_wrap=True, overflow="ellipsis")
        row.add_column(width=28)
        row.add_column(width=6, justify="right")
        row.add_column(no_wrap=True, overflow="ellipsis")
        bar = ProgressBar(total=100, completed=card.percent, width=28, complete_style=_colour(card))
        mark = self._spinner if card.status == "processing" else _mark(card)
        row.add_row(mark, Text(card.title, style="bold"), bar, f"{card.percent:.0f} %", self._times(card))
        return row

    def _times(self, card: JobCard) -> Text:
        now = self._board.clock()
        elapsed, left = card.elapsed(now), card.remaining(now)
        parts: list[str] = [] if card.status == "processing" else [card.status]
        parts += [short_duration(elapsed)] if elapsed is not None else []
        parts += [f"about {short_duration(left)} left"] if left is not None else []
        parts += [f"attempt {card.attempt}"] if card.attempt > 1 else []
        return Text(" · ".join(parts), style="dim")

    def _details(self, card: JobCard, width: int) -> Iterator[Text]:
        yield from flowing(map(_stage, card.stages), width, indent=2)
        said = card.error if card.error is not None and card.status == "failed" else None
        if said is not None:
            yield Text(f"  {one_line(said.message)}", style="red")
            if said.hint:
                yield Text(f"  hint: {one_line(said.hint)}", style="dim")
        elif card.message and card.status != "completed":
            yield Text(f"  {card.message}")
        if card.metrics:
            figures = list(card.metrics.items())[:_MOST_METRICS]
            yield Text(
                "  " + " · ".join(f"{one_line(k, 30)} {one_line(v, 30)}" for k, v in figures), style="dim"
            )
        if self._outputs:
            for output in list(card.outputs)[-self._outputs :]:
                yield Text(f"  › {output}", style="dim", no_wrap=True, overflow="ellipsis")
        if card.note and not card.ended:
            yield Text(f"  {card.note}", style="dim italic", no_wrap=True, overflow="ellipsis")


def _stage(mark: StageMark) -> Text:
    sign, style = _MARKS[mark.state]
    return Text(f"{sign} {mark.label}", style=style)


def _mark(card: JobCard) -> Text:
    sign, style = _ENDS.get(card.status, ("○", "dim"))
    return Text(sign, style=style)


def _colour(card: JobCard) -> str:
    return _ENDS[card.status][1] if card.status in _ENDS else "cyan"
