"""``ProgressDisplay``: jobs on the screen, wherever the screen is."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TextIO, TypeAlias, cast

from rich.console import Console
from rich.live import Live

from headway.core.feed import Update
from headway.display.board import Board
from headway.display.lines import line_of
from headway.display.notebook import NotebookBoard, find_notebook
from headway.display.standard_output import StandardOutput
from headway.display.terminal import TerminalBoard

if TYPE_CHECKING:
    from headway.client.handles import JobHandle

__all__ = ["Mode", "ProgressDisplay"]

Mode: TypeAlias = Literal["auto", "terminal", "notebook", "lines"]

_REFRESH_PER_SECOND = 10
_NOTEBOOK_PAUSE_S = 0.1


class ProgressDisplay:
    """Shows the progress of any number of jobs: bars, stages ticking off, time left, partial output.

    ::

        with ProgressDisplay() as display:
            await display.follow(job, another)  # or: job.result(on_update=display.show)

    In a terminal the bars are redrawn in place; in a notebook the cell's output is; elsewhere every event is
    a line. What jobs say is shown without control characters.

    Args:
        mode: Where; told from the surroundings when ``auto``.
        console: Where to draw and write; standard output when omitted.
        outputs: How many lines of partial output to show of each job.
        clock: Seconds that only ever grow.
    """

    def __init__(
        self,
        *,
        mode: Mode = "auto",
        console: Console | None = None,
        outputs: int = 3,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.board = Board(clock)
        self._console = console or Console(file=cast(TextIO, StandardOutput()), highlight=False)
        self._mode = mode
        self._outputs = outputs
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._page = NotebookBoard(self.board, outputs)
        self._notebook = None if mode not in ("auto", "notebook") else find_notebook(self._page)
        self._shown_at = 0.0

    @property
    def mode(self) -> Mode:
        """Where it shows: ``terminal``, ``notebook`` or ``lines``."""
        if self._mode != "auto":
            return self._mode
        if self._notebook is not None:
            return "notebook"
        return "terminal" if self._console.is_terminal and not self._console.is_dumb_terminal else "lines"

    def __enter__(self) -> Self:
        if self.mode == "terminal" and self._live is None:
            self._live = Live(
                TerminalBoard(self.board, self._outputs),
                console=self._console,
                refresh_per_second=_REFRESH_PER_SECOND,
                vertical_overflow="crop",
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the last picture as it is; safe to call twice."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        self._show_page(at_once=True)

    def announce(self, job: JobHandle, title: str | None = None) -> None:
        """Show a job before anything is known of it.

        Args:
            job: The job.
            title: What to call it; its kind and the end of its id when omitted.
        """
        with self._lock:
            self.board.add(job.id, title or (f"{job.kind} {str(job.id)[-6:]}" if job.kind else None))

    def show(self, update: Update) -> None:
        """Show one update; to be used as ``on_update`` of whatever takes one."""
        with self._lock:
            card = self.board.take(update)
            line = line_of(card, update, self.board.clock()) if self.mode == "lines" else None
        if line is not None:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        staged = update.event is not None and update.event.type == "stage_started"
        self._show_page(at_once=staged or update.ended)

    def track(self, updates: Iterable[Update]) -> Iterator[Update]:
        """Show updates and pass them on: ``for update in display.track(job.watch())``, with no event loop."""
        for update in updates:
            self.show(update)
            yield update

    async def follow(
        self, *jobs: JobHandle, after_seq: int | None = None, follow_retries: bool = False
    ) -> list[Update]:
        """Show jobs until all of them have ended.

        Args:
            jobs: The jobs, already announced or not.
            after_seq: Begin after this ``seq`` instead of with the present.
            follow_retries: Go on after ends.

        Returns:
            The last update of each.

        Raises:
            HeadwayError: one of them cannot be watched; the others are let go.
        """
        known = {card.id for card in self.board.cards}
        for job in jobs:
            if job.id not in known:
                self.announce(job)

        async def watch(job: JobHandle) -> Update:
            last: Update | None = None
            # A story that is heard from its beginning tells of stages one by one; here all of them are shown.
            stages = (await job.snapshot()).stages
            with self._lock:
                self.board.add(job.id, "", stages)
            async with job.watch(after_seq, follow_retries=follow_retries) as updates:
                async for update in updates:
                    last = update
                    self.show(update)
            assert last is not None, "a watch ends with an update or an error"
            return last

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(watch(job)) for job in jobs]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    def _show_page(self, *, at_once: bool) -> None:
        if self._notebook is None:
            return
        now = time.monotonic()
        # Every picture travels to a browser; ends and stages are never held back for long.
        if at_once or now - self._shown_at >= _NOTEBOOK_PAUSE_S:
            self._shown_at = now
            self._notebook.show(self._page)
