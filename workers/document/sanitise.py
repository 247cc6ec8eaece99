"""HTML that somebody else has written, made harmless.

``nh3`` (ammonia, html5ever) parses as browsers do and writes anew, from the tree, what ``allowed`` names.
Nothing that runs, styles, embeds, submits or loads from elsewhere is on those lists, nor any element at which
parsers change their mode (svg, math, style, noscript, template, select), which is what mutation XSS needs.
Images are part of the document (``data:``) or come from hosts that the operator names: a picture's address is
the easiest way to carry what a document says to somebody else.
"""

from __future__ import annotations

import html as escaping
import re
from collections import Counter
from collections.abc import Iterable

import httpx
import nh3

from headway import InvalidRequest
from workers.document.allowed import ATTRIBUTES, NEVER_DEEP, REMOVED_WITH_CONTENT, TAGS

__all__ = ["HTML_LIMIT", "Sanitiser", "heading_of", "text_of"]

HTML_LIMIT = 5_242_880
"""What ``documents.html`` holds, in bytes."""

_DEPTH_LIMIT = 256
_TAG = re.compile(r"<(/?)([a-z][^\s/>]*)", re.IGNORECASE)

_HEADING = re.compile(r"<(h[1-3])(?: [^>]*)?>(.*?)</\1>", re.DOTALL)

_ID_PREFIX = "doc-"
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+")
_TOKEN = re.compile(r"[\w.:-]{1,100}")
_BEGINNING = 5_000
_DIRECTION = re.compile(r"<(?:html|body)(?:\s[^>]*)?\sdir\s*=\s*[\"']?(rtl|auto)(?=[\"'\s>/])", re.IGNORECASE)
_BRACKETS = str.maketrans("", "", "<>")


class Sanitiser:
    """Makes HTML harmless.

    Args:
        image_hosts: Hosts that pictures may come from over https, such as ``cdn.example.com``.
    """

    def __init__(self, image_hosts: Iterable[str] = ()) -> None:
        self._hosts = frozenset(host.lower().rstrip(".") for host in image_hosts)
        self._cleaner = nh3.Cleaner(
            tags=set(TAGS),
            clean_content_tags=set(REMOVED_WITH_CONTENT),
            attributes=ATTRIBUTES,
            attribute_filter=self._attribute,
            link_rel="noopener noreferrer nofollow",
            url_schemes={"http", "https", "mailto", "tel", "data"},
            id_prefix=_ID_PREFIX,
        )

    def clean(self, html: str) -> str:
        """What is left of some HTML when everything dangerous has gone; a fragment, never empty.

        Takes time in proportion to the HTML; call it outside the event loop.

        Raises:
            InvalidRequest: nothing to read is left, it is nested too deeply, or it is too large.
        """
        if _depth(html) > _DEPTH_LIMIT:
            raise InvalidRequest(
                f"html: nested more than {_DEPTH_LIMIT} levels deep",
                hint="Have the automation close its elements.",
                code="html_too_deep",
                details="html",
            )
        html = html.replace("\0", "")
        cleaned = self._cleaner.clean(html).strip()
        # The page's elements go, and with them which way its text runs.
        if direction := _DIRECTION.search(html[:_BEGINNING]):
            cleaned = f'<div dir="{direction[1].lower()}">{cleaned}</div>'
        if len(cleaned.encode()) > HTML_LIMIT:
            raise InvalidRequest(
                f"html: more than {HTML_LIMIT:,} bytes once it is well-formed",
                hint="Have the automation write less, or several documents.",
                code="html_too_large",
                details="html",
            )
        if not text_of(cleaned) and "<img " not in cleaned:
            raise InvalidRequest(
                "html: nothing to read is left when scripts, styles and forms are taken out",
                hint="Have the automation answer with the document's text.",
                code="html_empty",
                details="html",
            )
        return cleaned

    def _attribute(self, element: str, attribute: str, value: str) -> str | None:
        match element, attribute:
            case ("a", "href"):
                return _link(value)
            case ("img", "src"):
                return value if self._picture_allowed(value) else None
            case (_, "id" | "headers"):
                return value if all(map(_TOKEN.fullmatch, value.split())) else None
            case (_, "rel"):
                return value
        # A quoted < is harmless to every parser; the table's last guard refuses it all the same.
        return value.translate(_BRACKETS)

    def _picture_allowed(self, address: str) -> bool:
        if address.startswith("data:"):
            return _PICTURE.fullmatch(address) is not None
        try:
            url = httpx.URL(address)
        except (httpx.InvalidURL, ValueError):
            return False
        return url.scheme == "https" and not url.userinfo and url.host.lower().rstrip(".") in self._hosts


def _link(address: str) -> str | None:
    if address.startswith("#"):
        target = address[1:]
        return f"#{_prefixed(target)}" if _TOKEN.fullmatch(target) else None
    address = address.strip(" \t\r\n\f")
    # Only what leads somewhere by itself: a relative address would lead into the app that shows the document.
    scheme, colon, _ = address.partition(":")
    allowed = colon and scheme.lower() in ("http", "https", "mailto", "tel")
    return address.translate(_BRACKETS) if allowed else None


def _prefixed(target: str) -> str:
    return target if target.startswith(_ID_PREFIX) else _ID_PREFIX + target


def _depth(html: str) -> int:
    """How many elements are open at once, at most, or more: the parser's time grows with its square."""
    opened: Counter[str] = Counter()
    depth = deepest = 0
    for tag in _TAG.finditer(html):
        name = tag[2].lower()
        if name in NEVER_DEEP:
            continue
        if not tag[1]:
            opened[name] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
    return deepest


def text_of(cleaned: str) -> str:
    """The text of clean HTML, white space collapsed."""
    return " ".join(escaping.unescape(nh3.clean(cleaned, tags=set())).split())


def heading_of(cleaned: str) -> str | None:
    """The text of the first heading of clean HTML that has any, ``None`` without one."""
    headings = _HEADING.finditer(cleaned)
    return next((text for found in headings if (text := text_of(found[2]))), None)
