"""What a client is made of, so that it can be made again: on another loop, after a fork, for a user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import httpx
from supabase import AsyncClient, Client

from headway.client.address import checked_key, checked_url
from headway.client.connection import Connection
from headway.client.identity import (
    AccessToken,
    Identity,
    Party,
    TokenSource,
    source_of_client,
    source_of_token,
)
from headway.client.policy import ClientPolicy
from headway.errors import ConfigError
from headway.link import LinkPolicy

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """A project, a party, and how to go about it.

    Args:
        url: The project's URL, checked.
        key: Its key, checked.
        source: Where user tokens come from.
        party: Whom it speaks for, as soon as that is known.
        http: What to send by, when somebody else owns it.
        policy: Time limits.
        link_policy: Realtime's.
        lent: Told of every connection that is made, by whoever owns ``http``.
    """

    url: str
    key: str
    source: TokenSource
    party: Party
    http: Callable[[], httpx.AsyncClient] | None
    policy: ClientPolicy
    link_policy: LinkPolicy
    lent: Callable[[Connection], None] | None = None

    @classmethod
    def of(
        cls,
        client: AsyncClient | Client | None,
        url: str | None,
        key: str | None,
        access_token: AccessToken | None,
        http: httpx.AsyncClient | None,
        policy: ClientPolicy,
        link_policy: LinkPolicy,
    ) -> Self:
        """A recipe from what a constructor was given.

        Raises:
            ConfigError: it does not go together, or cannot be right.
        """
        if client is None:
            if url is None or key is None:
                missing = "url" if url is None else "key"
                raise ConfigError(
                    f"{missing}: is missing",
                    hint="Pass a supabase client, or url and key, or use from_settings().",
                    code="config_invalid",
                )
            source = source_of_token(access_token)
            return cls(checked_url(url), checked_key(key), source, Party(), _lent(http), policy, link_policy)
        if not isinstance(client, (AsyncClient, Client)):
            raise ConfigError(
                f"client: a {type(client).__name__} is no supabase client",
                hint="Pass what supabase's create_client or acreate_client has made.",
                code="config_invalid",
            )
        if url is not None or key is not None or access_token is not None:
            raise ConfigError(
                "client: comes with a url, a key and an identity of its own",
                hint="Pass the client alone, or url, key and access_token without it.",
                code="config_invalid",
            )
        lent = client.options.httpx_client if isinstance(client, AsyncClient) else None
        return cls(
            checked_url(client.supabase_url),
            checked_key(client.supabase_key),
            source_of_client(client),
            Party(),
            _lent(http or lent),
            policy,
            link_policy,
        )

    def as_user(
        self,
        access_token: AccessToken,
        http: Callable[[], httpx.AsyncClient],
        lent: Callable[[Connection], None],
    ) -> Self:
        """The same project for another party."""
        return replace(self, source=source_of_token(access_token), party=Party(), http=http, lent=lent)

    def connection(self) -> Connection:
        """A new connection for the running loop."""
        identity = Identity(self.key, self.source, self.party)
        http = self.http() if self.http is not None else None
        made = Connection(self.url, identity, self.policy, link_policy=self.link_policy, http=http)
        if self.lent is not None:
            self.lent(made)
        return made


def _lent(http: httpx.AsyncClient | None) -> Callable[[], httpx.AsyncClient] | None:
    return None if http is None else lambda: http
