"""Storage's errors in the real service's words.

Nearly every error is HTTP 400; the real status is the string ``statusCode`` in the body. Source:
supabase/storage ``src/internal/errors`` and ``src/http/error-handler.ts`` (``supabase-protocols.md``, D.1).
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "StorageFault",
    "access_denied",
    "bucket_already_exists",
    "bucket_not_empty",
    "bucket_not_found",
    "entity_too_large",
    "expired_signature",
    "internal_error",
    "invalid_bucket_name",
    "invalid_file_size_limit",
    "invalid_header_character",
    "invalid_jwt",
    "invalid_key",
    "invalid_mime_type",
    "invalid_parameter",
    "invalid_range",
    "invalid_request",
    "invalid_signature",
    "invalid_x_robots_tag",
    "key_already_exists",
    "lock_timeout",
    "no_content",
    "object_not_found",
    "route_not_found",
    "unreadable_request",
]


class StorageFault(Exception):
    """The request is refused, and this is the answer.

    Args:
        status: The real status, sent as the string ``statusCode``.
        code: The stable code, such as ``NoSuchKey``.
        message: The sentence for the caller.
        error: The old name of the error; the code when the error has none.
        http_status: The status of the HTTP answer; 500 for 500, otherwise 400.
        headers: More headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        error: str | None = None,
        http_status: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.error = error or code
        self.http_status = http_status or (500 if status == 500 else 400)
        self.headers = headers

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {
            "statusCode": str(self.status),
            "error": self.error,
            "message": self.message,
            "code": self.code,
        }


def bucket_not_found() -> StorageFault:
    return StorageFault(404, "NoSuchBucket", "Bucket not found", error="Bucket not found")


def object_not_found() -> StorageFault:
    return StorageFault(404, "NoSuchKey", "Object not found", error="not_found")


def access_denied(message: str = "Access denied", *, http_status: int | None = None) -> StorageFault:
    return StorageFault(403, "AccessDenied", message, error="Unauthorized", http_status=http_status)


def key_already_exists() -> StorageFault:
    return StorageFault(409, "KeyAlreadyExists", "The resource already exists", error="Duplicate")


def bucket_already_exists() -> StorageFault:
    return StorageFault(409, "BucketAlreadyExists", "The resource already exists", error="Duplicate")


def bucket_not_empty() -> StorageFault:
    return StorageFault(409, "ResourceNotEmpty", "The bucket you tried to delete is not empty")


def entity_too_large(
    entity: str = "object", limit: str = "the maximum allowed size", *, http_status: int | None = None
) -> StorageFault:
    return StorageFault(
        413,
        "EntityTooLarge",
        f"The {entity} exceeded {limit}",
        error="Payload too large",
        http_status=http_status,
    )


def invalid_mime_type(mime_type: str) -> StorageFault:
    return StorageFault(
        415,
        "InvalidMimeType",
        f"mime type {mime_type[:200]} is not supported",
        error="invalid_mime_type",
    )


def invalid_key(key: str) -> StorageFault:
    return StorageFault(400, "InvalidKey", f"Invalid key: {key[:1100]}")


def invalid_bucket_name() -> StorageFault:
    return StorageFault(400, "InvalidBucketName", "Bucket name invalid", error="Invalid Input")


def invalid_request(message: str, *, error: str | None = None) -> StorageFault:
    return StorageFault(400, "InvalidRequest", message, error=error)


def unreadable_request(message: str) -> StorageFault:
    """A body, query or path that does not fit its schema; the real service's framework answers this."""
    return StorageFault(400, "InvalidRequest", message, error="Error", http_status=400)


def no_content(message: str = "No content provided") -> StorageFault:
    return StorageFault(400, "InvalidRequest", message)


def invalid_parameter(name: str, message: str | None = None) -> StorageFault:
    return StorageFault(400, "InvalidParameter", message or f"Invalid Parameter {name}")


def invalid_file_size_limit() -> StorageFault:
    return invalid_request("Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B")


def invalid_x_robots_tag(message: str) -> StorageFault:
    return invalid_request(f"Invalid X-Robots-Tag header: {message}", error="invalid_x_robots_tag")


def invalid_header_character(name: str, value: str) -> StorageFault:
    shown = "".join(c if c.isprintable() else "?" for c in value[:50])
    return invalid_request(
        f'Invalid character in response header "{name}": {shown}', error="invalid_header_char"
    )


def invalid_range(size: int) -> StorageFault:
    return StorageFault(
        416,
        "InvalidRange",
        "invalid range provided",
        error="invalid_range",
        http_status=416,
        headers=(("content-range", f"bytes */{size}"),),
    )


def invalid_jwt(message: str) -> StorageFault:
    return StorageFault(400, "InvalidJWT", message)


def invalid_signature(message: str = "Invalid signature") -> StorageFault:
    return StorageFault(400, "InvalidSignature", message)


def expired_signature() -> StorageFault:
    return StorageFault(400, "ExpiredToken", "The provided token has expired.")


def lock_timeout() -> StorageFault:
    return StorageFault(503, "LockTimeout", "acquiring lock timeout", error="acquiring_lock_timeout")


def internal_error() -> StorageFault:
    return StorageFault(500, "InternalError", "Internal Server Error", error="Internal")


def route_not_found(method: str, target: str) -> StorageFault:
    return StorageFault(
        404,
        "InvalidRequest",
        f"Route {method}:{target} not found",
        error="Not Found",
        http_status=404,
    )
