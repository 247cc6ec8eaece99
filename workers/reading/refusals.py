"""Why a file is not read, in words that its owner can act on."""

from __future__ import annotations

from headway import InvalidRequest

__all__ = ["CODES", "FileRefused"]

CODES: dict[str, tuple[str, str]] = {
    "file_missing": (
        "No file came with the job.",
        "Submit exactly one file: PDF, DOCX, plain text, JPEG, PNG, WebP or GIF.",
    ),
    "file_empty": ("The file is empty.", "Upload the file again; check that it opens on your computer."),
    "file_type": (
        "The file is no PDF, DOCX, text or image.",
        "Save the document as PDF or DOCX, and upload that; the name's ending does not count.",
    ),
    "file_encrypted": (
        "The file is protected by a password.",
        "Remove the password (print it to a new PDF, or save it without protection) and upload that.",
    ),
    "file_too_large": ("The file is too large.", "Upload a smaller one, for instance with smaller pictures."),
    "file_too_long": ("The document has too many pages, or too much text.", "Upload the pages that matter."),
    "file_damaged": (
        "The file is damaged and cannot be read.",
        "Open it on your computer, save it as a new PDF, and upload that.",
    ),
    "file_too_complex": (
        "The file takes more time or memory to read than a document of its kind may.",
        "Print it to a new PDF, and upload that.",
    ),
    "file_no_text": (
        "There is nothing to read in the file.",
        "Upload a file with text in it, or a clear picture of the pages.",
    ),
}


class FileRefused(InvalidRequest):
    """The file is not read; trying again would end the same way."""

    default_code = "file_damaged"

    def __init__(self, code: str, message: str | None = None, *, hint: str | None = None) -> None:
        said, remedy = CODES[code]
        super().__init__(message or said, hint=hint or remedy, code=code, details="files")
