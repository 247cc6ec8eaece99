"""What watchers see of a document fits into an event, whatever the document is."""

from __future__ import annotations

import json

from workers.document.asking import Document
from workers.document.preview import preview_of

LARGEST_EVENT = 65_536


def test_a_preview_has_title_headings_and_beginning() -> None:
    html = '<h1 id="doc-a">One &amp; <em>only</em></h1><h2></h2><p>Some text.</p><h3>Three</h3>'
    assert preview_of(Document(html=html, title="T")) == {
        "title": "T",
        "headings": [{"level": 1, "text": "One & only"}, {"level": 3, "text": "Three"}],
        "text": "One & only Some text. Three",
        "bytes": len(html),
        "sandbox": False,
    }


def test_the_largest_preview_fits_into_an_event() -> None:
    html = f"<h1>{'🙂' * 1_000}</h1>" * 200
    preview = preview_of(Document(html=html, title="🙂" * 500))
    assert len(json.dumps(preview)) < LARGEST_EVENT
