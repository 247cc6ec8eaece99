"""The stack as a whole: what outlives a restart and a reset, and who holds a data directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from headway.errors import ConfigError
from headway.local.holding import read_running
from support.stack import TestStack, project_config, running_stack

_MIGRATION = """
create table public.notes (id int primary key, body text);
grant select, insert on public.notes to anon;
"""


@pytest.fixture
def supabase_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "supabase"
    (folder / "migrations").mkdir(parents=True)
    (folder / "migrations" / "20260101000000_notes.sql").write_text(_MIGRATION)
    (folder / "seed.sql").write_text("insert into public.notes values (1, 'from the seed');")
    return folder


@pytest.fixture
def small(tmp_path: Path, supabase_dir: Path) -> Iterator[TestStack]:
    config = project_config(api={"schemas": ["public"]}, auth={"email": {"enable_confirmations": True}})
    with running_stack(tmp_path / "data", config=config, supabase_dir=supabase_dir) as running:
        yield running


def client(stack: TestStack) -> httpx.Client:
    return httpx.Client(base_url=stack.url, headers={"apikey": stack.keys.publishable_key}, timeout=30)


def bodies(stack: TestStack) -> list[str]:
    with client(stack) as http:
        answer = http.get("/rest/v1/notes?select=body&order=id")
    assert answer.status_code == 200, answer.text
    return [row["body"] for row in answer.json()]


def sign_up(stack: TestStack, email: str) -> None:
    with client(stack) as http:
        answer = http.post("/auth/v1/signup", json={"email": email, "password": "correct horse"})
    assert answer.status_code == 200, answer.text


def mailed(stack: TestStack) -> list[str]:
    messages = httpx.get(f"{stack.inbox_url}/api/v1/messages").json()["messages"]
    return [message["To"][0]["Address"] for message in messages]


def test_a_reset_brings_back_migrations_and_seed_and_keeps_keys_and_ports(small: TestStack) -> None:
    with client(small) as http:
        assert http.post("/rest/v1/notes", json={"id": 2, "body": "mine"}).status_code == 201
    sign_up(small, "before@example.com")
    assert mailed(small) == ["before@example.com"]
    before = (small.url, small.keys, small.inbox_url)
    answer = httpx.post(f"{small.url}/_headway/reset", headers={"apikey": small.keys.secret_key}, timeout=60)
    assert answer.status_code == 200
    assert (small.url, small.keys, small.inbox_url) == before
    assert bodies(small) == ["from the seed"]
    sign_up(small, "before@example.com")
    assert mailed(small) == ["before@example.com"]


def test_data_outlive_a_restart_and_the_seed_is_not_sown_twice(tmp_path: Path, supabase_dir: Path) -> None:
    config = project_config(api={"schemas": ["public"]})
    with running_stack(tmp_path / "data", config=config, supabase_dir=supabase_dir) as first:
        keys = first.keys
        with client(first) as http:
            assert http.post("/rest/v1/notes", json={"id": 2, "body": "mine"}).status_code == 201
    with running_stack(tmp_path / "data", config=config, supabase_dir=supabase_dir) as second:
        assert second.keys == keys
        assert bodies(second) == ["from the seed", "mine"]


def test_one_stack_holds_a_data_directory_and_others_are_told_which(small: TestStack) -> None:
    data_dir = small.context.data_dir
    running = read_running(data_dir)
    assert running is not None
    assert running.api_url == small.url
    with (
        pytest.raises(ConfigError, match="in use") as refused,
        running_stack(data_dir, config=project_config()),
    ):
        pytest.fail("a second stack started on the same data")
    assert small.url in refused.value.message
    assert bodies(small) == ["from the seed"]


def test_a_failing_migration_is_named_and_nothing_keeps_running(tmp_path: Path, supabase_dir: Path) -> None:
    broken = supabase_dir / "migrations" / "20260102000000_broken.sql"
    broken.write_text("select 1;\n\ncreate table public.notes (id int);\n")
    config = project_config(api={"schemas": ["public"]})
    with (
        pytest.raises(Exception, match=r"20260102000000_broken\.sql.*3"),
        running_stack(tmp_path / "data", config=config, supabase_dir=supabase_dir),
    ):
        pytest.fail("a stack started with a broken migration")
    assert read_running(tmp_path / "data") is None
    broken.unlink()
    with running_stack(tmp_path / "data", config=config, supabase_dir=supabase_dir) as mended:
        assert bodies(mended) == ["from the seed"]


def test_status_tells_of_every_service_to_the_secret_key(small: TestStack) -> None:
    answer = httpx.get(f"{small.url}/_headway/status", headers={"apikey": small.keys.secret_key})
    status = answer.json()
    assert set(status["services"]) == {"rest", "auth", "storage", "realtime"}
    assert status["api_url"] == small.url
    assert small.keys.secret_key not in answer.text
    assert small.keys.db_password not in answer.text
