"""A clean environment for every test, and the fixtures that several folders share."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from hypothesis import settings

pytest_plugins = ["support.node", "support.postgres", "support.sandbox", "support.stack"]

# Before any test module reads the environment: a developer's own project must never be reached by accident,
# only by --supabase.
_GIVEN = dict(os.environ)
for _name in list(os.environ):
    if _name.startswith(
        ("SUPABASE_", "HEADWAY_", "OPENAI_", "GEMINI_", "GOOGLE_", "HUNTER_", "NEVERBOUNCE_", "N8N_")
    ):
        del os.environ[_name]

# A runner that starts the tests in the background has SIGINT ignored, and the commands under test, whose
# answer to Ctrl-C is tested, would inherit that.
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    and threading.current_thread() is threading.main_thread()
):
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples every time, so that a change is judged by what it changes; `make fuzz` looks for new ones.
# Without deadlines, for the machine may be busy.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--supabase",
        action="store_true",
        help="use the project of SUPABASE_URL and its keys instead of the embedded stack (tests/integration)",
    )


@pytest.fixture(scope="session")
def environment_as_given() -> dict[str, str]:
    """The environment before the tests emptied it."""
    return _GIVEN


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Number what is long or binary: keys and documents differ from run to run, and runners compare names."""
    return argname if isinstance(val, bytes) or (isinstance(val, str) and len(val) > 100) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse to run apart what belongs together, as an xdist that does not fit pytest does without a word."""
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        if item.get_closest_marker("xdist_group") is not None and "@" not in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: pytest-xdist does not keep its group together")
