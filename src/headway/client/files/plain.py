"""An upload in one request, for files that are small.

Source: supabase/storage ``src/http/routes/object/createObject.ts`` (raw body, ``x-upsert``, ``x-metadata``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from headway.client.files.destination import Destination, is_there
from headway.client.files.digest import RunningDigest
from headway.client.files.exchange import Exchange
from headway.client.files.patience import patiently
from headway.client.files.progress import ProgressTeller
from headway.client.files.source import Opened
from headway.errors import Conflict

__all__ = ["upload_plainly"]


async def upload_plainly(
    exchange: Exchange, source: Opened, destination: Destination, progress: ProgressTeller
) -> str:
    """Send a file in one request, again if the connection breaks; its SHA-256.

    Raises:
        Conflict: another file is there already.
        ApiError: it was refused.
        TransportError: it could not be sent.
    """
    digest = RunningDigest(source)

    async def body() -> AsyncIterator[bytes]:
        sent = 0
        async for piece in digest.passing(0, source.size):
            yield piece
            sent += len(piece)
            # The last bytes are there when the answer is.
            await progress.tell(min(sent, max(source.size - 1, 0)))

    async def attempt(number: int) -> None:
        headers = {
            "content-type": destination.content_type,
            "content-length": str(source.size),
            "x-upsert": "true" if destination.replace else "false",
            "x-metadata": destination.encoded_metadata,
        }
        method, path, params = "POST", f"/object/{destination.address}", None
        if destination.token is not None:
            method, path = "PUT", f"/object/upload/sign/{destination.address}"
            params = {"token": destination.token}
        try:
            await exchange.send(method, path, headers=headers, params=params, content=body())
        except Conflict:
            # The answer to an earlier try may have been lost after the object was stored.
            if number == 1 or not await is_there(exchange, destination, source.size):
                raise

    await patiently(attempt)
    await progress.tell(source.size)
    return await digest.hexdigest()
