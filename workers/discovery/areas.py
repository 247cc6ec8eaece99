"""Where to look once a search has no more pages.

Source: Places API (New), Text Search: at most 60 results for a query, 20 on a page; ``locationRestriction``
is a rectangle of latitudes and longitudes. A search is therefore asked again in the quarters of where it
found things.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict

from workers.discovery.business import Business

__all__ = ["Area", "around", "quarters"]


class Area(BaseModel):
    """A rectangle on the map, in degrees; it does not cross the date line."""

    model_config = ConfigDict(frozen=True)

    south: float
    west: float
    north: float
    east: float


def around(businesses: Iterable[Business]) -> Area | None:
    """The smallest area that holds them all; ``None`` when there is none that could be divided."""
    places = [
        (b.latitude, b.longitude) for b in businesses if b.latitude is not None and b.longitude is not None
    ]
    if len(places) < 2:
        return None
    latitudes, longitudes = zip(*places, strict=True)
    area = Area(south=min(latitudes), west=min(longitudes), north=max(latitudes), east=max(longitudes))
    small = area.north - area.south < 0.001 and area.east - area.west < 0.001
    return None if small or area.east - area.west > 180 else area


def quarters(area: Area) -> Iterator[Area]:
    """Its four quarters, from south west to north east."""
    middle, centre = (area.south + area.north) / 2, (area.west + area.east) / 2
    for south, north in ((area.south, middle), (middle, area.north)):
        for west, east in ((area.west, centre), (centre, area.east)):
            yield Area(south=south, west=west, north=north, east=east)
