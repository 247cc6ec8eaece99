"""Each way in which a project can be broken is found, by name and with its remedy."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from headway.client.doctor import Report, diagnose
from headway.errors import ConfigError
from support.engine import Engine
from support.stack import TestStack, running_stack


@dataclass
class Clinic:
    """A stack of its own that tests may break, and somebody who is signed in."""

    stack: TestStack
    token: str
    user_id: str

    async def diagnose(self, **changes: Any) -> Report:
        """Examine it with all keys, but for the changes."""
        keys = {
            "public_key": self.stack.keys.publishable_key,
            "secret_key": self.stack.keys.secret_key,
            "access_token": self.token,
        }
        url = changes.pop("url", self.stack.url)
        return await diagnose(url, **(keys | changes))

    def sql(self, statement: str) -> None:
        """Run a statement as the superuser, and wait until the Data API has noticed."""

        async def run() -> None:
            connection = await self.stack.database.connect("supabase_admin")
            try:
                await connection.execute(statement)
                await connection.execute("notify pgrst")
            finally:
                await connection.close()

        self.stack.run(run())

    @asynccontextmanager
    async def broken(self, harm: str, healing: str) -> AsyncIterator[None]:
        """The project with something wrong, for a while."""
        await asyncio.to_thread(self.sql, harm)
        try:
            yield
        finally:
            await asyncio.to_thread(self.sql, healing)

    async def seen(self, check: str, verdict: str, **changes: Any) -> Report:
        """The first report in which a check has a verdict: the Data API reads its schema in its own time."""
        async with asyncio.timeout(30):
            while True:
                report = await self.diagnose(**changes)
                if report[check].verdict == verdict:
                    return report


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    with running_stack(tmp_path_factory.mktemp("clinic")) as stack:
        answer = httpx.post(
            f"{stack.url}/auth/v1/signup",
            headers={"apikey": stack.keys.publishable_key},
            json={"email": "ada@example.com", "password": "correct horse battery"},
        )
        session = answer.raise_for_status().json()
        yield Clinic(stack, session["access_token"], session["user"]["id"])


def jwt(**claims: Any) -> str:
    """A token that looks like one."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.c2lnbmF0dXJl"


async def test_a_healthy_project_is_told_so(clinic: Clinic) -> None:
    engine = await Engine(clinic.stack.database).open()
    worker = await engine.worker("test.healthy")
    try:
        report = await clinic.diagnose()
    finally:
        await worker.service.call("stop_worker", worker_id=worker.id)
        await engine.close()
    assert [(each.check, each.message) for each in report.findings if each.verdict != "ok"] == []
    assert report.ok
    assert len(report.findings) == 16
    assert report["round_trip"].facts["median_ms"] > 0
    assert report["migrations"].facts == {"version": 1}


async def test_nothing_is_changed_by_looking(clinic: Clinic) -> None:
    engine = await Engine(clinic.stack.database).open()
    count = (
        "select (select count(*) from headway.jobs) + (select count(*) from headway.workers)"
        " + (select count(*) from storage.objects) + (select count(*) from auth.users)"
    )
    try:
        before = await engine.admin.fetchval(count)
        await clinic.diagnose()
        assert await engine.admin.fetchval(count) == before
    finally:
        await engine.close()


async def test_with_a_publishable_key_alone_the_rest_is_skipped_with_the_reason(clinic: Clinic) -> None:
    report = await clinic.diagnose(secret_key=None, access_token=None)
    assert report.ok
    verdicts = {each.check: each.verdict for each in report.findings}
    assert {check for check, verdict in verdicts.items() if verdict == "ok"} == {
        "url",
        "clock",
        "public_key",
        "exposure",
        "rls_public",
    }
    assert all(each.message for each in report.findings)


async def test_a_workers_environment_is_enough(clinic: Clinic) -> None:
    report = await clinic.diagnose(public_key=None, access_token=None)
    assert report.ok
    verdicts = {each.check: each.verdict for each in report.findings}
    for check in ("secret_key", "exposure", "migrations", "buckets", "realtime", "round_trip", "publication"):
        assert verdicts[check] == "ok", check


async def test_legacy_keys_are_known(clinic: Clinic) -> None:
    keys = clinic.stack.keys
    report = await clinic.diagnose(public_key=keys.anon_key, secret_key=keys.service_role_key)
    assert (report["public_key"].facts["kind"], report["secret_key"].facts["kind"]) == (
        "anon",
        "service_role",
    )
    assert report.ok


class TestAddress:
    async def test_nobody_there(self, clinic: Clinic) -> None:
        report = await clinic.diagnose(url="http://127.0.0.1:9")
        assert not report.ok
        assert report["url"].remedy.startswith("Check SUPABASE_URL, the network, and the proxy")
        assert {each.verdict for each in report.findings[1:]} == {"skipped"}

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\nhi",
            b"nonsense\r\n\r\n",
        ],
    )
    async def test_somebody_else_there(self, clinic: Clinic, answer: bytes) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            report = await clinic.diagnose(url=f"http://127.0.0.1:{port}")
        assert report["url"].verdict == "failed"
        assert report["url"].remedy

    @pytest.mark.parametrize("url", ["", "abc.supabase.co", "http://x/rest/v1", "ftp://x"])
    async def test_no_address(self, clinic: Clinic, url: str) -> None:
        with pytest.raises(ConfigError, match="url: "):
            await clinic.diagnose(url=url)


class TestClock:
    @pytest.mark.parametrize(
        ("skew", "verdict"), [(-2, "ok"), (12, "warning"), (-12, "warning"), (90, "failed")]
    )
    async def test_it_may_be_off(self, clinic: Clinic, skew: float, verdict: str) -> None:
        report = await clinic.diagnose(wall=lambda: time.time() + skew, secret_key=None, access_token=None)
        assert report["clock"].verdict == verdict
        if verdict != "ok":
            assert ("ahead of" if skew > 0 else "behind") in report["clock"].message


class TestKeys:
    async def test_a_secret_where_the_public_key_belongs(self, clinic: Clinic) -> None:
        for key in (clinic.stack.keys.secret_key, clinic.stack.keys.service_role_key):
            report = await clinic.diagnose(public_key=key, secret_key=None)
            assert report["public_key"].verdict == "failed"
            assert "whoever has your app has all your data" in report["public_key"].message
            assert key not in repr(report)

    async def test_a_public_key_where_the_secret_belongs(self, clinic: Clinic) -> None:
        for key in (clinic.stack.keys.publishable_key, clinic.stack.keys.anon_key):
            report = await clinic.diagnose(secret_key=key)
            assert report["secret_key"].verdict == "failed"
            assert report["workers"].verdict == "skipped"

    @pytest.mark.parametrize("key", ["sb_publishable_" + "x" * 40, "nonsense", jwt(role="anon", exp=2**40)])
    async def test_a_key_that_is_not_accepted(self, clinic: Clinic, key: str) -> None:
        report = await clinic.diagnose(public_key=key, secret_key=None)
        assert report["public_key"].verdict == "failed"
        assert report["public_key"].remedy == "Copy it from Settings, API Keys."
        assert report["exposure"].message == "no key is accepted"

    async def test_an_expired_key(self, clinic: Clinic) -> None:
        report = await clinic.diagnose(public_key=jwt(role="anon", exp=1), secret_key=None)
        assert report["public_key"].message == "the key has expired"

    async def test_a_token_that_is_none_or_dies_soon(self, clinic: Clinic) -> None:
        for token in ("nonsense", jwt(role="authenticated", sub="x", exp=1), clinic.stack.keys.anon_key):
            report = await clinic.diagnose(access_token=token)
            assert report["token"].verdict == "failed", token
            assert report["rls_user"].verdict == "skipped"
        soon = await clinic.diagnose(wall=lambda: time.time() + 3570, secret_key=None)
        assert soon["token"].verdict == "warning"


class TestSchema:
    async def test_it_is_not_exposed(self, clinic: Clinic) -> None:
        async with clinic.broken(
            "alter role authenticator set pgrst.db_schemas = 'public'",
            "alter role authenticator reset pgrst.db_schemas",
        ):
            report = await clinic.seen("exposure", "failed")
            assert report["exposure"].facts["code"] == "PGRST106"
            assert "exposed schemas" in str(report["exposure"].remedy)
            assert report["migrations"].verdict == "skipped"
        await clinic.seen("exposure", "ok")

    async def test_another_version(self, clinic: Clinic) -> None:
        define = (
            "create or replace function headway.version() returns integer language sql immutable"
            " set search_path = '' as 'select {}'"
        )
        async with clinic.broken(define.format(99), define.format(1)):
            report = await clinic.seen("migrations", "failed")
        assert report["migrations"].facts == {"database": 99, "package": 1}
        assert "pip install -U headway" in str(report["migrations"].remedy)

    async def test_half_of_the_migrations(self, clinic: Clinic) -> None:
        async with clinic.broken(
            "alter function headway.sweep rename to swept", "alter function headway.swept rename to sweep"
        ):
            report = await clinic.seen("migrations", "failed")
            assert report["migrations"].facts == {"missing": ["sweep"]}
        async with clinic.broken(
            "alter function headway.version rename to versio",
            "alter function headway.versio rename to version",
        ):
            report = await clinic.seen("migrations", "failed")
            assert report["migrations"].facts["code"] in ("PGRST202", "42883")
        await clinic.seen("migrations", "ok")


class TestSecurity:
    async def test_everybody_sees_jobs(self, clinic: Clinic) -> None:
        engine = await Engine(clinic.stack.database).open()
        stranger = await engine.user()
        await engine.worker("test.seen")
        await stranger.submit("test.seen")
        await engine.close()
        harm = (
            "grant usage on schema headway to anon; grant select on headway.jobs to anon;"
            " create policy oops on headway.jobs for select to anon, authenticated using (true)"
        )
        healing = (
            "drop policy oops on headway.jobs; revoke all on headway.jobs from anon; delete from headway.jobs"
        )
        async with clinic.broken(harm, healing):
            report = await clinic.seen("rls_public", "failed")
            assert report["rls_user"].verdict == "failed"
            assert "jobs of other people" in report["rls_user"].message

    async def test_users_may_do_a_workers_work(self, clinic: Clinic) -> None:
        function = "function headway.claim(uuid, uuid, text[], text[], integer, integer)"
        async with clinic.broken(
            f"grant execute on {function} to authenticated",
            f"revoke execute on {function} from authenticated",
        ):
            report = await clinic.seen("rls_user", "failed")
        assert report["rls_user"].message == "users may call the functions of workers"


class TestStorage:
    async def test_a_public_bucket(self, clinic: Clinic) -> None:
        change = "update storage.buckets set public = {} where id = 'cvs'"
        async with clinic.broken(change.format("true"), change.format("false")):
            report = await clinic.diagnose()
        assert report["buckets"].facts == {"public": ["cvs"]}

    async def test_a_missing_bucket(self, clinic: Clinic) -> None:
        change = "update storage.buckets set id = '{1}', name = '{1}' where id = '{0}'"
        async with clinic.broken(
            change.format("exports", "elsewhere"), change.format("elsewhere", "exports")
        ):
            report = await clinic.diagnose()
        assert report["buckets"].facts == {"missing": ["exports"]}

    async def test_policies_that_admit_everybody_or_nobody(self, clinic: Clinic) -> None:
        everybody = "create policy oops on storage.objects for insert to authenticated with check (true)"
        async with clinic.broken(everybody, "drop policy oops on storage.objects"):
            report = await clinic.diagnose()
            assert "folders of other people" in report["file_access"].message
        nobody = (
            "create policy oops on storage.objects as restrictive"
            " for insert to authenticated with check (false)"
        )
        async with clinic.broken(nobody, "drop policy oops on storage.objects"):
            report = await clinic.diagnose()
            assert "may not write into their own folder" in report["file_access"].message


class TestRealtime:
    async def test_no_private_canary(self, clinic: Clinic) -> None:
        policy = '"headway: callers hear their own canary" on realtime.messages'
        async with clinic.broken(f"alter policy {policy} using (false)", _CANARY_POLICY):
            report = await clinic.diagnose(secret_key=None)
        assert report["realtime"].verdict == "warning"
        assert report["realtime"].facts == {"proof": "public canary"}
        assert report["round_trip"].verdict == "failed"

    async def test_everybody_hears_everything(self, clinic: Clinic) -> None:
        harm = "create policy oops on realtime.messages for select to authenticated using (true)"
        async with clinic.broken(harm, "drop policy oops on realtime.messages"):
            report = await clinic.diagnose(secret_key=None)
        assert report["private_channels"].message == "users may listen to the jobs of other people"

    async def test_the_table_is_not_published(self, clinic: Clinic) -> None:
        change = "alter publication supabase_realtime {} table headway.jobs"
        async with clinic.broken(change.format("drop"), change.format("add")):
            report = await clinic.diagnose(access_token=None)
        assert report["publication"].verdict == "warning"
        assert "alter publication supabase_realtime add table" in str(report["publication"].remedy)


class TestWorkers:
    async def test_jobs_that_nobody_will_run(self, clinic: Clinic) -> None:
        engine = await Engine(clinic.stack.database).open()
        kind = f"test.orphan_{uuid.uuid4().hex[:8]}"
        try:
            worker = await engine.worker({"kind": kind, "queue": "orphans"})
            person = await engine.user()
            await person.submit(kind)
            await worker.service.call("stop_worker", worker_id=worker.id)
            report = await clinic.diagnose(access_token=None)
            assert report["workers"].verdict == "failed"
            assert kind in report["workers"].facts["orphans"]
            assert "headway worker" in str(report["workers"].remedy)

            await engine.admin.execute(
                "update headway.workers set stopped_at = null,"
                " kinds = (select array_agg(kind) from headway.kinds)"
            )
            await engine.service.call("pause_queue", queue="orphans", reason="lunch")
            report = await clinic.diagnose(access_token=None)
            assert report["workers"].verdict == "warning"
            assert report["workers"].facts["paused"] == ["orphans"]
            await engine.service.call("resume_queue", queue="orphans")
        finally:
            await engine.admin.execute("delete from headway.workers; delete from headway.jobs")
            await engine.close()


_CANARY_POLICY = """
alter policy "headway: callers hear their own canary" on realtime.messages using (
    extension = 'broadcast'
    and (select realtime.topic()) ~ '^canary:'
    and split_part((select realtime.topic()), ':', 2) = (select auth.uid())::text
)
"""
