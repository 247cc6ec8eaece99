"""The synchronous client has the same methods, with the same arguments."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from headway.client import (
    AsyncHeadway,
    BatchHandle,
    Headway,
    JobHandle,
    SyncBatchHandle,
    SyncJobHandle,
)

# For Headway's own parts, or of a form that blocking code has no use for.
_OTHERWISE = {"connection", "storage", "leave_behind", "close_timeout", "file_of", "runner", "submitted"}
_TYPES = {
    "Watch[": "SyncWatch[",
    "JobHandle": "SyncJobHandle",
    "BatchHandle": "SyncBatchHandle",
    "AsyncHeadway": "Headway",
}


def public(kind: type[Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in inspect.getmembers(kind)
        if not name.startswith("_") and name not in _OTHERWISE
    }


@pytest.mark.parametrize(
    ("asynchronous", "synchronous"),
    [(AsyncHeadway, Headway), (JobHandle, SyncJobHandle), (BatchHandle, SyncBatchHandle)],
)
def test_both_have_the_same_methods(asynchronous: type[Any], synchronous: type[Any]) -> None:
    theirs, ours = public(asynchronous), public(synchronous)
    assert theirs.keys() == ours.keys()
    for name, method in theirs.items():
        if isinstance(method, property):
            continue
        wanted, given = inspect.signature(method), inspect.signature(ours[name])
        assert list(given.parameters.values()) == list(wanted.parameters.values()), name
        answer = str(wanted.return_annotation)
        for theirs_, ours_ in _TYPES.items():
            answer = answer.replace(theirs_, ours_) if answer.startswith(theirs_) else answer
        assert str(given.return_annotation) == answer, name
        assert not inspect.iscoroutinefunction(ours[name])


def test_both_are_made_of_the_same() -> None:
    theirs = inspect.signature(AsyncHeadway.__init__).parameters
    ours = inspect.signature(Headway.__init__).parameters
    # An httpx.AsyncClient belongs to the loop of whoever has made it.
    assert set(theirs) - set(ours) == {"http_client"}
    assert set(ours) <= set(theirs)
