"""What an automation may say, in its answer or when it calls back."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel, ValidationError

from headway import InvalidRequest

__all__ = ["Answer", "read_answer", "said_later"]

_STARTED = {"workflow was started", "workflow got started."}
_LONGEST_TITLE = 500
# No page begins like this, and n8n's "Respond to Webhook" calls whatever text it sends HTML.
_JSON = re.compile(r"\s*(?:\[\s*)?\{\s*\"")
_FENCE = "```"


class Answer(BaseModel):
    """A document, or why there is none.

    Attributes:
        html: As it came, not yet to be trusted.
        title: The automation's own.
        error: Why there is no document, for whoever asked for it.
        retryable: Whether another call may help.
        sandbox: Whether it comes from the sandbox.
    """

    html: str | None = None
    title: str | None = None
    error: str | None = None
    retryable: bool = False
    sandbox: bool = False


def said_later(status: int, body: bytes) -> bool:
    """Whether an answer only says that the automation has begun.

    HTTP 202 does, and so does what n8n answers when it is to respond immediately: 200, and that the workflow
    was started.

    Args:
        status: A successful one.
        body: The whole body.
    """
    if status == 202:
        return True
    if len(body) > 1_000:
        return False
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and str(said.get("message", "")).strip().lower() in _STARTED


def read_answer(body: bytes, content_type: str) -> Answer:
    """What a body says.

    JSON is ``{"html": ..., "title": ...}`` or ``{"error": ..., "retryable": ...}``, alone or as the only item
    of a list, which is how n8n answers with its items; anything else that is called ``text/html`` is the
    document itself. A fence that a model has put around the document is no part of it.

    Args:
        body: The whole body.
        content_type: As the header states it, or empty.

    Raises:
        InvalidRequest: it is neither; names what is wrong and never shows the content.
    """
    kind = content_type.partition(";")[0].strip().lower()
    said = _decoded(body)
    page = kind == "text/html" and not _JSON.match(said)
    answer = Answer(html=said) if page else _from_json(said)
    for text in (answer.html, answer.title, answer.error):
        _refuse_unstorable(text)
    if answer.error is not None:
        answer = answer.model_copy(update={"html": None})
    elif not (answer.html or "").strip():
        raise _malformed("has neither html nor error")
    html = _unfenced(answer.html) if answer.html else None
    return answer.model_copy(update={"html": html, "title": _one_line(answer.title)})


def _unfenced(html: str) -> str:
    first, _, rest = html.strip().partition("\n")
    if first.strip().lower() not in (_FENCE, f"{_FENCE}html") or not rest.endswith(_FENCE):
        return html
    return rest.removesuffix(_FENCE)


def _from_json(text: str) -> Answer:
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed("is not JSON") from None
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    if not isinstance(said, dict):
        raise _malformed("is not an object")
    try:
        return Answer.model_validate(said, strict=True)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise _malformed(f"has a wrong {fault['loc'][0]}: {fault['msg'].lower()}") from None


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _malformed("is not UTF-8") from None


def _refuse_unstorable(text: str | None) -> None:
    try:
        (text or "").encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
        raise _malformed("has broken characters") from None


def _one_line(title: str | None) -> str | None:
    shown = "".join(c if c.isprintable() else " " for c in title or "")
    return " ".join(shown.split())[:_LONGEST_TITLE] or None


def _malformed(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"the answer {what}",
        hint='Answer with JSON such as {"html": "<h1>...</h1>", "title": "..."} or {"error": "..."}.',
        code="answer_malformed",
        details="body",
    )
