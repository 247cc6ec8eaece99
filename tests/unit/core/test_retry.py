"""Which errors are worth another attempt, and after how long."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from headway.core.retry import LONGEST_DELAY, RetryPolicy
from headway.core.retry_after import parse_retry_after, retry_after_of
from headway.errors import (
    BudgetExceeded,
    ConfigError,
    ConnectFailed,
    Denied,
    InvalidRequest,
    JobFailed,
    LeaseLost,
    NotFound,
    Retry,
    SchemaMismatch,
    TimedOut,
    TransportError,
)

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
POLICY = RetryPolicy(base=4, cap=60)


def decide(
    error: BaseException, failures: int = 0, draw: float = 0.5, policy: RetryPolicy = POLICY
) -> tuple[Any, str]:
    decision = policy.decide(error, failures=failures, now=NOW, random=lambda: draw)
    assert decision.again is (decision.delay is not None)
    return decision.delay, decision.reason


class ProviderError(Exception):
    """As openai's and google-genai's errors are made: with the response that they are about."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__("refused")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = httpx.Response(status, headers=named)


def validation_error() -> ValidationError:
    class Payload(BaseModel):
        n: int

    with pytest.raises(ValidationError) as raised:
        Payload.model_validate({"n": "x"})
    return raised.value


@pytest.mark.parametrize(
    "error",
    [
        validation_error(),
        InvalidRequest(),
        NotFound(),
        Denied(),
        ConfigError(),
        SchemaMismatch(),
        BudgetExceeded(),
        JobFailed(),
        LeaseLost(),
        NotImplementedError(),
        ProviderError(400),
        ProviderError(401),
        ProviderError(404),
        ProviderError(422),
    ],
    ids=lambda e: f"{type(e).__name__}{getattr(getattr(e, 'response', None), 'status_code', '')}",
)
def test_what_would_fail_again_is_never_retried(error: BaseException) -> None:
    assert decide(error) == (None, "never")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(),
        KeyError("x"),
        OSError(),
        TimeoutError(),
        ConnectFailed(),
        TimedOut(),
        TransportError(),
        ProviderError(500),
        ProviderError(503),
        ProviderError(429),
        ProviderError(408),
        ProviderError(409),
    ],
    ids=lambda e: f"{type(e).__name__}{getattr(getattr(e, 'response', None), 'status_code', '')}",
)
def test_unknown_and_passing_errors_back_off(error: BaseException) -> None:
    assert decide(error) == (2.0, "backoff")


@pytest.mark.parametrize(("failures", "longest"), [(0, 4), (1, 8), (2, 16), (3, 32), (4, 60), (98, 60)])
def test_the_backoff_doubles_up_to_the_cap_with_full_jitter(failures: int, longest: float) -> None:
    patient = RetryPolicy(max_attempts=100, base=4, cap=60)
    assert decide(OSError(), failures, 0.0, patient) == (0.0, "backoff")
    assert decide(OSError(), failures, 0.25, patient) == (longest / 4, "backoff")
    assert decide(OSError(), failures, 0.999999, patient)[0] == pytest.approx(longest, rel=1e-5)


def test_the_last_attempt_is_the_last() -> None:
    assert decide(OSError(), 3)[1] == "backoff"
    assert decide(OSError(), 4) == (None, "exhausted")
    assert decide(Retry(after=1), 4) == (None, "exhausted")
    assert decide(OSError(), 0, policy=RetryPolicy(max_attempts=1)) == (None, "exhausted")


def test_a_handler_may_ask_for_another_attempt() -> None:
    assert decide(Retry("busy", after=7.5)) == (7.5, "asked")
    assert decide(Retry("busy")) == (2.0, "asked")
    assert decide(Retry(after=-3)) == (0.0, "asked")
    assert decide(Retry(after=float("inf"))) == (LONGEST_DELAY, "asked")
    assert decide(Retry(after=float("nan"))) == (0.0, "asked")


def test_a_server_that_says_when_is_not_asked_sooner() -> None:
    assert decide(ProviderError(429, retry_after="30"), draw=0.0) == (30.0, "told")
    assert decide(ProviderError(429, Retry_After="30"), draw=0.5) == (32.0, "told")
    assert decide(ProviderError(503, retry_after="Sun, 22 Nov 2026 10:01:00 GMT"), draw=0.0) == (60.0, "told")
    assert decide(ProviderError(429, retry_after_ms="1500", retry_after="2"), draw=0.0) == (1.5, "told")
    assert decide(TransportError(status=429, retry_after=9.0), draw=0.0) == (9.0, "told")
    assert decide(ProviderError(429, retry_after="soon")) == (2.0, "backoff")


def test_rules_by_class_come_first_and_the_nearest_ancestor_counts() -> None:
    policy = RetryPolicy(
        base=4, rules={ValidationError: "backoff", OSError: "never", ConnectionError: "backoff"}
    )
    assert decide(validation_error(), policy=policy)[1] == "backoff"
    assert decide(FileNotFoundError(), policy=policy)[1] == "never"
    assert decide(ConnectionResetError(), policy=policy)[1] == "backoff"
    assert decide(ProviderError(400), policy=RetryPolicy(rules={ProviderError: "backoff"}))[1] == "backoff"


@pytest.mark.parametrize(
    "wrong", [{"max_attempts": 0}, {"max_attempts": 101}, {"base": -1}, {"cap": float("nan")}, {"base": 1e9}]
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RetryPolicy(**wrong)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0),
        ("Sunday, 22-Nov-26 10:00:30 GMT", 30.0),
        ("Sun Nov 22 10:00:30 2026", 30.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("1e9", None),
        ("inf", None),
        ("٣", None),
        ("99999999999", None),
        ("Sun, 99 Nov 2026 10:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


def test_headers_are_found_in_any_case() -> None:
    assert retry_after_of({"RETRY-AFTER": "3"}, NOW) == 3
    assert retry_after_of(httpx.Headers({"Retry-After": "3"}), NOW) == 3
    assert retry_after_of({"retry-after-ms": "x", "retry-after": "3"}, NOW) == 3
    assert retry_after_of({}, NOW) is None


@given(st.text(max_size=40))
def test_no_header_breaks_the_parser(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or seconds >= 0
