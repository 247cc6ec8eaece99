"""Addresses that carry the right to read or write one object, for a browser or another machine.

Source: supabase/storage ``src/http/routes/object/{getSignedURL,getSignedUploadURL}.ts``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, unquote, urlsplit

from headway.client.files.exchange import Exchange, object_address
from headway.client.files.paths import check_bucket, check_path
from headway.client.files.places import Place
from headway.errors import HeadwayError, InvalidRequest

__all__ = ["SignedUpload", "read_signed_upload", "sign_download", "sign_upload"]

_YEAR = 366 * 86_400
_UPLOAD = "/storage/v1/object/upload/sign/"


@dataclass(frozen=True, slots=True)
class SignedUpload:
    """The right to upload one object, without a user.

    Attributes:
        url: Where a browser may ``PUT`` the bytes; whoever has it may write, so treat it as a secret.
        token: What ``url`` carries, for ``supabase-js``'s ``uploadToSignedUrl``.
    """

    bucket: str
    path: str
    url: str = field(repr=False)
    token: str = field(repr=False)


async def sign_download(exchange: Exchange, place: Place, *, expires: int, download_as: str | None) -> str:
    """An address that shows an object to whoever has it, for some time.

    Args:
        exchange: Storage.
        place: The object; the caller must be allowed to read it.
        expires: For how many seconds.
        download_as: Browsers save it under this name instead of showing it.

    Raises:
        InvalidRequest: ``expires`` is out of range.
        NotFound: it is not there, or not for this caller.
    """
    if not 1 <= expires <= _YEAR:
        raise InvalidRequest(
            f"expires: must be 1 to {_YEAR} seconds, not {expires}",
            hint="Send how many seconds the address is to work.",
            code="HW103",
            details="expires",
        )
    answer = await exchange.send("POST", f"/object/sign/{place.address}", json={"expiresIn": expires})
    url = exchange.base + _text(answer.json(), "signedURL")
    return f"{url}&download={quote(download_as, safe='')}" if download_as is not None else url


async def sign_upload(exchange: Exchange, bucket: str, path: str, *, replace: bool) -> SignedUpload:
    """The right to upload one object, for whoever is given it.

    Raises:
        Denied: the caller may not write there.
    """
    answer = await exchange.send(
        "POST",
        f"/object/upload/sign/{object_address(bucket, path)}",
        headers={"x-upsert": "true" if replace else "false"},
        json={},
    )
    url = exchange.base + _text(answer.json(), "url")
    return SignedUpload(bucket, path, url, _token(url))


def read_signed_upload(url: str, project_url: str) -> SignedUpload:
    """What an address for an upload says.

    Args:
        url: As ``sign_upload`` has made it, perhaps in another process.
        project_url: Of the project that it must belong to.

    Raises:
        InvalidRequest: it is no such address, or another project's.
    """
    prefix = project_url + _UPLOAD
    if not url.startswith(prefix):
        raise InvalidRequest(
            "url: is no signed upload address of this project",
            hint="Send the `url` that signed_upload answered, made with the same SUPABASE_URL.",
            code="HW100",
            details="url",
        )
    bucket, _, path = unquote(urlsplit(url).path.partition(_UPLOAD)[2]).partition("/")
    return SignedUpload(check_bucket(bucket), check_path(path), url, _token(url))


def _token(url: str) -> str:
    values = parse_qs(urlsplit(url).query).get("token")
    if not values:
        raise InvalidRequest(
            "url: carries no token",
            hint="Send the whole `url` that signed_upload answered.",
            code="HW102",
            details="url",
        )
    return values[0]


def _text(answer: object, name: str) -> str:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str) or not value.startswith("/"):
        raise HeadwayError(f"Storage answered without {name}", code="storage_answer")
    return value
