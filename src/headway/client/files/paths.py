"""Where files may lie in Storage, and what they may be called on this machine.

Sources: supabase/storage ``src/storage/limits.ts`` (the characters of a key), and the policies of migration
``…560_storage.sql``: a path begins with ``<user id>/`` or ``org/<organisation id>/``.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from uuid import UUID, uuid4

from headway.errors import InvalidRequest

__all__ = [
    "OWNED_BUCKETS",
    "check_bucket",
    "check_content_type",
    "check_path",
    "default_path",
    "local_target",
    "storable_name",
]

OWNED_BUCKETS = frozenset({"cvs", "videos", "job-files", "exports"})
"""The buckets whose policies ask for an owner's prefix; a project's own buckets have rules of their own."""

_KEY = re.compile(r"[\w/!.*'() &$@=;:+,?-]+", re.ASCII)
_BUCKET = re.compile(r"[\w!.*'() &$@=;:+,?-]{1,100}", re.ASCII)
_REPLACED = re.compile(r"[^\w!.'()&$@=;+,-]+", re.ASCII)
# RFC 9110, section 8.3.1; as text in a header, and no longer than an object's row takes.
_MEDIA_TYPE = re.compile(r"(?=.{3,255}$)[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:[ \t]*;[\x20-\x7e]*)?", re.ASCII)
_LONGEST_KEY = 1024
_LONGEST_NAME = 120


def check_bucket(bucket: str) -> str:
    """The bucket's name, if it can be one.

    Raises:
        InvalidRequest: it cannot.
    """
    if not _BUCKET.fullmatch(bucket) or bucket in (".", ".."):
        raise InvalidRequest(
            f"bucket: {bucket[:100]!r} cannot be a bucket's name",
            hint="Send 1 to 100 ASCII letters, digits, dashes or dots, such as job-files.",
            code="HW100",
            details="bucket",
        )
    return bucket


def check_content_type(content_type: str) -> str:
    """The media type, if it can be one.

    Raises:
        InvalidRequest: it cannot.
    """
    if not _MEDIA_TYPE.fullmatch(content_type):
        raise InvalidRequest(
            f"content_type: {content_type[:100]!r} is no media type",
            hint="Send one such as application/pdf, or leave it out to have it told from the name.",
            code="HW100",
            details="content_type",
        )
    return content_type


def check_path(path: str, *, bucket: str | None = None, owner: str | None = None) -> str:
    """The path of an object, if it leads nowhere but into the bucket, and only to where its owner may write.

    Args:
        path: As Storage knows it: segments joined by slashes, none at either end.
        bucket: Where; the buckets that come with Headway ask for an owner's prefix.
        owner: The signed-in user's id; ``None`` leaves the prefix to the server, as secret keys may write
            anywhere.

    Raises:
        InvalidRequest: the path climbs, is not one that Storage can keep, or belongs to somebody else.
    """
    segments = path.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise _wrong_path("has an empty segment, a `.` or a `..`", "Send segments joined by single slashes.")
    if len(path.encode()) > _LONGEST_KEY or not _KEY.fullmatch(path):
        raise _wrong_path(
            "has characters that Storage cannot keep, or more than 1024 of them",
            "Use ASCII letters, digits, spaces and / ! - . * ' ( ) & $ @ = ; : + , ? _",
        )
    if owner is not None and bucket in OWNED_BUCKETS and not _owned(segments, owner):
        raise _wrong_path(
            "begins neither with your user id nor with an organisation's folder",
            f"Begin it with {owner}/ or org/<organisation id>/, or leave it out.",
        )
    return path


def default_path(
    name: str, *, owner: str | None, organization_id: UUID | str | None, folder: str | None
) -> str:
    """A path of its own for a file that was given none, in its owner's folder.

    Args:
        name: The file's name, in any alphabet.
        owner: The signed-in user's id.
        organization_id: Whose folder it is instead.
        folder: What keeps it apart from other files of the same name, such as a job's id; random if omitted.

    Raises:
        InvalidRequest: a secret key, which has no folder, gave no path.
    """
    if organization_id is not None:
        prefix = f"org/{_uuid(organization_id, 'organization_id')}"
    elif owner is not None:
        prefix = owner
    else:
        raise InvalidRequest(
            "path: is missing, and a key without a user has no folder of its own",
            hint="Send a path such as <user id>/<name>, an organization_id, or sign in.",
            code="HW102",
            details="path",
        )
    return f"{prefix}/{folder or uuid4()}/{storable_name(name)}"


def storable_name(name: str) -> str:
    """A file's name in the characters that Storage keeps; accents lose their marks, the rest become ``_``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem, dot, extension = plain.rpartition(".")
    if not dot or not 1 <= len(extension) <= 10:
        stem, extension = plain, ""
    stem = _REPLACED.sub("_", stem)[:_LONGEST_NAME].strip("._ ")
    extension = _REPLACED.sub("", extension)
    return f"{stem or 'file'}.{extension}" if extension else stem or "file"


def local_target(to: Path, name: str) -> Path:
    """The file to write a download to.

    Args:
        to: The file, or a folder that exists, into which it goes under its own name.
        name: The file's name, as whoever uploaded it gave it: not to be trusted.

    Raises:
        InvalidRequest: the name would lead out of the folder.
    """
    if not to.is_dir():
        return to
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    if last != name or last in ("", ".", "..") or any(ord(character) < 32 for character in last):
        raise InvalidRequest(
            f"to: the file's own name, {name[:100]!r}, cannot be used in a folder",
            hint="Name the file to write to instead of a folder.",
            code="HW100",
            details="to",
        )
    return to / last


def _owned(segments: list[str], owner: str) -> bool:
    if len(segments) >= 2 and segments[0] == owner:
        return True
    return len(segments) >= 3 and segments[0] == "org" and _is_uuid(segments[1])


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _uuid(value: UUID | str, field: str) -> str:
    text = str(value)
    if not _is_uuid(text):
        raise InvalidRequest(
            f"{field}: is no UUID",
            hint="Send the organisation's id such as 6f1c0b56-0d0f-4c62-9a5e-3b8a3f0f9d5b.",
            code="HW100",
            details=field,
        )
    return text.lower()


def _wrong_path(reason: str, hint: str) -> InvalidRequest:
    return InvalidRequest(f"path: {reason}", hint=hint, code="HW100", details="path")
