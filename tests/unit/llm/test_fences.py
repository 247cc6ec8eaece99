"""A fence around an answer is forgiven, whatever a model writes around it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import BaseModel

from workers.llm.parsing import Unfit, read_answer


class Answer(BaseModel):
    n: int


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 1}',
        '```json\n{"n": 1}\n```',
        '  ```\n\n{"n": 1}```  \n',
        '```JSON \r\n{"n": 1}\r\n```',
    ],
)
def test_a_fence_is_forgiven(text: str) -> None:
    assert read_answer(text, Answer).n == 1


@pytest.mark.parametrize("text", ["```", "``````", "```\n```", '```json\n{"n": 1}', "```\n"])
def test_half_a_fence_is_no_answer(text: str) -> None:
    with pytest.raises(Unfit):
        read_answer(text, Answer)


_ENDLESS = r"""
from pydantic import BaseModel
from workers.llm.parsing import Unfit, read_answer
class Answer(BaseModel):
    n: int
for end in ("", "x", "`"):
  for text in ("```\n" + "\n" * 1_000_000, " " * 1_000_000, "```\n" + " \n" * 500_000):
    text += end
    try:
        read_answer(text, Answer)
    except Unfit:
        pass
"""


def test_line_ends_without_end_do_not_hold_up_the_worker() -> None:
    subprocess.run([sys.executable, "-c", _ENDLESS], check=True, timeout=60)
