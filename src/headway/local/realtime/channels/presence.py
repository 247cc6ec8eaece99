"""Who is present on a topic.

Source: Phoenix.Presence; supabase/realtime ``realtime_channel/presence_handler.ex``.
"""

from __future__ import annotations

import secrets
from collections.abc import Hashable
from typing import Any

__all__ = ["Presence"]

Meta = dict[str, Any]
Entries = dict[str, dict[str, list[Meta]]]


class Presence:
    """The presences of one topic: per key, the metas of everyone who tracks under it."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[str, dict[Hashable, Meta]] = {}

    def track(self, who: Hashable, key: str, payload: Meta) -> dict[str, Entries] | None:
        """Track or update someone; the diff to tell, ``None`` when nothing changed.

        Args:
            who: One channel, which has at most one meta under its key.
            key: Its presence key.
            payload: What it wants others to know.
        """
        metas = self._by_key.setdefault(key, {})
        previous = metas.get(who)
        meta = {**payload, "phx_ref": secrets.token_urlsafe(12)}
        leaves: Entries = {}
        if previous is not None:
            if {k: v for k, v in previous.items() if k not in ("phx_ref", "phx_ref_prev")} == payload:
                return None
            meta["phx_ref_prev"] = previous["phx_ref"]
            leaves = {key: {"metas": [previous]}}
        metas[who] = meta
        return {"joins": {key: {"metas": [meta]}}, "leaves": leaves}

    def untrack(self, who: Hashable, key: str) -> dict[str, Entries] | None:
        """Forget someone; the diff to tell, ``None`` when they were not tracked."""
        metas = self._by_key.get(key, {})
        previous = metas.pop(who, None)
        if previous is None:
            return None
        if not metas:
            del self._by_key[key]
        return {"joins": {}, "leaves": {key: {"metas": [previous]}}}

    def state(self) -> Entries:
        """Everyone, as ``presence_state`` tells it."""
        return {key: {"metas": list(metas.values())} for key, metas in self._by_key.items()}
