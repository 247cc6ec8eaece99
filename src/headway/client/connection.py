"""One party's way into one project: requests, Storage, Realtime, all with the same identity."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from postgrest import AsyncPostgrestClient

from headway.client.closed import closed_error
from headway.client.hearing import Hearing
from headway.client.identity import Identity
from headway.client.leases import Leases
from headway.client.policy import ClientPolicy
from headway.client.session import Session, http_client
from headway.core.repetition import may_repeat
from headway.errors import ConfigError, Denied, HeadwayError, TransportError
from headway.link import LinkPolicy

__all__ = ["Connected", "Connection"]

_EXPIRED = "PGRST303"


class Connected(ABC):
    """Whatever has a connection."""

    @property
    @abstractmethod
    def connection(self) -> Connection:
        """The way to the project that everything goes; for Headway's own parts.

        Raises:
            TransportError: the client was closed.
            ConfigError: it is in use on another event loop.
        """


class Connection:
    """Sends what a client asks, repeats what may be repeated, and listens.

    Args:
        url: The project's URL, checked.
        identity: Whom it speaks for.
        policy: Time limits.
        link_policy: Realtime's; its defaults when omitted.
        http: What to send by; a client of its own when omitted.
    """

    def __init__(
        self,
        url: str,
        identity: Identity,
        policy: ClientPolicy,
        *,
        link_policy: LinkPolicy | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.url = url
        self.identity = identity
        self.policy = policy
        self.http = http or http_client(policy)
        self._own_http = self.http if http is None else None
        self._session = Session(self.http)
        self._rest: tuple[str | None, AsyncPostgrestClient] | None = None
        self.hearing = Hearing(url, identity, link_policy or LinkPolicy(), policy.link_idle)
        self.leases = Leases(self)
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        # A server that forgets to close the client of a request must not keep its sockets.
        self._unheld = weakref.finalize(self, _forgotten, self._loop, self._pid, self.hearing, self._own_http)
        self._unheld.atexit = False
        self._watching: set[asyncio.Task[None]] = set()

    async def headers(self) -> Mapping[str, str]:
        """``apikey`` and ``Authorization``, the token fresh enough for a request that starts now."""
        return await self.identity.headers()

    async def owner(self) -> str | None:
        """The signed-in user's id; ``None`` for a secret key, and for nobody."""
        return await self.identity.subject()

    @property
    def is_here(self) -> bool:
        """Whether it was made on the running loop, in this process."""
        return self._pid == os.getpid() and self._loop is asyncio.get_running_loop()

    def refuse_if_elsewhere(self) -> None:
        """Raises:
        ConfigError: another loop of this process still runs with it.
        """
        if self._pid == os.getpid() and not self._loop.is_closed():
            raise ConfigError(
                "the client is in use on another event loop",
                hint="Make one AsyncHeadway for each event loop, or use Headway, which any thread may call.",
                code="wrong_event_loop",
            )

    # Requests -----------------------------------------------------------------------------------------------

    async def call(self, function: str, arguments: Any = None, *, attempts: int | None = None) -> Any:
        """What a function of schema ``headway`` answers.

        Args:
            function: Its name.
            arguments: By name; a list or object for functions that take the body itself.
            attempts: Instead of the policy's.

        Raises:
            HeadwayError: it was refused, or could not be asked.
        """

        async def send(rest: AsyncPostgrestClient) -> Any:
            return (await rest.rpc(function, {} if arguments is None else arguments).execute()).data

        return await self._repeated(send, function=function, attempts=attempts)

    async def select(
        self, build: Callable[[AsyncPostgrestClient], Any], *, attempts: int | None = None
    ) -> Any:
        """The rows of a query.

        Args:
            build: Makes the query from PostgREST's client for schema ``headway``.
            attempts: Instead of the policy's.

        Raises:
            HeadwayError: it was refused, or could not be asked.
        """

        async def send(rest: AsyncPostgrestClient) -> Any:
            return (await build(rest).execute()).data

        return await self._repeated(send, method="GET", attempts=attempts)

    async def _repeated(
        self,
        send: Callable[[AsyncPostgrestClient], Any],
        *,
        method: str = "POST",
        function: str | None = None,
        attempts: int | None = None,
    ) -> Any:
        # By hand: tenacity leaves a circle of references after every call, which would keep a forgotten
        # connection from being noticed.
        most = self.policy.attempts if attempts is None else attempts
        tried = 0
        while True:
            tried += 1
            try:
                return await self._send(send)
            except TransportError as error:
                if tried >= most or not may_repeat(error, method=method, function=function):
                    raise
                pause = self._pause(error, tried)
                if pause > self.policy.timeout:
                    raise
            await asyncio.sleep(pause)

    async def _send(self, send: Callable[[AsyncPostgrestClient], Any]) -> Any:
        self.refuse_if_closed()
        token = await self.identity.token()
        try:
            return await send(self._postgrest(token))
        except Denied as error:
            if error.code != _EXPIRED or token is None:
                raise
            # Nothing was done: the token was refused before anything else.
            fresh = await self.identity.token(refused=token)
            if fresh == token:
                raise _expired(error) from error
        return await send(self._postgrest(fresh))

    def _postgrest(self, token: str | None) -> AsyncPostgrestClient:
        if self._rest is None or self._rest[0] != token:
            rest = AsyncPostgrestClient(
                f"{self.url}/rest/v1",
                schema="headway",
                headers=self.identity.headers_for(token),
                http_client=self._session,
                # Repetition is decided here, by what is known of the function.
                retry_enabled=False,
            )
            self._rest = token, rest
        return self._rest[1]

    def _pause(self, error: TransportError, tried: int) -> float:
        if error.retry_after is not None:
            return error.retry_after
        bound = min(self.policy.retry_cap, self.policy.retry_base * 2 ** (tried - 1))
        return random.uniform(0, bound)  # noqa: S311 - spreads load, keeps no secret

    # Life ---------------------------------------------------------------------------------------------------

    def keep(self, watching: asyncio.Task[None]) -> None:
        """End this task too when the client is closed."""
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)

    async def close(self) -> None:
        """Let go of every task and socket; safe to call twice."""
        self.closed = True
        watching = tuple(self._watching)
        for task in watching:
            task.cancel()
        if watching:
            await asyncio.wait(watching)
        await self.leases.close()
        self._unheld.detach()
        await _let_go(self.hearing, self._own_http)
        # Clients that were made of this one and forgotten are on their way out already.
        if leaving := {task for task in _letting_go if task.get_loop() is self._loop}:
            await asyncio.wait(leaving)

    def refuse_if_closed(self) -> None:
        """Raises:
        TransportError: the client was closed.
        """
        if self.closed:
            raise self.closed_error()

    @staticmethod
    def closed_error() -> TransportError:
        """What whoever still waits for a closed client is told."""
        return closed_error()


async def _let_go(hearing: Hearing, http: httpx.AsyncClient | None) -> None:
    await hearing.close()
    if http is not None:
        await http.aclose()


def _forgotten(
    loop: asyncio.AbstractEventLoop, pid: int, hearing: Hearing, http: httpx.AsyncClient | None
) -> None:
    """Nobody has the connection any more, on whichever thread that was noticed."""
    if pid != os.getpid() or loop.is_closed():
        return
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(lambda: _keep(loop.create_task(_let_go(hearing, http))))


_letting_go: set[asyncio.Task[None]] = set()


def _keep(task: asyncio.Task[None]) -> None:
    _letting_go.add(task)
    task.add_done_callback(_letting_go.discard)


def _expired(error: HeadwayError) -> Denied:
    return Denied(
        error.message,
        hint="Pass a fresh access token, or a function that makes one; if it is fresh, set this machine's "
        "clock or the issuer's right.",
        code=error.code,
        details=error.details,
        status=getattr(error, "status", None),
    )
