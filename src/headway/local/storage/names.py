"""Which bucket names, object keys, MIME types and sizes Storage accepts.

Source: supabase/storage ``src/storage/limits.ts`` and ``src/storage/uploader.ts``; the 1,024 bytes are S3's
limit for a key.
"""

from __future__ import annotations

import re

from headway.local.storage.faults import (
    invalid_bucket_name,
    invalid_file_size_limit,
    invalid_header_character,
    invalid_key,
    invalid_mime_type,
)

__all__ = [
    "check_bucket_name",
    "check_header_value",
    "check_key",
    "check_mime_type",
    "check_mime_types_setting",
    "is_folder_placeholder",
    "parse_size_setting",
]

MAX_KEY_BYTES = 1024

_KEY = re.compile(r"[A-Za-z0-9_/!.*'() &$@=;:+,?-]+")
_BUCKET = re.compile(r"[A-Za-z0-9_!.*'() &$@=;:+,?-]{1,100}")
_RESERVED_BUCKET_SUFFIX = "--table-s3"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(gb|mb|kb|b)", re.IGNORECASE)
_SCALE = {"gb": 10**9, "mb": 10**6, "kb": 10**3, "b": 1}
_MIME_SETTING = re.compile(r"[a-zA-Z0-9\-+.]+/[a-zA-Z0-9\-+.]+(;\s*charset=[a-zA-Z0-9\-]+)?|.*\*", re.DOTALL)
_NOT_A_HEADER_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


def check_key(key: str) -> None:
    """Refuse what is no object key.

    Segments ``.`` and ``..`` are refused although S3 would take them: whoever downloads a folder would write
    outside of it, and the official clients refuse them too.

    Args:
        key: The object's name, percent-decoded once.

    Raises:
        StorageFault: ``InvalidKey``.
    """
    if not _KEY.fullmatch(key) or len(key) > MAX_KEY_BYTES:
        raise invalid_key(key)
    if any(segment in (".", "..") for segment in key.split("/")):
        raise invalid_key(key)


def check_bucket_name(name: str, *, new: bool = False) -> None:
    """Refuse what is no bucket name.

    Args:
        name: The bucket's id or name.
        new: Whether the bucket is being created, which rules out more.

    Raises:
        StorageFault: ``InvalidBucketName``.
    """
    if not _BUCKET.fullmatch(name):
        raise invalid_bucket_name()
    if new and (name != name.strip() or name.endswith(_RESERVED_BUCKET_SUFFIX)):
        raise invalid_bucket_name()


def is_folder_placeholder(key: str) -> bool:
    """Whether the key is the empty file by which the dashboard keeps an empty folder.

    Args:
        key: The object's name.
    """
    return key.endswith(".emptyFolderPlaceholder")


def check_mime_type(mime_type: str, allowed: list[str]) -> None:
    """Refuse a type that a bucket does not list; ``image/*`` lists a family.

    As in the real service, parameters count: ``text/plain`` does not admit ``text/plain;charset=UTF-8``.

    Args:
        mime_type: The upload's content type.
        allowed: The bucket's ``allowed_mime_types``; an empty list allows everything.

    Raises:
        StorageFault: ``InvalidMimeType``.
    """
    if not allowed:
        return
    kind, slash, subtype = mime_type.partition("/")
    subtype = subtype.split("/")[0]
    if slash:
        for pattern in allowed:
            allowed_kind, _, allowed_subtype = pattern.partition("/")
            if kind == allowed_kind and allowed_subtype.split("/")[0] in ("*", subtype):
                return
    raise invalid_mime_type(mime_type)


def check_mime_types_setting(types: list[str]) -> None:
    """Refuse a bucket setting that lists something other than MIME types.

    Args:
        types: The wanted ``allowed_mime_types``.

    Raises:
        StorageFault: ``InvalidMimeType``.
    """
    for entry in types:
        if len(entry) > 1000 or not _MIME_SETTING.fullmatch(entry):
            raise invalid_mime_type(entry)


def parse_size_setting(text: str) -> int:
    """Bytes of a size such as ``20MB``; the API's units are powers of 1,000, unlike config.toml's.

    Args:
        text: A number with the unit GB, MB, KB or B.

    Raises:
        StorageFault: it is no such size.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise invalid_file_size_limit()
    return int(float(f"{float(match[1]):.3g}") * _SCALE[match[2].lower()])


def check_header_value(name: str, value: str) -> str:
    """The value, if it may stand in an HTTP header.

    Args:
        name: The header's name, for the error.
        value: What a caller stored once and gets back with every download.

    Raises:
        StorageFault: it would split the header or cannot be encoded.
    """
    if _NOT_A_HEADER_VALUE.search(value):
        raise invalid_header_character(name, value)
    return value
