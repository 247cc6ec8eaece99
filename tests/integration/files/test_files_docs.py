"""The examples of docs/files.md, in order, as one program."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway import AsyncHeadway
from support.documents import examples
from support.engine import Engine

from .conftest import House, Party


async def test_the_examples_run(
    house: House, ada: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "essay.txt").write_text("To be tested.")
    (tmp_path / "downloads").mkdir()
    engine = await Engine(house.stack.database).open()
    await engine.worker("demo.count")
    blocks = examples("files.md", "python")
    assert len(blocks) == 3
    program = "async def main(hw, user_id, Path):\n" + "\n".join(
        textwrap.indent(block.text, "    ") for block in blocks
    )
    program += "\n    return locals()\n"
    namespace: dict[str, Any] = {}
    exec(compile(program, "docs/files.md", "exec"), namespace)
    async with AsyncHeadway(url=ada.url, key=ada.key, access_token=ada.token) as hw:
        made = await namespace["main"](hw, ada.user_id, Path)
    await engine.close()
    assert (tmp_path / "copy.txt").read_text() == "To be tested."
    assert (tmp_path / "downloads" / "essay.txt").read_text() == "To be tested."
    assert made["content"] == b"To be tested."
    assert made["uploaded"].bytes == 26
    async with httpx.AsyncClient() as anybody:
        gone = await anybody.get(made["link"])
    assert gone.status_code == 400, "it was removed in the example"
