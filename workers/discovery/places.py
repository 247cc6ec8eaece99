"""Google Places (New): text search, page by page.

Source: https://developers.google.com/maps/documentation/places/web-service/text-search.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workers.discovery.areas import Area
from workers.discovery.business import Business, domain_of, phone_of, website_of
from workers.discovery.calling import Caller, Declined, Product, ProviderDown, passing
from workers.discovery.entries import plain, readable
from workers.discovery.payload import DiscoveryPayload
from workers.discovery.settings import DiscoverySettings

__all__ = ["Page", "search_page"]

_PAGE = 20
_FIELDS = (
    "id", "displayName", "formattedAddress", "internationalPhoneNumber", "nationalPhoneNumber", "websiteUri",
    "rating", "userRatingCount", "types", "primaryTypeDisplayName", "businessStatus", "location",
)  # fmt: skip
# A quota by the minute passes, one by the day or by the bill does not.
_USED_UP = re.compile(r"per ?day|billing", re.IGNORECASE)
_MASK = ",".join([*(f"places.{field}" for field in _FIELDS), "nextPageToken"])


class Page(BaseModel):
    """A page of results, as a step keeps it."""

    businesses: list[Business]
    next_token: str | None = None
    sandbox: bool = False


class _Text(BaseModel):
    text: str = ""


class _Point(BaseModel):
    latitude: float
    longitude: float


class _Place(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str = Field(min_length=1, max_length=500, pattern=r"^[!-~]+$")
    displayName: _Text = _Text()
    formattedAddress: str | None = None
    internationalPhoneNumber: str | None = None
    nationalPhoneNumber: str | None = None
    websiteUri: str | None = None
    rating: float | None = Field(default=None, ge=0, le=5)
    userRatingCount: int | None = Field(default=None, ge=0)
    types: list[str] = []
    primaryTypeDisplayName: _Text = _Text()
    businessStatus: str = "OPERATIONAL"
    location: _Point | None = None


class _Answer(BaseModel):
    places: Annotated[list[_Place], readable(_Place)] = Field(default=[], max_length=100)
    nextPageToken: str | None = Field(default=None, pattern=r"^[!-~]*$", max_length=10_000)


class _Error(BaseModel):
    message: str = ""


class _Refusal(BaseModel):
    error: _Error = _Error()


async def search_page(
    caller: Caller,
    settings: DiscoverySettings,
    wanted: DiscoveryPayload,
    area: Area | None,
    token: str | None,
) -> Page:
    """Buy one page of results.

    Args:
        caller: Who pays.
        settings: Key and address.
        wanted: What is looked for.
        area: Where on the map; anywhere when ``None``.
        token: Of the page; ``None`` for the first.

    Raises:
        ProviderDown: Places cannot answer.
        BudgetExceeded: the page would pass a budget.
    """
    key = settings.places_api_key
    if key is None:
        raise ProviderDown(
            "Google Places has no key.",
            hint="Set GOOGLE_PLACES_API_KEY in the worker's environment.",
            code="provider_denied",
        )
    body: dict[str, Any] = {"textQuery": f"{wanted.business_type} in {wanted.location}", "pageSize": _PAGE}
    body |= {"languageCode": wanted.language} if wanted.language else {}
    body |= {"regionCode": wanted.region} if wanted.region else {}
    body |= {"pageToken": token} if token else {}
    if area is not None:
        low = {"latitude": area.south, "longitude": area.west}
        high = {"latitude": area.north, "longitude": area.east}
        body["locationRestriction"] = {"rectangle": {"low": low, "high": high}}
    sold = await caller.buy(
        _PRODUCT,
        "POST",
        f"{str(settings.places_base_url).rstrip('/')}/v1/places:searchText",
        headers={"x-goog-api-key": key.get_secret_value(), "x-goog-fieldmask": _MASK},
        json=body,
    )
    businesses = [found for place in sold.value.places if (found := _business(place, wanted.region))]
    return Page(businesses=businesses, next_token=sold.value.nextPageToken or None, sandbox=sold.sandbox)


def _business(place: _Place, region: str | None) -> Business | None:
    name = plain(place.displayName.text, 500)
    if name is None:
        return None
    website = website_of(place.websiteUri)
    return Business(
        place_id=place.id,
        name=name,
        category=plain(place.primaryTypeDisplayName.text, 200),
        types=tuple(kind for each in place.types[:20] if (kind := plain(each, 200))),
        address=plain(place.formattedAddress, 1000),
        phone=phone_of(place.internationalPhoneNumber) or phone_of(place.nationalPhoneNumber, region),
        website=website,
        domain=domain_of(website),
        rating=place.rating,
        review_count=place.userRatingCount,
        operational=place.businessStatus == "OPERATIONAL",
        latitude=place.location.latitude if place.location else None,
        longitude=place.location.longitude if place.location else None,
    )


def _refused(response: httpx.Response) -> Exception | None:
    if response.is_success:
        return None
    text = response.text[:4000]
    if response.status_code == 429 and _USED_UP.search(text):
        return ProviderDown(
            "The Google Places account has no quota left.",
            hint="Raise the quota in the Google Cloud console, then retry the job.",
            code="provider_quota_exhausted",
        )
    if response.status_code in (408, 409, 425, 429) or response.status_code >= 500:
        return passing(response, "Google Places")
    if response.status_code == 400 and "API_KEY" not in text:
        return Declined(
            f"Google Places cannot search for this: {_reason(response)}",
            hint="Check business_type, location, region and language of the campaign.",
            code="provider_declined",
        )
    return ProviderDown(
        f"Google Places refuses the request (HTTP {response.status_code}).",
        hint="Check GOOGLE_PLACES_API_KEY and that Places API (New) is enabled for it.",
        code="provider_denied",
    )


def _reason(response: httpx.Response) -> str:
    try:
        said = plain(_Refusal.model_validate_json(response.content).error.message, 200)
    except ValidationError:
        said = None
    return said or f"HTTP {response.status_code}."


def _read(response: httpx.Response) -> tuple[_Answer, int]:
    return _Answer.model_validate_json(response.content), 1


_PRODUCT: Product[_Answer] = Product(
    "places", "Google Places", "text-search-enterprise", "call", 1, _refused, _read
)
