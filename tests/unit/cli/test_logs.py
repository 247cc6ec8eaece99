"""Two logs are shown as one, in the order of time, and followed through rotation."""

from __future__ import annotations

from pathlib import Path

from headway.cli.logs import _merged, _Tail


def _log(path: Path, *lines: str) -> _Tail:
    path.write_text("".join(f"{line}\n" for line in lines))
    return _Tail(path.stem, path)


def test_entries_are_ordered_and_keep_their_continuations(tmp_path: Path) -> None:
    stack = _log(
        tmp_path / "stack.log",
        "2026-01-01 00:00:01.000 UTC one",
        "2026-01-01 00:00:03.000 UTC three",
        "  more",
    )
    postgres = _log(tmp_path / "postgres.log", "2026-01-01 00:00:02.000 UTC two", "\ttoo")
    assert [line.split()[-1] for _, line in _merged([stack, postgres], 10)] == [
        "one",
        "two",
        "too",
        "three",
        "more",
    ]


def test_only_the_last_lines_are_shown(tmp_path: Path) -> None:
    tail = _log(tmp_path / "a.log", *(f"2026-01-01 00:00:00.{n % 1000:03} UTC {n}" for n in range(900)))
    assert [line.split()[-1] for _, line in _merged([tail], 2)] == ["898", "899"]
    assert _merged([tail], 0) == []


def test_a_long_log_is_read_from_its_end(tmp_path: Path) -> None:
    tail = _log(tmp_path / "a.log", *("x" * 200 + f" {n}" for n in range(2000)))
    assert [line.split()[-1] for line in tail.last(1000)] == [str(n) for n in range(1000, 2000)]


def test_a_missing_log_is_empty_until_it_is_there(tmp_path: Path) -> None:
    tail = _Tail("a", tmp_path / "a.log")
    assert tail.last(5) == []
    assert list(tail.fresh()) == []
    (tmp_path / "a.log").write_text("first\n")
    assert list(tail.fresh()) == ["first"]


def test_only_whole_lines_are_followed(tmp_path: Path) -> None:
    tail = _log(tmp_path / "a.log", "old")
    tail.last(5)
    with (tmp_path / "a.log").open("a") as file:
        file.write("ne")
        file.flush()
        assert list(tail.fresh()) == []
        file.write("w\nnext")
        file.flush()
        assert list(tail.fresh()) == ["new"]


def test_a_rotated_or_emptied_log_is_followed_from_its_beginning(tmp_path: Path) -> None:
    tail = _log(tmp_path / "a.log", "a long old line")
    tail.last(5)
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    (tmp_path / "a.log").write_text("a new file, longer than before\n")
    assert list(tail.fresh()) == ["a new file, longer than before"]
    (tmp_path / "a.log").write_text("short\n")
    assert list(tail.fresh()) == ["short"]
