"""How a demo tells what has happened."""

from __future__ import annotations

from rich.console import Console

__all__ = ["done", "seconds"]


def done(console: Console, what: str, took: float | None = None) -> None:
    """Print that something has happened.

    Args:
        console: Where.
        what: In console markup.
        took: The seconds that it took.
    """
    how_long = "" if took is None else f" [dim]({seconds(took)})[/]"
    console.print(f"[green]✓[/] {what}{how_long}", soft_wrap=True)


def seconds(duration: float) -> str:
    """A duration for people.

    Args:
        duration: In seconds.
    """
    return f"{duration * 1000:.0f} ms" if duration < 1 else f"{duration:.1f} s"
