"""Files that no CV is, and that a reader must survive."""

from __future__ import annotations

import io
import zipfile
import zlib
from functools import cache

import pypdfium2
from fpdf import FPDF
from PIL import Image, ImageDraw

from support.cvs.paper import as_docx, as_pdf
from support.cvs.people import PEOPLE

__all__ = [
    "docx_bomb", "encrypted_office", "encrypted_pdf", "executable", "huge_image", "lying_docx", "many_pages",
    "nested_xml_docx", "of_a_cat", "old_word", "pdf_bomb", "truncated_pdf",
]  # fmt: skip


def executable() -> bytes:
    """The beginning of a Windows program."""
    return b"MZ\x90\x00\x03\x00\x00\x00" + bytes(range(256)) * 40


@cache
def encrypted_pdf() -> bytes:
    """A PDF that asks for a password."""
    pdf = FPDF()
    pdf.set_encryption(owner_password="owner", user_password="user")
    pdf.add_page()
    pdf.set_font("helvetica", size=12)
    pdf.cell(text="Jane Doe, Engineer")
    return bytes(pdf.output())


@cache
def many_pages(count: int = 300) -> bytes:
    """A PDF with many pages and a word on each."""
    pdf = FPDF()
    pdf.set_font("helvetica", size=12)
    for number in range(count):
        pdf.add_page()
        pdf.cell(text=f"Page {number}")
    return bytes(pdf.output())


def truncated_pdf() -> bytes:
    """A PDF of which the second half is missing."""
    whole = as_pdf(PEOPLE["plain"])
    return whole[: len(whole) // 8]


def pdf_bomb(megabytes: int = 1500) -> bytes:
    """A PDF of a few kilobytes whose only page has gigabytes of content: compressed twice."""
    once = zlib.compressobj(9)
    piece = b"BT /F1 12 Tf (AAAAAAAA) Tj ET\n" * 35_000
    packed = b"".join(once.compress(piece) for _ in range(megabytes)) + once.flush()
    twice = zlib.compress(packed, 9)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
        b"/Resources<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>",
        b"<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n%s\nendstream" % (len(twice), twice),
    ]
    out = bytearray(b"%PDF-1.5\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % start
    return bytes(out)


def docx_bomb(megabytes: int = 500) -> bytes:
    """A small DOCX whose document unpacks to a gigabyte."""
    return _docx_with(lambda: iter([b"<w:p/>" * 174_763] * megabytes))


def nested_xml_docx() -> bytes:
    """A DOCX whose document defines entities of entities of entities."""
    entities = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    body = (
        f'<?xml version="1.0"?><!DOCTYPE d [{entities}]>'
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        "<w:body><w:p><w:r><w:t>&a11;</w:t></w:r></w:p></w:body></w:document>"
    )
    return _docx_with(lambda: iter([body.encode()]))


def lying_docx() -> bytes:
    """A DOCX whose directory says that its document has ten bytes."""
    content = bytearray(docx_bomb(40))
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        size = package.getinfo("word/document.xml").file_size
    return bytes(content.replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little")))


def _docx_with(document: object) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(as_docx(PEOPLE["german"]))) as model,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package,
    ):
        for part in model.infolist():
            if part.filename != "word/document.xml":
                package.writestr(part, model.read(part))
        with package.open("word/document.xml", "w", force_zip64=True) as stream:
            for piece in document():  # type: ignore[operator]
                stream.write(piece)
    return out.getvalue()


def encrypted_office() -> bytes:
    """What Word saves when a document has a password: a compound file."""
    return (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600)
    )


def old_word() -> bytes:
    """A document of Word 97."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "WordDocument".encode("utf-16-le") + bytes(600)


@cache
def huge_image() -> bytes:
    """A PNG of a few kilobytes with a hundred megapixels."""
    out = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(out, "PNG")
    return out.getvalue()


@cache
def of_a_cat() -> bytes:
    """A picture without a letter in it."""
    image = Image.new("RGB", (640, 480), "burlywood")
    draw = ImageDraw.Draw(image)
    draw.ellipse((170, 120, 470, 430), fill="dimgrey")
    draw.polygon([(200, 170), (220, 60), (290, 140)], fill="dimgrey")
    draw.polygon([(440, 170), (420, 60), (350, 140)], fill="dimgrey")
    for x in (260, 360):
        draw.ellipse((x, 220, x + 40, 270), fill="yellowgreen")
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


def pages_of(pdf: bytes) -> int:
    """How many pages a PDF has."""
    return len(pypdfium2.PdfDocument(pdf))
