"""An office for every test of a pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from headway.sandbox.server import SandboxServer
from support.stack import TestStack

from .harness import Office, opened_office


@pytest.fixture
async def office(stack: TestStack, sandbox_server: SandboxServer) -> AsyncIterator[Office]:
    async with opened_office(stack, sandbox_server) as office:
        yield office
