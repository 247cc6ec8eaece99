"""Where an upload goes, and how to know it again there."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from uuid import uuid4

from headway.client.files.exchange import Exchange, object_address
from headway.errors import ApiError, HeadwayError

__all__ = ["MARK", "Destination", "is_there"]

MARK = "headway_upload"
"""The object's own metadata that tells which upload has made it."""


@dataclass(frozen=True, slots=True)
class Destination:
    """An object to be written.

    Attributes:
        replace: Whether an object that is there may be replaced.
        mark: Of this upload, so that an answer that was lost can be told from somebody else's file.
        token: Of a signed upload.
    """

    bucket: str
    path: str
    content_type: str
    replace: bool = False
    mark: str = field(default_factory=lambda: uuid4().hex)
    token: str | None = None

    @property
    def address(self) -> str:
        """As it stands in an address."""
        return object_address(self.bucket, self.path)

    @property
    def metadata(self) -> str:
        """The object's own metadata, as JSON."""
        return json.dumps({MARK: self.mark}, separators=(",", ":"))

    @property
    def encoded_metadata(self) -> str:
        """The same, as the header ``x-metadata`` has it."""
        return base64.b64encode(self.metadata.encode()).decode()


async def is_there(exchange: Exchange, destination: Destination, size: int) -> bool:
    """Whether the object is the one that this upload has made, whole.

    Raises:
        TransportError: nobody could be asked.
    """
    try:
        answer = await exchange.send("GET", f"/object/info/{destination.address}")
        info = answer.json()
    except ApiError:
        return False
    except ValueError:
        raise HeadwayError(
            "Storage described the object in a way that is no JSON", code="storage_answer"
        ) from None
    metadata = info.get("metadata") if isinstance(info, dict) else None
    return isinstance(metadata, dict) and metadata.get(MARK) == destination.mark and info.get("size") == size
