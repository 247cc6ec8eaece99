"""``python -m headway.worker.healthcheck``: whether the worker of this container lives; exit status 0 or 1.

It runs four times a minute for years, so it imports nothing but the standard library.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Mapping

__all__ = ["check"]

_TIMEOUT = 4.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what listens everywhere listens here


def check(environment: Mapping[str, str]) -> str | None:
    """What is wrong with the worker that this environment belongs to; ``None`` when it lives.

    Args:
        environment: With ``HEADWAY_HTTP_HOST`` and ``HEADWAY_HTTP_PORT`` as the worker has them.
    """
    stated = environment.get("HEADWAY_HTTP_PORT", "")
    if not (stated.isdigit() and 0 < int(stated) <= 65535):
        return "HEADWAY_HTTP_PORT: must be the port that the worker listens on, and not 0"
    host = environment.get("HEADWAY_HTTP_HOST", "127.0.0.1")
    connection = http.client.HTTPConnection(_ANY.get(host, host), int(stated), timeout=_TIMEOUT)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        if answer.status == 200:
            return None
        return f"HTTP {answer.status}: {_faults(answer.read(65_536))}"
    except (OSError, http.client.HTTPException) as error:
        return f"port {stated} does not answer: {type(error).__name__}"
    finally:
        connection.close()


def _faults(body: bytes) -> str:
    try:
        return "; ".join(map(str, json.loads(body)["faults"])) or "no reason given"
    except (ValueError, KeyError, TypeError):
        return "no reason given"


if __name__ == "__main__":
    fault = check(os.environ)
    if fault is not None:
        sys.stderr.write(f"{fault}\n")
    raise SystemExit(fault is not None)
