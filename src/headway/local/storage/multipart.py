"""Reads ``multipart/form-data`` as it arrives: small fields first, then one file as a stream.

As in the real service, what is said of the file must stand before it; fields behind the file are read and
have no effect.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import Message

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from headway.local.storage.faults import entity_too_large, no_content

__all__ = ["FormUpload", "read_form"]

_MAX_FIELDS = 10
_MAX_FIELD_BYTES = 16 * 1024
_MAX_METADATA_BYTES = 1024 * 1024
_METADATA_FIELDS = ("metadata", "userMetadata")


@dataclass(slots=True)
class FormUpload:
    """The fields in front of the file, and the file.

    Args:
        fields: Field name to value; the first of a name counts.
        content_type: The file part's own type.
        content: The file's bytes; must be read to the end, which is where a broken body is found out.
    """

    fields: dict[str, str]
    content_type: str
    content: AsyncIterator[bytes]


class _Form:
    """Collects what the parser finds; file bytes wait in ``pieces`` until they are taken."""

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, str] = {}
        self.file_type: str | None = None
        self.pieces: list[bytes] = []
        self.complete = False
        self._count = 0
        self._header_name = b""
        self._header_value = b""
        self._headers: dict[str, bytes] = {}
        self._field: str | None = None
        self._value = bytearray()
        self._in_file = False
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._name,
                "on_header_value": self._header,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def _begin(self) -> None:
        self._headers = {}
        self._field = None
        self._in_file = False
        self._value.clear()

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header_name.decode("latin-1").lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _headers_finished(self) -> None:
        disposition, options = parse_options_header(self._headers.get("content-disposition"))
        if disposition != b"form-data":
            raise no_content("Every part of the form must be form-data")
        if b"filename" in options:
            if self.file_type is not None:
                raise no_content("reach files limit")
            self.file_type = self._headers.get("content-type", b"application/octet-stream").decode("latin-1")
            self._in_file = True
            return
        self._count += 1
        if self._count > _MAX_FIELDS:
            raise no_content("reach fields limit")
        self._field = options.get(b"name", b"").decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self.pieces.append(data[start:end])
            return
        self._value += memoryview(data)[start:end]
        if self._field in _METADATA_FIELDS:
            if len(self._value) > _MAX_METADATA_BYTES:
                raise entity_too_large("user_metadata")
        elif len(self._value) > _MAX_FIELD_BYTES:
            raise entity_too_large(f"field {(self._field or '')[:100]}", f"{_MAX_FIELD_BYTES} bytes")

    def _part_end(self) -> None:
        if self._field is not None and self.file_type is None:
            self.fields.setdefault(self._field, self._value.decode("utf-8", "replace"))
        self._value.clear()

    def _end(self) -> None:
        self.complete = True

    def take(self) -> list[bytes]:
        """The file's bytes that have come since the last call."""
        pieces, self.pieces = self.pieces, []
        return pieces

    def feed(self, chunk: bytes) -> None:
        """Parse some bytes.

        Args:
            chunk: The next piece of the body.

        Raises:
            StorageFault: the form is malformed or breaks a limit.
        """
        try:
            self.parser.write(chunk)
        except FormParserError:
            raise no_content("The multipart body is malformed") from None


async def read_form(content_type: str, body: AsyncIterator[bytes]) -> FormUpload:
    """Read a form up to its file.

    Args:
        content_type: The request's content type, with the boundary.
        body: The request's body.

    Raises:
        StorageFault: there is no file, or the form is malformed or breaks a limit.
    """
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_boundary()
    if not boundary or len(boundary) > 256:
        raise no_content("multipart/form-data must name its boundary")
    try:
        form = _Form(boundary.encode("latin-1"))
    except (FormParserError, ValueError):
        raise no_content("multipart/form-data must name its boundary") from None
    async for chunk in body:
        form.feed(chunk)
        if form.file_type is not None:
            return FormUpload(form.fields, form.file_type, _file_content(form, body))
    raise no_content()


async def _file_content(form: _Form, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for piece in form.take():
        yield piece
    async for chunk in body:
        form.feed(chunk)
        for piece in form.take():
            yield piece
    if not form.complete:
        raise no_content("Unexpected end of form")
