"""Whatever stopping fails of, the death of a stack's Postgres is what is told."""

from __future__ import annotations

from typing import Any, cast

import pytest

from headway.cli.up import serve
from headway.errors import HeadwayError


class BrokenStack:
    """A stack whose Postgres has died, and whose parts stumble over that when they are stopped."""

    def __init__(self) -> None:
        self.database_alive = False
        self.stops = 0

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        self.stops += 1
        raise RuntimeError("cannot switch to state 11")


async def test_a_stop_that_fails_does_not_hide_that_postgres_died() -> None:
    stack = BrokenStack()
    told: list[bool] = []
    with pytest.raises(HeadwayError) as error:
        await serve(cast(Any, stack), lambda: told.append(True))
    assert error.value.code == "postgres_died"
    assert (told, stack.stops) == ([True], 1)
