"""Google's Places API (New) below ``/places``: text search.

Source: https://developers.google.com/maps/documentation/places/web-service/text-search. A query has at most
60 results, 20 on a page; without a field mask it is refused; a page token is good only for the query that it
came with.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from headway.sandbox.businesses import find, within
from headway.sandbox.environment import SANDBOX_KEYS
from headway.sandbox.google_errors import GoogleError, authenticate, refusal

if TYPE_CHECKING:
    from headway.sandbox.app import Sandbox

__all__ = ["refusal", "routes"]

_PAGE = 20
_MOST = 60
# By which fields a request is billed (highest SKU counts); what is not named here costs less.
_ENTERPRISE = {
    "places.websiteUri", "places.rating", "places.userRatingCount", "places.internationalPhoneNumber",
    "places.nationalPhoneNumber", "places.priceLevel", "places.regularOpeningHours", "*",
}  # fmt: skip


def routes(sandbox: Sandbox) -> list[BaseRoute]:
    """The provider's routes.

    Args:
        sandbox: Its faults and its ledger are used.
    """

    async def search(request: Request) -> Response:
        try:
            authenticate(request, SANDBOX_KEYS["GOOGLE_PLACES_API_KEY"])
            mask = _mask(request)
            answer = _answer(await _body(request), mask)
        except GoogleError as error:
            return error.response()
        sku = "text-search-enterprise" if mask & _ENTERPRISE else "text-search-pro"
        sandbox.ledger.count("places", model=sku, unit="call")
        fault = sandbox.faults.wanted(request)
        if fault and fault.kind == "malformed":
            return JSONResponse({"places": [{"id": 7, "displayName": "not an object"}]})
        content = json.dumps(answer)
        if fault and fault.kind == "truncated":
            content = content[: len(content) // 2]
        return Response(content, media_type="application/json")

    return [Route("/v1/places:searchText", search, methods=["POST"])]


def _mask(request: Request) -> set[str]:
    mask = {
        field.strip() for field in request.headers.get("x-goog-fieldmask", "").split(",") if field.strip()
    }
    if not mask:
        raise GoogleError(
            400,
            "FieldMask is a required parameter. See https://cloud.google.com/apis/docs/system-parameters.",
        )
    return mask


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise GoogleError(400, f"Invalid JSON payload received. {error}") from error
    if not isinstance(body, dict):
        raise GoogleError(400, "Invalid JSON payload received.")
    return body


def _answer(body: dict[str, Any], mask: set[str]) -> dict[str, Any]:
    query, size = body.get("textQuery"), body.get("pageSize") or _PAGE
    if not isinstance(query, str) or not query.strip():
        raise GoogleError(400, "Empty text_query.")
    if not isinstance(size, int) or not 0 <= size <= _PAGE:
        raise GoogleError(400, f"page_size must be between 0 and {_PAGE}.")
    places = find(query)
    if (restriction := body.get("locationRestriction")) is not None:
        places = within(places, *_rectangle(restriction))
    fixed = {key: value for key, value in body.items() if key not in ("pageToken", "pageSize")}
    mark = hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()[:16]
    begin = _read_token(body["pageToken"], mark) if body.get("pageToken") else 0
    places = places[:_MOST]
    answer: dict[str, Any] = {}
    if page := [_shown(place, mask) for place in places[begin : begin + size]]:
        answer["places"] = page
    if begin + size < len(places) and mask & {"nextPageToken", "*"}:
        answer["nextPageToken"] = base64.urlsafe_b64encode(f"{mark}:{begin + size}".encode()).decode()
    return answer


def _rectangle(restriction: Any) -> tuple[float, float, float, float]:
    try:
        low, high = restriction["rectangle"]["low"], restriction["rectangle"]["high"]
        return tuple(float(corner[axis]) for corner in (low, high) for axis in ("latitude", "longitude"))  # type: ignore[return-value]
    except (KeyError, TypeError, ValueError) as error:
        raise GoogleError(400, "location_restriction must have a rectangle with low and high.") from error


def _read_token(token: Any, mark: str) -> int:
    try:
        given, _, begin = base64.urlsafe_b64decode(token).decode().partition(":")
        if given == mark:
            return int(begin)
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        raise GoogleError(400, "Invalid page_token.") from error
    raise GoogleError(
        400, "Request parameters for paging requests must match the initial SearchText request."
    )


def _shown(place: dict[str, Any], mask: set[str]) -> dict[str, Any]:
    if "*" in mask:
        return place
    return {key: value for key, value in place.items() if f"places.{key}" in mask}
