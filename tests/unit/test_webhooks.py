"""Signed webhooks: the scheme's own example, what is refused, and with which words."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import (
    ConfigError,
    Denied,
    InvalidRequest,
    check_webhook_signature,
    sign_webhook,
    verify_webhook,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "A" * 44
BODY = json.dumps({"type": "job.completed", "data": {"job_id": "j"}})


def signed(body: bytes | str = BODY, secret: str | list[str] = SECRET, **more: int) -> dict[str, str]:
    return sign_webhook(body, secret, message_id="msg_1", **more)


def test_the_example_of_the_specification() -> None:
    headers = sign_webhook(
        '{"test": 2432232314}', SECRET, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_is_read() -> None:
    webhook = verify_webhook(BODY, {name.title(): value for name, value in signed().items()}, SECRET)
    assert (webhook.id, webhook.type, webhook.data) == ("msg_1", "job.completed", {"job_id": "j"})
    assert webhook.document == json.loads(BODY)
    assert verify_webhook(BODY.encode(), signed(), SECRET) == webhook


@pytest.mark.parametrize(
    ("signers", "accepted"), [([SECRET, OTHER], SECRET), ([SECRET, OTHER], OTHER), ([OTHER], [SECRET, OTHER])]
)
def test_either_secret_will_do_while_one_is_replaced(signers: list[str], accepted: str | list[str]) -> None:
    assert verify_webhook(BODY, signed(secret=signers), accepted).id == "msg_1"


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_nothing_but_the_very_body_is_accepted(body: bytes, other: bytes) -> None:
    headers = signed(body)
    assert check_webhook_signature(body, headers, SECRET) == "msg_1"
    if body != other:
        with pytest.raises(Denied):
            check_webhook_signature(other, headers, SECRET)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"webhook-id": "msg_2"}, "webhook_signature_invalid"),
        ({"webhook-timestamp": str(int(time.time()) + 1)}, "webhook_signature_invalid"),
        ({"webhook-signature": "v1,"}, "webhook_signature_invalid"),
        ({"webhook-signature": "v1a,x v1,é v2," + "A" * 44}, "webhook_signature_invalid"),
        ({"webhook-signature": ""}, "webhook_header_missing"),
        ({"webhook-id": ""}, "webhook_header_missing"),
        ({"webhook-timestamp": "soon"}, "webhook_timestamp_invalid"),
        ({"webhook-timestamp": "-1"}, "webhook_timestamp_invalid"),
        ({"webhook-timestamp": "²"}, "webhook_timestamp_invalid"),
        ({"webhook-timestamp": "9" * 4000}, "webhook_timestamp_invalid"),
    ],
)
def test_changed_headers_are_refused(change: dict[str, str], code: str) -> None:
    with pytest.raises((Denied, InvalidRequest)) as refused:
        verify_webhook(BODY, signed() | change, SECRET)
    assert refused.value.code == code
    assert refused.value.hint
    assert refused.value.details in signed()


@pytest.mark.parametrize("seconds", [-301, 301])
def test_recordings_are_refused(seconds: int) -> None:
    headers = signed(timestamp=int(time.time()) + seconds)
    with pytest.raises(Denied) as refused:
        verify_webhook(BODY, headers, SECRET)
    assert refused.value.code == "webhook_too_old"
    assert verify_webhook(BODY, headers, SECRET, tolerance=900).id == "msg_1"


def test_only_the_first_signatures_are_looked_at() -> None:
    headers = signed()
    headers["webhook-signature"] = "v1,AAAA " * 16 + headers["webhook-signature"]
    with pytest.raises(Denied):
        verify_webhook(BODY, headers, SECRET)


@pytest.mark.parametrize(
    "body", ["", "x", "[]", "{}", '{"type": 1, "data": {}}', '{"type": "a"}', "[" * 99999]
)
def test_a_signed_body_of_somebody_else_is_refused(body: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        verify_webhook(body, signed(body), SECRET)
    assert refused.value.code == "webhook_body_invalid"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "secret with spaces", "é"])
def test_what_is_no_secret_is_a_fault_of_the_receiver(secret: str) -> None:
    for call in (lambda: verify_webhook(BODY, signed(), secret), lambda: signed(secret=secret)):
        with pytest.raises(ConfigError) as refused:
            call()
        assert secret == "" or secret not in str(refused.value) or secret == "whsec_"


@pytest.mark.parametrize("secret", [None, [], (), [None], 5])
def test_without_any_secret_nothing_is_accepted(secret: Any) -> None:
    """As when the variable that should hold it is not set: a fault of the receiver, not of the sender."""
    with pytest.raises(ConfigError) as refused:
        verify_webhook(BODY, signed(), secret)
    assert refused.value.code == "webhook_secret_invalid"


@pytest.mark.parametrize("body", [{"type": "job.completed"}, None, 7, ["x"]])
def test_a_body_that_was_parsed_already_is_a_fault_of_the_receiver(body: Any) -> None:
    with pytest.raises(ConfigError, match=type(body).__name__) as refused:
        verify_webhook(body, signed(), SECRET)
    assert "raw body" in str(refused.value.hint)
