"""Which API keys open the gateway, and which JWT each stands for.

Source: the key translation of supabase/cli's and supabase/supabase's gateway templates, and the answers of
the hosted gateway (``supabase-protocols.md``, parts C.4 and F).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from headway.local.keys import StackKeys

__all__ = ["KeyRefused", "KeyRing"]


@dataclass(frozen=True, slots=True)
class KeyRefused(Exception):
    """The gateway answers 401 with this message and hint.

    Args:
        message: As the hosted gateway words it.
        hint: What to do.
    """

    message: str
    hint: str


_MISSING = KeyRefused("No API key found in request", "No `apikey` request header or url param was found.")
_INVALID = KeyRefused(
    "Invalid API key", "Use one of the keys that `headway status -o env` prints for this stack."
)
_MISMATCH = KeyRefused(
    "Invalid API key",
    "`Authorization: Bearer` holds another API key than `apikey`; send a user's JWT or the same key.",
)
_BROWSER = KeyRefused(
    "Forbidden use of secret API key in browser",
    "Secret API keys can only be used in a protected environment and should never be used in a browser.",
)


def _is_browser(user_agent: str) -> bool:
    # Node, Deno and HTTP libraries do not send the Mozilla token; every browser does.
    return user_agent.startswith("Mozilla/")


class KeyRing:
    """The four keys of a stack.

    Args:
        keys: The stack's keys.
    """

    def __init__(self, keys: StackKeys) -> None:
        self._secret_key = keys.secret_key
        self._service_token = keys.service_role_key
        self._jwt_of = (
            (keys.publishable_key.encode(), keys.anon_key),
            (keys.secret_key.encode(), keys.service_role_key),
            (keys.anon_key.encode(), keys.anon_key),
            (keys.service_role_key.encode(), keys.service_role_key),
        )

    def jwt_for(self, api_key: str, *, user_agent: str = "") -> str:
        """The JWT that an API key stands for.

        Args:
            api_key: A legacy JWT key or an ``sb_`` key; empty means that none was sent.
            user_agent: The request's ``User-Agent``; a secret key is refused to browsers.

        Raises:
            KeyRefused: there is no key, it is not one of the stack's, or it is a secret key in a browser.
        """
        if not api_key:
            raise _MISSING
        presented = api_key.encode("utf-8", "surrogateescape")
        found = None
        for known, token in self._jwt_of:
            if hmac.compare_digest(presented, known):
                found = token
        if found is None:
            raise _INVALID
        if api_key == self._secret_key and _is_browser(user_agent):
            raise _BROWSER
        return found

    def is_service(self, token: str) -> bool:
        """Whether a JWT returned by ``jwt_for`` is the service role's.

        Args:
            token: The JWT.
        """
        return token == self._service_token

    def authorization(self, authorization: str, api_key: str, *, user_agent: str = "") -> str:
        """The ``Authorization`` header that the services see.

        A user's JWT is kept, whatever the API key; an ``sb_`` key as bearer is tolerated only when it equals
        the API key, which is what supabase-py and supabase-js send for callers without a session.

        Args:
            authorization: The header as sent, or ``""``.
            api_key: The API key as sent.
            user_agent: The request's ``User-Agent``.

        Raises:
            KeyRefused: as ``jwt_for``, or the bearer is another API key than ``api_key``.
        """
        key_token = self.jwt_for(api_key, user_agent=user_agent)
        scheme, _, bearer = authorization.partition(" ")
        bearer = bearer.strip()
        if scheme.lower() != "bearer" or bearer == api_key:
            return f"Bearer {key_token}"
        if bearer.startswith("sb_"):
            raise _MISMATCH
        return authorization
