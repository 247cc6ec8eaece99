"""The address that an automation calls back: made for one call of one job, and for a time.

It carries a signature of its own (HMAC-SHA256 with a key derived from the webhook's secret): whoever does not
know the address cannot make one, and one job's address is no use for another's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from headway import Denied

__all__ = ["CALLBACK_PATH", "CallbackTicket", "signal_name"]

CALLBACK_PATH = "/callbacks/documents/{job_id}"
_PURPOSE = b"headway document callback"


def signal_name(number: int) -> str:
    """The signal that a call's answer comes by; ``system.`` keeps people from sending it.

    Args:
        number: Which call of the job it was.
    """
    return f"system.document_{number}"


@dataclass(frozen=True, slots=True)
class CallbackTicket:
    """The right to answer one call of one job.

    Attributes:
        job_id: The job.
        number: Which call of the job.
        expires: Until when, in seconds since 1970.
    """

    job_id: UUID
    number: int
    expires: int

    def path(self, secret: str) -> str:
        """The path and query of the address.

        Args:
            secret: The webhook's, as it is now.
        """
        query = {"call": self.number, "expires": self.expires, "signature": self._signature(secret)}
        return f"{CALLBACK_PATH.format(job_id=self.job_id)}?{urlencode(query)}"

    @classmethod
    def read(
        cls, job_id: str, query: Mapping[str, str], secrets: Iterable[str], *, now: float
    ) -> CallbackTicket:
        """The ticket in an address.

        Args:
            job_id: From the path.
            query: The query's parameters.
            secrets: Those of which one must have signed.
            now: Seconds since 1970.

        Raises:
            Denied: nobody here has made this address (``callback_forged``), or its time is over
                (``callback_expired``).
        """
        try:
            number, expires = _whole(query["call"]), _whole(query["expires"])
            ticket = cls(UUID(job_id), number, expires)
        except (KeyError, ValueError):
            raise _forged() from None
        given = query.get("signature", "").encode()
        if not any(hmac.compare_digest(ticket._signature(secret).encode(), given) for secret in secrets):
            raise _forged()
        if now > expires:
            raise Denied(
                "this callback's time is over", hint="Ask for the document again.", code="callback_expired"
            )
        return ticket

    def _signature(self, secret: str) -> str:
        key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
        signed = f"{self.job_id}.{self.number}.{self.expires}".encode()
        return base64.urlsafe_b64encode(hmac.digest(key, signed, hashlib.sha256)).rstrip(b"=").decode()


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise ValueError(text)
    return int(text)


def _forged() -> Denied:
    return Denied(
        "signature: nobody here has made this address",
        hint="Call back exactly the callback_url that came with the call.",
        code="callback_forged",
    )
