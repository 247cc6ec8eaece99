"""A business as Google Places describes it, in the words of the tables."""

from __future__ import annotations

from urllib.parse import urlsplit

import phonenumbers
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Business", "domain_of", "phone_of", "website_of"]

# Pages on somebody else's domain: whoever answers there is not the business.
PLATFORMS = frozenset(
    [
        "facebook.com",
        "fb.com",
        "instagram.com",
        "linkedin.com",
        "twitter.com",
        "x.com",
        "tiktok.com",
        "youtube.com",
        "pinterest.com",
        "yelp.com",
        "tripadvisor.com",
        "booking.com",
        "opentable.com",
        "doordash.com",
        "ubereats.com",
        "grubhub.com",
        "etsy.com",
        "amazon.com",
        "google.com",
        "goo.gl",
        "business.site",
        "wixsite.com",
        "blogspot.com",
        "wordpress.com",
        "weebly.com",
        "squarespace.com",
        "godaddysites.com",
        "linktr.ee",
        "bit.ly",
        "t.me",
        "wa.me",
        "whatsapp.com",
    ]
)


class Business(BaseModel):
    """What is known of a business before anybody is asked about its people."""

    model_config = ConfigDict(frozen=True)

    place_id: str = Field(min_length=1, max_length=500)
    name: str = Field(min_length=1, max_length=500)
    category: str | None = None
    types: tuple[str, ...] = ()
    address: str | None = None
    phone: str | None = Field(default=None, description="In E.164, such as +493012345678.")
    website: str | None = None
    domain: str | None = None
    rating: float | None = Field(default=None, ge=0, le=5)
    review_count: int | None = Field(default=None, ge=0)
    operational: bool = True
    latitude: float | None = None
    longitude: float | None = None


def website_of(address: str | None) -> str | None:
    """A website's address if it is one that can be stored and shown, else ``None``."""
    address = (address or "").strip()
    if not address or len(address) > 2000 or not address.isprintable() or " " in address:
        return None
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return None
    return address if parts.scheme in ("http", "https") and host and "@" not in parts.netloc else None


def domain_of(website: str | None) -> str | None:
    """The domain that is the business's own, in ASCII; ``None`` for pages on a platform.

    Args:
        website: As ``website_of`` answered it.
    """
    if website is None:
        return None
    host = (urlsplit(website).hostname or "").rstrip(".").removeprefix("www.")
    try:
        host = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = host.split(".")
    if len(labels) < 2 or labels[-1].isdigit() or len(host) > 253:
        return None
    if any(".".join(labels[place:]) in PLATFORMS for place in range(len(labels))):
        return None
    fits = all(label and label.replace("-", "").isalnum() and label.strip("-") == label for label in labels)
    return host if fits else None


def phone_of(number: str | None, region: str | None = None) -> str | None:
    """A telephone number in E.164, if it can be one, else ``None``.

    Args:
        number: As somebody wrote it.
        region: Where it is dialled when it has no country code, such as ``DE``.
    """
    if not number:
        return None
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
