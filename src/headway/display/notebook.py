"""A board as HTML, for notebooks.

Source: https://ipython.readthedocs.io/en/stable/config/integrating.html (``_repr_mimebundle_``, display ids).
"""

from __future__ import annotations

from html import escape
from typing import Any, Protocol

from headway.display.board import Board, JobCard
from headway.display.durations import short_duration
from headway.display.plain_text import one_line

__all__ = ["Notebook", "NotebookBoard", "find_notebook"]

_COLOURS = {"completed": "#2e7d32", "failed": "#c62828", "cancelled": "#b26a00"}
_MARKS = {"done": "✓", "now": "●", "todo": "○", "failed": "✗"}


class _Handle(Protocol):
    def update(self, obj: Any) -> None: ...


class NotebookBoard:
    """A board that a notebook can show.

    Args:
        board: What to draw.
        outputs: How many lines of partial output to show of each job.
    """

    def __init__(self, board: Board, outputs: int = 3) -> None:
        self._board = board
        self._outputs = outputs

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": self.text()}

    def html(self) -> str:
        """The board as one element; every text of a job is escaped."""
        cards = "".join(self._card(card) for card in self._board.cards)
        return f'<div style="font-family:var(--jp-ui-font-family,sans-serif);font-size:13px">{cards}</div>'

    def text(self) -> str:
        """The board for where no HTML is shown."""
        return "\n".join(f"{card.title}: {card.percent:.0f} % {card.status}" for card in self._board.cards)

    def _card(self, card: JobCard) -> str:
        colour = _COLOURS.get(card.status, "#1976d2")
        now = self._board.clock()
        times: list[str] = [card.status]
        if (elapsed := card.elapsed(now)) is not None:
            times.append(short_duration(elapsed))
        if (left := card.remaining(now)) is not None:
            times.append(f"about {short_duration(left)} left")
        parts = [
            f"<b>{escape(card.title)}</b> {card.percent:.0f}&nbsp;% "
            f'<span style="opacity:.6">{escape(" · ".join(times))}</span>',
            '<div role="progressbar" aria-valuemin="0" aria-valuemax="100" '
            f'aria-valuenow="{card.percent:.0f}" style="height:6px;border-radius:3px;background:#8883;'
            'margin:4px 0;max-width:480px"><div style="height:6px;border-radius:3px;'
            f'width:{card.percent:.1f}%;background:{colour}"></div></div>',
        ]
        if card.stages:
            parts.append(
                '<div style="opacity:.8">'
                + " &nbsp; ".join(f"{_MARKS[mark.state]} {escape(mark.label)}" for mark in card.stages)
                + "</div>"
            )
        if card.error is not None and card.status == "failed":
            parts.append(f'<div style="color:{colour}">{escape(one_line(card.error.message))}</div>')
            if card.error.hint:
                parts.append(f'<div style="opacity:.7">{escape(one_line(card.error.hint))}</div>')
        elif card.message:
            parts.append(f"<div>{escape(card.message)}</div>")
        if self._outputs:
            parts += [
                f'<div style="opacity:.7">› {escape(output)}</div>'
                for output in list(card.outputs)[-self._outputs :]
            ]
        return f'<div style="margin:6px 0">{"".join(parts)}</div>'


class Notebook:
    """The cell that is running.

    Args:
        handle: What ``IPython.display.display(…, display_id=True)`` has answered.
    """

    def __init__(self, handle: _Handle) -> None:
        self._handle = handle

    def show(self, board: NotebookBoard) -> None:
        """Show the board as it is now, in the place of what was shown."""
        self._handle.update(board)


def find_notebook(board: NotebookBoard) -> Notebook | None:
    """The notebook that this process is the kernel of, with the board in its cell; ``None`` elsewhere."""
    import sys

    # A kernel has imported it; anybody else need not have it.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or type(shell).__name__ == "TerminalInteractiveShell":
        return None
    from importlib import import_module

    display = import_module("IPython.display").display
    return Notebook(display(board, display_id=True))
