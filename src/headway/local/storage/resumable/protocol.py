"""The headers and texts of the TUS protocol 1.0.0 (https://tus.io/protocols/resumable-upload).

Errors are plain text with real statuses, in the words of the real service's library (``@tus/server``).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from headway.local.storage.faults import StorageFault
from headway.local.storage.replies import Reply

__all__ = [
    "EXTENSIONS",
    "PATCH_TYPE",
    "VERSION",
    "TusFault",
    "check_headers",
    "format_metadata",
    "parse_metadata",
    "tus_fault",
    "tus_reply",
]

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,termination,expiration"
PATCH_TYPE = "application/offset+octet-stream"

_NUMBER = re.compile(r"0|[1-9]\d{0,17}")
_METADATA_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")


class TusFault(Exception):
    """The request is refused.

    Args:
        status: The HTTP status.
        text: The body.
        headers: More headers.
    """

    def __init__(self, status: int, text: str, *, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


def missing_offset() -> TusFault:
    return TusFault(403, "Upload-Offset header required\n")


def wrong_content_type() -> TusFault:
    return TusFault(403, "Content-Type header required\n")


def upload_not_found() -> TusFault:
    return TusFault(404, "The file for this url was not found\n")


def upload_expired() -> TusFault:
    return TusFault(410, "The file for this url no longer exists\n")


def wrong_offset() -> TusFault:
    return TusFault(409, "Upload-Offset conflict\n")


def upload_locked() -> TusFault:
    return TusFault(423, "The upload is locked by another request\n")


def size_exceeded() -> TusFault:
    return TusFault(413, "upload's size exceeded\n")


def maximum_size_exceeded() -> TusFault:
    return TusFault(413, "Maximum size exceeded\n")


def invalid_length() -> TusFault:
    return TusFault(400, "Upload-Length or Upload-Defer-Length header required\n")


def already_complete() -> TusFault:
    return TusFault(400, "Cannot terminate an already completed upload")


def wrong_chunk_size(size: int) -> TusFault:
    return TusFault(
        400, f"Every chunk but the last must have exactly {size} bytes; set the client's chunk size to it\n"
    )


def tus_reply(status: int, headers: list[tuple[str, str]] | None = None, *, close: bool = False) -> Reply:
    """An answer without content.

    Args:
        status: The HTTP status.
        headers: Its headers besides ``Tus-Resumable``.
        close: Whether the connection ends with it.
    """
    length = [] if status == 204 else [("content-length", "0")]
    return Reply(status, [("tus-resumable", VERSION), *length, *(headers or ())], close=close)


def tus_fault(fault: TusFault | StorageFault) -> Reply:
    """The answer that an error becomes: its real status, and its message as text.

    Args:
        fault: The error.
    """
    text = fault.text if isinstance(fault, TusFault) else fault.message
    body = text.encode()
    headers = [
        ("tus-resumable", VERSION),
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", str(len(body))),
        *fault.headers,
    ]
    return Reply(fault.status, headers, body)


def check_headers(method: str, headers: Mapping[str, str]) -> None:
    """Refuse a request whose TUS headers are missing or malformed.

    Args:
        method: The HTTP method.
        headers: Names in lower case.

    Raises:
        TusFault: 412 for another protocol version, 400 for a malformed header.
    """
    version = headers.get("tus-resumable")
    if version != VERSION:
        text = "Tus-Resumable Required\n" if version is None else "Unsupported Tus-Resumable\n"
        raise TusFault(412, text, headers=(("tus-version", VERSION),))
    invalid = [
        name
        for name in ("upload-offset", "upload-length")
        if name in headers and not _NUMBER.fullmatch(headers[name])
    ]
    if headers.get("upload-defer-length", "1") != "1":
        invalid.append("upload-defer-length")
    if "upload-metadata" in headers:
        try:
            parse_metadata(headers["upload-metadata"])
        except ValueError:
            invalid.append("upload-metadata")
    if method == "PATCH" and headers.get("content-type", PATCH_TYPE) != PATCH_TYPE:
        invalid.append("content-type")
    if invalid:
        raise TusFault(400, f"Invalid {' '.join(invalid)}\n")
    if "upload-concat" in headers:
        raise TusFault(
            501,
            "Concatenation extension is not (yet) supported. Disable parallel uploads in the tus client.\n",
        )


def parse_metadata(text: str) -> dict[str, str | None]:
    """The values of an ``Upload-Metadata`` header.

    Args:
        text: Comma-separated pairs of a key and a base64 value; a key may stand alone.

    Raises:
        ValueError: it is malformed.
    """
    values: dict[str, str | None] = {}
    for pair in text.split(","):
        key, space, encoded = pair.strip().partition(" ")
        if not _METADATA_KEY.fullmatch(key) or key in values:
            raise ValueError("malformed key")
        if not space or not encoded:
            values[key] = None
            continue
        try:
            values[key] = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
        except binascii.Error:
            raise ValueError("malformed value") from None
    return values


def format_metadata(values: Mapping[str, str | None]) -> str:
    """An ``Upload-Metadata`` header.

    Args:
        values: As ``parse_metadata`` returns them.
    """
    return ",".join(
        key if value is None else f"{key} {base64.b64encode(value.encode()).decode()}"
        for key, value in values.items()
    )
