"""What a document is made of: all that is not named here is taken out of it."""

from __future__ import annotations

__all__ = ["ATTRIBUTES", "NEVER_DEEP", "REMOVED_WITH_CONTENT", "TAGS"]

TAGS = frozenset({
    "a", "abbr", "address", "article", "aside", "b", "bdi", "bdo", "blockquote", "br", "caption",
    "cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt", "em",
    "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i", "img",
    "ins", "kbd", "li", "main", "mark", "nav", "ol", "p", "pre", "q", "rp", "rt", "ruby", "s", "samp",
    "section", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot",
    "th", "thead", "time", "tr", "u", "ul", "var", "wbr",
})  # fmt: skip

REMOVED_WITH_CONTENT = frozenset({
    "script", "style", "template", "noscript", "noembed", "noframes", "iframe", "object", "svg", "math",
    "title", "textarea", "select", "xmp", "plaintext",
})  # fmt: skip
"""Their content is code or a form, no text that was meant to be read."""

ATTRIBUTES = {
    "*": {"id", "lang", "dir", "title"},
    "a": {"href", "hreflang"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start", "type", "reversed"},
    "li": {"value"},
    "td": {"colspan", "rowspan", "headers"},
    "th": {"colspan", "rowspan", "headers", "scope"},
    "col": {"span"},
    "colgroup": {"span"},
    "time": {"datetime"},
    "del": {"datetime"},
    "ins": {"datetime"},
    "details": {"open"},
}
"""By element; ``*`` is every element."""

NEVER_DEEP = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "colgroup",
    "rp", "rt",
})  # fmt: skip
"""What closes itself when the next one opens, or never opens anything."""
