"""Articles as the editor keeps them: Markdown becomes a TipTap document, and plain text for search.

Only nodes and marks of TipTap's StarterKit are made, so that every editor renders them without extensions: a
table becomes a list of its rows, a task's box a character, an image a link to it. HTML stays the text that it
is, but for ``<br>``, the only way to have a line break within a table.

Source: the schema of ``@tiptap/starter-kit`` 3 (``tests/js/articles.test.mjs`` checks against it): a list
item begins with a paragraph, text is never empty, code excludes every other mark, and marks come in the
schema's order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

__all__ = ["Node", "document_of", "text_of"]

Node: TypeAlias = dict[str, Any]

# What is nested deeper, the parser leaves out; nobody reads a fiftieth level of a list.
_DEEPEST = 100
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST}).enable(
    ["strikethrough", "table"]
)
_NESTING = re.compile(r"\A(?:[\s>*+-]|\d+[.)]\s)+")
_LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TASK = re.compile(r"\[([ xX])\] ")
_BOXES = {" ": "☐ ", "x": "☑ "}
_MARKS = {"link": 0, "bold": 1, "code": 2, "italic": 3, "strike": 4}
_MARK_OF = {"strong": "bold", "em": "italic", "s": "strike"}
_SCHEMES = frozenset({"http", "https", "mailto"})


def document_of(markdown: str) -> Node:
    """The TipTap document of a Markdown text; never without a block.

    Args:
        markdown: CommonMark with strikethrough, tables and tasks.
    """
    tokens = _MARKDOWN.parse(markdown)
    if any(token.level >= _DEEPEST - 1 for token in tokens):
        # Rather without its form than without its words.
        tokens = _MARKDOWN.parse("\n\n".join(_NESTING.sub("", line) for line in markdown.splitlines()))
    blocks = _blocks(SyntaxTreeNode(tokens).children)
    return {"type": "doc", "content": blocks or [{"type": "paragraph"}]}


def text_of(document: Node) -> str:
    """What a document says, without its form: blocks on lines of their own, items led by a dash."""
    return "\n".join(line for line in _lines(document, "") if line.strip())


def _lines(node: Node, lead: str) -> Iterator[str]:
    content: list[Node] = node.get("content", [])
    if node["type"] in ("paragraph", "heading", "codeBlock"):
        yield lead + "".join("\n" if part["type"] == "hardBreak" else part["text"] for part in content)
        return
    for child in content:
        yield from _lines(child, "- " if node["type"] == "listItem" and child is content[0] else "")


def _blocks(nodes: Iterable[SyntaxTreeNode]) -> list[Node]:
    return [block for node in nodes for block in _block(node)]


def _block(node: SyntaxTreeNode) -> list[Node]:
    match node.type:
        case "paragraph":
            return [_filled({"type": "paragraph"}, _inline(node))]
        case "heading":
            return [_filled({"type": "heading", "attrs": {"level": int(node.tag[1])}}, _inline(node))]
        case "bullet_list":
            return [{"type": "bulletList", "content": [_item(child) for child in node.children]}]
        case "ordered_list":
            start = int(node.attrs.get("start", 1))
            items = [_item(child) for child in node.children]
            return [{"type": "orderedList", "attrs": {"start": start}, "content": items}]
        case "blockquote":
            return [{"type": "blockquote", "content": _blocks(node.children) or [{"type": "paragraph"}]}]
        case "fence" | "code_block":
            language = node.info.split()[0] if node.info.split() else None
            text = node.content.removesuffix("\n")
            block: Node = {"type": "codeBlock", "attrs": {"language": language}}
            return [_filled(block, [_text(text, ())] if text else [])]
        case "hr":
            return [{"type": "horizontalRule"}]
        case "table":
            return _rows(node)
        case _:
            return _blocks(node.children)


def _item(node: SyntaxTreeNode) -> Node:
    content = _blocks(node.children)
    if not content or content[0]["type"] not in ("paragraph", "heading"):
        content.insert(0, {"type": "paragraph"})
    elif content[0]["type"] == "heading":
        content[0] = _filled({"type": "paragraph"}, content[0].get("content", []))
    first = content[0].get("content", [{}])[0]
    if task := _TASK.match(first.get("text", "")):
        first["text"] = _BOXES[task[1].lower()] + first["text"][task.end() :]
    return {"type": "listItem", "content": content}


def _rows(table: SyntaxTreeNode) -> list[Node]:
    """A table as a list: an item for each row, each value led by the name of its column."""
    rows = [[_inline(cell) for cell in row.children] for part in table.children for row in part.children]
    if not rows:
        return []
    names, *body = rows
    items: list[Node] = []
    for row in body or [names]:
        line: list[Node] = []
        for name, value in zip(names, row, strict=False):
            if not value:
                continue
            line += [_text("; ", ())] if line else []
            line += [*_emboldened(name), _text(": ", ())] if name and body else []
            line += value
        items.append({"type": "listItem", "content": [_filled({"type": "paragraph"}, _joined(line))]})
    return [{"type": "bulletList", "content": items}]


def _emboldened(nodes: Sequence[Node]) -> list[Node]:
    return [
        _text(node["text"], [*node.get("marks", []), {"type": "bold"}])
        for node in nodes
        if node["type"] == "text"
    ]


def _inline(node: SyntaxTreeNode) -> list[Node]:
    return _joined([part for child in node.children for part in _spans(child, ())])


def _spans(node: SyntaxTreeNode, marks: Sequence[Node]) -> list[Node]:
    match node.type:
        case "text":
            return _lines_of(node.content, marks)
        case "softbreak":
            return [_text(" ", marks)]
        case "hardbreak":
            return [{"type": "hardBreak"}]
        case "code_inline":
            return [_text(node.content, [*marks, {"type": "code"}])] if node.content else []
        case "image":
            address = str(node.attrs.get("src", ""))
            shown = _plain(node) or address
            return [_text(shown, _linked(marks, address))] if shown else []
        case "link":
            marks = _linked(marks, str(node.attrs.get("href", "")))
        case kind if kind in _MARK_OF:
            marks = [*marks, {"type": _MARK_OF[kind]}]
    return [part for child in node.children for part in _spans(child, marks)]


def _lines_of(text: str, marks: Sequence[Node]) -> list[Node]:
    first, *others = _LINE_BREAK.split(text)
    nodes = [_text(first, marks)] if first else []
    for line in others:
        nodes.append({"type": "hardBreak"})
        nodes += [_text(line, marks)] if line else []
    return nodes


def _plain(node: SyntaxTreeNode) -> str:
    """The words of a node, as a picture's description has them."""
    if node.type in ("softbreak", "hardbreak"):
        return " "
    return "".join(map(_plain, node.children)) if node.children else node.content


def _linked(marks: Sequence[Node], address: str) -> Sequence[Node]:
    """The marks with a link, when its address is one that a reader may be sent to."""
    try:
        scheme = urlsplit(address).scheme.lower()
    except ValueError:
        return marks
    if scheme not in _SCHEMES or any(mark["type"] == "link" for mark in marks):
        return marks
    return [*marks, {"type": "link", "attrs": {"href": address}}]


def _text(text: str, marks: Sequence[Node]) -> Node:
    by_type = {mark["type"]: mark for mark in marks}
    if "code" in by_type:
        # Code excludes every other mark; a reader misses a link more than its typeface.
        by_type = {"link": by_type["link"]} if "link" in by_type else {"code": by_type["code"]}
    ordered = sorted(by_type.values(), key=lambda mark: _MARKS[mark["type"]])
    return {"type": "text", "text": text} | ({"marks": ordered} if ordered else {})


def _joined(nodes: Sequence[Node]) -> list[Node]:
    joined: list[Node] = []
    for node in nodes:
        if (
            joined
            and node["type"] == joined[-1]["type"] == "text"
            and node.get("marks") == joined[-1].get("marks")
        ):
            joined[-1] = joined[-1] | {"text": joined[-1]["text"] + node["text"]}
        else:
            joined.append(node)
    return joined


def _filled(node: Node, content: list[Node]) -> Node:
    return node | {"content": content} if content else node
