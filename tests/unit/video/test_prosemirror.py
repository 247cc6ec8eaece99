"""Markdown becomes what TipTap's own schema admits and renders."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.node import Node
from workers.video.prosemirror import document_of, text_of

KNOWN = {
    "": "<p></p>",
    "One *two* **three** ~~four~~ `five`": (
        "<p>One <em>two</em> <strong>three</strong> <s>four</s> <code>five</code></p>"
    ),
    "# A\n\n###### F": "<h1>A</h1><h6>F</h6>",
    "- a\n- b\n  - c": "<ul><li><p>a</p></li><li><p>b</p><ul><li><p>c</p></li></ul></li></ul>",
    "3. a\n4. b": '<ol start="3"><li><p>a</p></li><li><p>b</p></li></ol>',
    "> quoted": "<blockquote><p>quoted</p></blockquote>",
    "```py\nx = 1 < 2\n```": '<pre><code class="language-py">x = 1 &lt; 2</code></pre>',
    "a  \nb": "<p>a<br>b</p>",
    "***": "<hr>",
    "<script>alert(1)</script>": "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>",
    "| Key | Use |\n|---|---|\n| S | Save |\n| Q | |": (
        "<ul><li><p><strong>Key</strong>: S; <strong>Use</strong>: Save</p></li>"
        "<li><p><strong>Key</strong>: Q</p></li></ul>"
    ),
    "| Key |\n|---|\n| S<br>**T**<BR/>U |": (
        "<ul><li><p><strong>Key</strong>: S<br><strong>T</strong><br>U</p></li></ul>"
    ),
    "- [ ] a\n- [x] *b*\n  - [X] c\n- [y] d": (
        "<ul><li><p>☐ a</p></li><li><p>☑ <em>b</em></p><ul><li><p>☑ c</p></li></ul></li>"
        "<li><p>[y] d</p></li></ul>"
    ),
    "`<br>`": "<p><code>&lt;br&gt;</code></p>",
    "![a *b* `c`](x.png)": "<p>a b c</p>",
    "# שלום עולם\n\nمرحبا **بالعالم**": "<h1>שלום עולם</h1><p>مرحبا <strong>بالعالم</strong></p>",
    "1. a\n   ```sh\n   ls\n   ```\n2. b\n\n   c": (
        '<ol><li><p>a</p><pre><code class="language-sh">ls</code></pre></li><li><p>b</p><p>c</p></li></ol>'
    ),
}

AWKWARD = [
    "- ```\n  code first\n  ```",
    "- # heading first",
    "-",
    ">",
    "- > quote first",
    "1. - nested first",
    '**[`code` in a *link*](https://a.example "title")**',
    "[`x`](https://a.example) ~~**_all_ `of` it**~~",
    "[bad](javascript:alert(1)) [data](data:text/html,x) [rel](../up) <https://auto.example> <mailto:a@b.co>",
    "![alt](https://a.example/x.png) ![](https://a.example/y.png) ![no](javascript:x) [![in](https://i)](https://o)",
    "[broken](http://[::1)",
    "| a |\n|---|",
    "| **b** `c` | [l](https://x) |\n|---|---|\n| ~~1~~ | ![i](https://y) |",
    "<b>html</b>\n\n<iframe src=x></iframe>\n\n<!-- c -->",
    "\x00 nul, &nbsp; entity, \\* escape",
    "> " * 40 + "deep",
    "".join("  " * depth + "- x\n" for depth in range(30)),
    "".join("  " * depth + f"- x{depth}\n" for depth in range(120)),
    "- <br>\n- a<br><br>b<br>\n- [x] <br>",
]

_INLINE = st.sampled_from(
    [
        "word",
        "*",
        "**",
        "_",
        "`",
        "~~",
        "[",
        "](https://a.example)",
        "](javascript:x)",
        "!",
        "<b>",
        "\\",
        "  \n",
        "\n",
        "|",
        " ",
    ]
)
_LINE = st.tuples(
    st.sampled_from(["", "# ", "> ", "- ", "1. ", "  - ", "    ", "```", "|---|---|", "***", "> - ", "- > "]),
    st.lists(_INLINE, max_size=8).map("".join),
).map("".join)
MARKDOWN = st.lists(_LINE, max_size=10).map("\n".join)


def collected(count: int) -> list[str]:
    """So many made-up texts, the same ones every time."""
    texts: list[str] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(MARKDOWN)
    def collect(text: str) -> None:
        texts.append(text)

    collect()
    return texts


@pytest.mark.node
def test_tiptap_admits_and_renders_every_article(node: Node, tmp_path: Path) -> None:
    texts: list[tuple[str, str | None]] = [
        *KNOWN.items(),
        *((text, None) for text in [*AWKWARD, *collected(600)]),
    ]
    articles = [
        {"markdown": text, "document": document_of(text)} | ({} if html is None else {"html": html})
        for text, html in texts
    ]
    given_to_node = tmp_path / "articles.json"
    given_to_node.write_text(json.dumps(articles))
    node.test("articles.test.mjs", {"HEADWAY_ARTICLES": str(given_to_node)}, tmp_path)


def texts_in(node: dict[str, Any]) -> list[str]:
    return (
        [node["text"]]
        if node["type"] == "text"
        else [t for c in node.get("content", []) for t in texts_in(c)]
    )


@given(MARKDOWN)
def test_no_text_is_empty_and_neighbours_are_joined(text: str) -> None:
    def check(node: dict[str, Any]) -> None:
        children = node.get("content", [])
        assert children or "content" not in node
        for left, right in pairwise(children):
            if left["type"] == right["type"] == "text":
                assert left.get("marks") != right.get("marks")
        for child in children:
            check(child)

    document = document_of(text)
    check(document)
    assert all(texts_in(document))


@pytest.mark.parametrize("lead", ["- ", "> ", "1. ", "- > ", "* + "])
@pytest.mark.parametrize("depth", [10, 49, 50, 51, 99, 100, 101, 3_000])
def test_no_word_is_lost_however_deep_it_is(lead: str, depth: int) -> None:
    assert text_of(document_of(lead * depth + "the word\n\nand *another*")).endswith("the word\nand another")


def test_a_list_of_lists_keeps_every_item() -> None:
    for depth in (20, 49, 50, 120):
        text = text_of(document_of("".join("  " * n + f"- item {n}\n" for n in range(depth))))
        assert [f"item {n}" in text for n in range(depth)] == [True] * depth


def test_plain_text_has_every_block_on_its_own_line() -> None:
    document = document_of("# Title\n\nOne *two*.\n\n- a\n- b\n\n> said\n\n```\nx\ny\n```\n\nlast  \nline")
    assert text_of(document) == "Title\nOne two.\n- a\n- b\nsaid\nx\ny\nlast\nline"
    assert text_of(document_of("")) == ""
