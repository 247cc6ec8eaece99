"""What blocking handlers of a process share: the official clients in their blocking form, and resources."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    import httpx
    from postgrest import SyncPostgrestClient
    from storage3 import SyncStorageClient

__all__ = ["BlockingTools"]

T = TypeVar("T")


class BlockingTools:
    """Made on first use; safe to use from any thread.

    Args:
        url: The project's URL.
        headers: With the key.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._url = url.rstrip("/")
        self._headers = headers
        self._lock = threading.RLock()
        self._stack = ExitStack()
        self._made: dict[Any, Any] = {}

    @property
    def http(self) -> httpx.Client:
        """For the world outside."""
        return cast("httpx.Client", self._once("http", self._make_http))

    @property
    def db(self) -> SyncPostgrestClient:
        """The Data API."""
        return cast("SyncPostgrestClient", self._once("db", self._make_db))

    @property
    def storage(self) -> SyncStorageClient:
        """Storage."""
        return cast("SyncStorageClient", self._once("storage", self._make_storage))

    def shared(self, factory: Callable[[], AbstractContextManager[T]]) -> T:
        """The one resource of a factory."""
        return cast("T", self._once(factory, lambda: self._stack.enter_context(factory())))

    def put(self, key: Any, value: Any) -> None:
        """Say what something is, instead of making it: ``db``, ``storage``, ``http`` or a factory."""
        self._made[key] = value

    def close(self) -> None:
        """Close all that was made, the youngest first."""
        with self._lock:
            self._made.clear()
            self._stack.close()

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]

    def _make_http(self) -> httpx.Client:
        import httpx

        return self._stack.enter_context(
            httpx.Client(timeout=httpx.Timeout(60.0, connect=10.0), follow_redirects=False)
        )

    def _session(self) -> httpx.Client:
        import httpx

        session = self._once(
            "session",
            lambda: self._stack.enter_context(
                httpx.Client(timeout=httpx.Timeout(60.0, connect=10.0), follow_redirects=True)
            ),
        )
        return cast("httpx.Client", session)

    def _make_db(self) -> SyncPostgrestClient:
        from postgrest import SyncPostgrestClient

        return SyncPostgrestClient(
            f"{self._url}/rest/v1", headers=dict(self._headers), http_client=self._session()
        )

    def _make_storage(self) -> SyncStorageClient:
        from storage3 import SyncStorageClient

        return SyncStorageClient(
            f"{self._url}/storage/v1/", headers=dict(self._headers), http_client=self._session()
        )
