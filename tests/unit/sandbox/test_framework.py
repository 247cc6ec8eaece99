"""The sandbox's own parts: faults strike as told, everything is counted, and it runs as a process."""

from __future__ import annotations

import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from headway.errors import ConfigError
from headway.sandbox.environment import sandbox_variables
from headway.sandbox.faults import FaultInvalid, Faults
from headway.sandbox.ledger import Ledger
from headway.sandbox.server import SandboxServer
from headway.sandbox.tokens import count_tokens, cut_to_tokens, image_tokens
from support.sandbox import sandbox_process


def _models(server: SandboxServer, **options: object) -> httpx.Response:
    key = server.environment["OPENAI_API_KEY"]
    return httpx.get(
        f"{server.url}/openai/v1/models",
        headers={"authorization": f"Bearer {key}"},
        **{"timeout": 10, **options},  # type: ignore[arg-type]
    )


def test_every_answer_is_labelled(sandbox_server: SandboxServer) -> None:
    assert _models(sandbox_server).headers["x-headway-sandbox"] == "true"
    unknown = httpx.get(f"{sandbox_server.url}/openai/v1/nothing")
    assert unknown.status_code == 404
    assert unknown.headers["x-headway-sandbox"] == "true"
    assert "docs/sandbox.md" in unknown.json()["error"]["message"]


def test_faults_strike_as_often_as_told_and_in_the_order_added(sandbox_server: SandboxServer) -> None:
    faults = sandbox_server.sandbox.faults
    faults.add("429", provider="openai", times=2, retry_after=1.5)
    faults.add("503", path="/models$", times=1)
    faults.add("500", provider="somebody-else")
    answers = [_models(sandbox_server) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 429, 503, 200]
    assert answers[0].headers["retry-after"] == "2"
    assert answers[0].headers["retry-after-ms"] == "1500"
    assert sandbox_server.sandbox.requests.as_dict()["faults"] == {"429": 2, "503": 1}
    assert sandbox_server.sandbox.requests.of("/openai/v1/models") == 4


def test_a_fraction_with_a_seed_strikes_the_same_requests_every_time() -> None:
    def struck() -> list[bool]:
        faults = Faults()
        faults.add("500", fraction=0.3, seed=7)
        request = httpx_scope()
        return [faults.draw(request, "openai") is not None for _ in range(200)]

    first = struck()
    assert first == struck()
    assert 30 < sum(first) < 90


def httpx_scope() -> object:
    from starlette.requests import Request

    return Request({"type": "http", "path": "/openai/v1/models", "headers": []})


def test_a_timeout_ends_without_an_answer_and_a_cut_in_the_middle_of_one(
    sandbox_server: SandboxServer,
) -> None:
    sandbox_server.sandbox.faults.add("timeout", times=1, seconds=0)
    with pytest.raises(httpx.RemoteProtocolError):
        _models(sandbox_server)
    sandbox_server.sandbox.faults.add("cut", times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        _models(sandbox_server)
    sandbox_server.sandbox.faults.add("slow", times=1, seconds=0.01)
    assert _models(sandbox_server).status_code == 200


def test_faults_are_set_over_http(sandbox_server: SandboxServer) -> None:
    url = f"{sandbox_server.url}/_sandbox/faults"
    assert httpx.post(url, json={"kind": "429", "times": 3}).json()[0]["met"] == 0
    _models(sandbox_server)
    assert httpx.get(url).json()[0]["met"] == 1
    assert httpx.delete(url).json() == []
    refused = httpx.post(url, json=[{"kind": "earthquake"}])
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("kind: ")
    assert httpx.post(url, content="{").json() == {"message": "the body is not JSON"}


@pytest.mark.parametrize("values", [{"fraction": 2}, {"times": 0}, {"path": "("}, {"colour": "red"}])
def test_an_impossible_fault_is_refused_by_name(values: dict[str, object]) -> None:
    with pytest.raises(FaultInvalid, match=next(iter(values))):
        Faults().add("500", **values)


def test_the_ledger_counts_exactly() -> None:
    ledger = Ledger({("openai", "m", "input_token"): Decimal("0.0000004")})
    for _ in range(3):
        ledger.count("openai", model="m", unit="input_token", quantity=7)
    ledger.count("hunter", model="domain-search", cost=Decimal("0.049"))
    ledger.count("hunter", model="unpriced")
    assert ledger.total("openai") == Decimal("0.0000084")
    assert ledger.total() == Decimal("0.0490084")
    assert ledger.quantity("openai", unit="input_token") == 21
    assert ledger.as_dict()["cost"] == {"hunter": "0.049", "openai": "0.0000084"}


def test_a_taken_port_is_named(sandbox_server: SandboxServer) -> None:
    port = int(sandbox_server.url.rpartition(":")[2])
    with pytest.raises(ConfigError, match=rf"port {port} on 127\.0\.0\.1 is in use \(--port\)"):
        SandboxServer(port=port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_as_a_process_until_a_signal(number: signal.Signals) -> None:
    with sandbox_process() as (process, variables):
        assert httpx.get(variables["HEADWAY_SANDBOX_URL"] + "/_sandbox/health").json()["sandbox"] is True
        assert variables["OPENAI_BASE_URL"].endswith("/openai/v1")
        process.send_signal(number)
        assert process.wait(timeout=20) == 0


def test_the_command_prints_variables_for_shells_and_names_a_bad_price_list(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "headway.cli", "sandbox"]
    with subprocess.Popen([*command, "-o", "env"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = {process.stdout.readline().partition("=")[0] for _ in range(5)}
        process.terminate()
    assert process.returncode == 0
    assert printed <= {*sandbox_variables(""), "HEADWAY_SANDBOX_URL"}
    (tmp_path / "prices.toml").write_text("price = 3")
    refused = subprocess.run(
        [*command, "--prices", tmp_path / "prices.toml"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "prices.toml is not a price list" in refused.stderr


def test_tokens_are_estimated_and_cut() -> None:
    english = "The quick brown fox jumps over the lazy dog, and nobody minds. "
    assert 14 <= count_tokens(english) <= 18
    assert count_tokens(cut_to_tokens(english * 50, 100)) <= 100
    assert cut_to_tokens(english, 1000) == english
    assert image_tokens(1024, 1024) == 765
    assert image_tokens(1024, 1024, low=True) == 85
    assert image_tokens(8000, 400) == 85 + 170 * 4
