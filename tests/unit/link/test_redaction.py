"""No key and no token reaches a log handler."""

from __future__ import annotations

import io
import logging
import uuid
from collections.abc import Iterator

import pytest

from headway.link.redaction import RedactingFilter, install_redaction, redact

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
SECRET = "sb_secret_0123456789abcdefghij_01234567"


@pytest.mark.parametrize(
    "text",
    [
        f"wss://a.supabase.co/realtime/v1/websocket?apikey={SECRET}&vsn=1.0.0",
        f"wss://a.supabase.co/realtime/v1/websocket?vsn=1.0.0&apikey={JWT}",
        "GET /realtime/v1/websocket?apikey=a%2Bplain-old-key_dozjgNryP4J3&vsn=1.0.0 HTTP/1.1",
        f'send: {{"event":"phx_join","payload":{{"access_token":"{JWT}"}}}}',
        "payload={'config': {}, 'access_token': 'opaque_dozjgNryP4J3'}",
        r'"{\"access_token\": \"opaque_dozjgNryP4J3\"}"',
        f"> Authorization: Bearer {JWT}",
        "authorization: Bearer opaque_dozjgNryP4J3",
        "{'x-api-key': 'opaque_dozjgNryP4J3'}",
        f"the key {SECRET} is no good",
        f"{JWT}",
    ],
)
def test_secrets_are_cut_out(text: str) -> None:
    clean = redact(text)
    assert "<redacted>" in clean
    for secret in (JWT, SECRET, "dozjgNryP4J3", "0123456789abcdefghij"):
        assert secret not in clean


@pytest.mark.parametrize(
    "text",
    [
        "WebSocket connection closed with code: 1011, reason: keepalive ping timeout",
        "channel realtime:job:6b1e0a8c error: {'reason': 'Unauthorized: You do not have permissions'}",
        "https://a.supabase.co/realtime/v1/websocket?vsn=1.0.0",
        "monkey=banana",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert redact(text) == text


@pytest.fixture
def logged() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    logger = logging.getLogger(f"test.redaction.{uuid.uuid4()}")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    logger.addFilter(RedactingFilter())
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger, stream
    logger.removeHandler(handler)


def test_arguments_and_traces_are_redacted(logged: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = logged
    logger.debug("connecting to %s with %r", f"ws://a/websocket?apikey={SECRET}", {"access_token": JWT})
    try:
        raise ValueError(f"wss://a/websocket?apikey={SECRET} isn't a valid URI")
    except ValueError:
        logger.exception("it failed")
    text = stream.getvalue()
    assert SECRET not in text
    assert JWT not in text
    assert "isn't a valid URI" in text
    assert "Traceback" in text


def test_a_malformed_record_goes_through_untouched(logged: tuple[logging.Logger, io.StringIO]) -> None:
    logger, _ = logged
    record = logger.makeRecord("a", logging.INFO, "f", 1, "%d items", ("many",), None)
    assert RedactingFilter().filter(record)
    assert record.args == ("many",)


def test_installing_twice_adds_one_filter() -> None:
    install_redaction()
    install_redaction()
    for name in ("realtime._async.client", "websockets.client"):
        filters = [f for f in logging.getLogger(name).filters if isinstance(f, RedactingFilter)]
        assert len(filters) == 1
