"""No secret gets past the redaction, whether it is known or only looks like one."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.settings import WorkerSettings
from headway.worker.redaction import Redactor, secrets_of

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key sb_secret_abcDEF123_456-7", "sb_secret_abcDEF123_456-7"),
        (f"Authorization: Bearer {JWT}", JWT),
        (f"?apikey={JWT}&vsn=1", JWT),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw==", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("openai sk-proj-abcdefghijklmnop1234", "abcdefghijklmnop1234"),
        ("google AIzaSyA1234567890abcdefghijklmnopqrstuv", "AIzaSyA1234567890"),
        ("aws AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("github ghp_0123456789abcdefghij0123456789abcdef", "ghp_0123456789"),
        ("slack xoxb-123456789012-abcdefghijkl", "xoxb-123456789012"),
        ("stripe sk_live_0123456789abcdefgh", "0123456789abcdefgh"),
        ("postgresql://postgres:hunter2hunter2@db:5432/x", "hunter2hunter2"),
        ("{'password': 'correct horse'}", "correct"),
        ('{"lease_token": "7d0c1f7e-5b0e-4f0e-8a39-0c5b2a9f1e77"}', "7d0c1f7e"),
        (json.dumps(json.dumps({"client_secret": "s3cr3tvalue"})), "s3cr3tvalue"),
        ("api_key=abcdef&x=1", "abcdef"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow cut", "MIIEow"),
        ("authorization: bearer abcdefghijk", "abcdefghijk"),
        ('{"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}', "dXNlcjpwYXNzd29yZA"),
    ],
)
def test_what_looks_like_a_secret_goes(text: str, secret: str) -> None:
    clean = Redactor().redact(f"before {text} after")
    assert secret not in clean
    assert "<redacted>" in clean
    assert clean.startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "the token expired; the password was wrong",
        "job 7d0c1f7e-5b0e-4f0e-8a39-0c5b2a9f1e77 took 3.2 s",
        "https://user@example.com:8080/path?x=1",
        "secret: no",
        "task sk-short",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert Redactor().redact(text) == text


@given(st.text(min_size=8, max_size=60), st.text(max_size=50))
def test_known_values_go_in_every_form(secret: str, around: str) -> None:
    redactor = Redactor([secret])
    encoded = (
        secret.encode("utf-8", "surrogateescape") if secret.isascii() else secret.encode("utf-8", "ignore")
    )
    for form in (secret, quote(encoded, safe=""), base64.b64encode(encoded).decode()):
        if form.rstrip("=") and encoded.decode("utf-8") == secret:
            clean = redactor.redact(f"«{form}»")
            assert form.rstrip("=") not in clean or form.rstrip("=") in "<redacted>"
    assert isinstance(redactor.redact(around), str)


@given(st.binary(max_size=7), st.text("abcXYZ123_-?>", min_size=8, max_size=60), st.binary(max_size=7))
def test_known_values_go_amid_something_that_is_base64(before: bytes, secret: str, after: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(before + secret.encode() + after).decode()
        left = Redactor([secret]).redact(whole).replace("<redacted>", "=")
        # At most the letters are left that the neighbours have a share in.
        assert len(left) <= 4 * (len(before) + len(after)) / 3 + 12


def test_a_value_inside_another_leaves_nothing_of_it() -> None:
    assert Redactor(["abcdefgh", "abcdefghijklmnop"]).redact("x abcdefghijklmnop y") == "x <redacted> y"


def test_short_values_are_words() -> None:
    assert Redactor(["it"]).redact("as it is") == "as it is"


def test_what_a_worker_keeps_to_itself() -> None:
    settings = WorkerSettings(
        url="http://127.0.0.1:1", secret_key="the-secret-key", smtp_host="h", mail_from="a@b.c",
        smtp_username="u", smtp_password="the-password", metrics_token="the-metrics-token",
    )  # fmt: skip
    environment = {
        "OPENAI_API_KEY": "the-openai-key",
        "PATH": "/usr/bin:/bin",
        "N8N_WEBHOOK_SECRET": "the-n8n-one",
    }
    secrets = secrets_of(settings, environment)
    assert set(secrets) == {
        "the-secret-key", "the-password", "the-metrics-token", "the-openai-key", "the-n8n-one",
    }  # fmt: skip


_LONG_TEXTS = """
from headway.worker.redaction import Redactor
for piece in ("a.", "a-", "eyJ-", "eyJa.", "a://b:", "sk-", "token=", "bearer ", "-----BEGIN A"):
    Redactor(["a-long-secret"]).redact((piece * 1_000_000)[:1_000_000])
"""


def test_no_text_holds_up_the_worker() -> None:
    # Seconds when the search takes a multiple of a text's length, most of an hour when it takes its square.
    subprocess.run([sys.executable, "-c", _LONG_TEXTS], check=True, timeout=120)
