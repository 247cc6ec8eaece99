"""The commands about jobs, as a person and as a script use them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.engine import Engine
from support.stack import TestStack

from .commands import Desk


@pytest.fixture
async def desk(stack: TestStack, tmp_path: Path) -> AsyncIterator[Desk]:
    engine = await Engine(stack.database).open()
    made = Desk(stack, engine, tmp_path)
    account = made.sign_up()
    made.environment["HEADWAY_ACCESS_TOKEN"] = account["access_token"]
    try:
        yield made
    finally:
        await made.close()


async def test_a_job_from_submit_to_result(desk: Desk) -> None:
    worker, kind = await desk.worker()
    (desk.folder / "Mein Lebenslauf.txt").write_text("Ada")
    submitted = await desk.json(
        "submit",
        kind,
        '{"a": 1}',
        "--set",
        "language=de",
        "--set",
        "n=2",
        "--file",
        "cv=Mein Lebenslauf.txt",
        "--tag",
        "blue",
        "--priority",
        "5",
        "--idempotency-key",
        "once",
    )
    assert (submitted["created"], submitted["kind"], submitted["status"]) == (True, kind, "pending")
    again = await desk.run("submit", kind, "--idempotency-key", "once")
    assert (
        f"{submitted['id']}  {kind}  pending (an earlier job, found by its idempotency_key)" in again.stdout
    )

    lease = await worker.claim_one()
    assert lease["payload"] == {"a": 1, "language": "de", "n": 2}
    (file,) = lease["files"]
    assert (file["name"], file["bytes"], file["sha256"]) == ("cv", 3, hashlib.sha256(b"Ada").hexdigest())

    watching = await desk.start("watch", submitted["id"], "--json")
    assert watching.stdout is not None
    first = json.loads(await watching.stdout.readline())
    assert (first["id"], first["status"]) == (submitted["id"], "processing")
    events = [{"name": "slide", "data": {"text": "Welcome"}, "n": 1}]
    await worker.beat(
        lease, percent=40, stage="write", message="half of it", metrics={"slides": 1}, events=events
    )
    await worker.finish(lease, result={"name": "Ada", "größe": 1.7})
    updates = [json.loads(line) async for line in watching.stdout]
    assert await watching.wait() == 0
    assert [each["event"]["type"] for each in updates if each["event"]] == [
        "stage_started",
        "emitted",
        "completed",
    ]
    assert [each["seq"] for each in updates if each["event"]] == [3, 4, 5]
    assert updates[-1]["ended"] is True

    assert await desk.json("result", submitted["id"]) == {"name": "Ada", "größe": 1.7}
    done = await desk.run("result", submitted["id"], "--out", "result.json")
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads((desk.folder / "result.json").read_text("utf-8"))["name"] == "Ada"

    downloaded = await desk.run("download", submitted["id"], "cv", "--to", "back.txt")
    assert (downloaded.returncode, (desk.folder / "back.txt").read_text()) == (0, "Ada")
    kept = await desk.run("download", submitted["id"], "cv", "--to", "back.txt", "--keep")
    assert (kept.returncode, "Traceback" in kept.stderr) == (1, False)


async def test_watching_many_says_how_the_worst_of_them_ended(desk: Desk) -> None:
    worker, kind = await desk.worker(max_attempts=1)
    ids = [(await desk.json("submit", kind))["id"] for _ in range(3)]
    leases = {str(lease["job_id"]): lease for lease in await worker.claim(3)}
    watching = await desk.start("watch", *ids)
    assert watching.stdout is not None
    seen = {(await watching.stdout.readline()).split()[0] for _ in ids}
    assert seen == {kind.encode()}
    await worker.beat(leases[ids[0]], stage="read", message="\x1b[31mred\x1b[0m [bold]x")
    await worker.finish(leases[ids[0]])
    await worker.finish(
        leases[ids[1]], "failed", error={"code": "bad_cv", "message": "No CV.", "hint": "Send one."}
    )
    assert (await desk.json("cancel", ids[2], "--reason", "enough"))[0]["cancel_requested_at"]
    await worker.finish(leases[ids[2]], "cancelled")
    out, _ = await watching.communicate()
    text = out.decode()
    assert watching.returncode == 10
    assert "\x1b" not in text
    assert "stage read: [31mred[0m [bold]x" in text
    for line in ("completed after", "failed after", ": No CV.", "cancelled after"):
        assert line in text
    assert (await desk.run("watch", ids[0])).returncode == 0
    assert (await desk.run("watch", ids[2], ids[0])).returncode == 11

    failed = await desk.run("result", ids[1])
    assert (failed.returncode, failed.stdout) == (10, "")
    assert failed.stderr == "error: No CV.\nhint: Send one.\n"
    cancelled = await desk.run("result", ids[2], "--json")
    assert cancelled.returncode == 11
    assert json.loads(cancelled.stderr)["error"]["code"] == "job_cancelled"


async def test_a_failed_job_is_shown_and_retried_from_where_it_failed(desk: Desk) -> None:
    worker, kind = await desk.worker(max_attempts=1)
    job = (await desk.json("submit", kind))["id"]
    lease = await worker.claim_one()
    held = {key: lease[key] for key in ("job_id", "attempt", "lease_token")}
    await worker.beat(lease, stage="read", percent=10)
    await worker.service.call("checkpoint", **held, step="parse", result={"pages": 2})
    await worker.service.call(
        "record_usage",
        **held,
        call_id=uuid.uuid4(),
        provider="openai",
        cost="0.0125",
        quantity="1500",
        model="gpt-x",
        unit="tokens",
        step="parse",
    )
    files = [{"name": "report", "bucket": "job-files", "path": "a/report.pdf", "bytes": 2048}]
    await worker.service.call("add_files", **held, files=files)
    await worker.finish(
        lease, "failed", error={"code": "broken", "message": "It broke.", "hint": "Try again."}
    )

    shown = (await desk.run("show", job)).stdout
    for part in (
        kind,
        job,
        "failed",
        "broken: It broke.",
        "hint: Try again.",
        "✗ Reading",
        "○ Writing",
        "✓",
        "parse",
        "openai",
        "gpt-x",
        "1500 tokens",
        "0.0125",
        "job-files/a/report.pdf",
        "2.0 kB",
        "timeline",
        "attempts",
        "stage started",
        "attempt 1 of 1",
    ):
        assert part in shown, part
    document = await desk.json("show", job)
    assert [event["type"] for event in document["timeline"]][:2] == ["submitted", "started"]
    assert float(document["usage"][0]["cost"]) == 0.0125
    assert document["steps"][0]["result"] == {"pages": 2}

    retried = await desk.json("retry", job, "--cost-budget", "0.5")
    assert (retried["status"], retried["run"]) == ("pending", 2)
    lease = await worker.claim_one()
    assert list(lease["steps"]) == ["parse"]
    await worker.finish(lease)


async def test_lists_are_filtered_and_paged(desk: Desk) -> None:
    worker, kind = await desk.worker()
    ids = [(await desk.json("submit", kind, "--tag", f"t{n}"))["id"] for n in range(3)]
    await worker.finish(await worker.claim_one())
    table = await desk.run("list")
    assert all(each in table.stdout for each in ids)
    assert table.stdout.count("pending") == 2
    page = await desk.json("list", "--limit", "2")
    assert [job["id"] for job in page["jobs"]] == ids[:0:-1]
    rest = await desk.json("list", "--limit", "2", "--cursor", page["next_cursor"])
    assert ([job["id"] for job in rest["jobs"]], rest["next_cursor"]) == (ids[:1], None)
    assert len((await desk.json("list", "--active"))["jobs"]) == 2
    assert [job["id"] for job in (await desk.json("list", "--tag", "t1"))["jobs"]] == [ids[1]]
    assert (
        len((await desk.json("list", "--status", "completed", "--kind", kind, "--since", "5m"))["jobs"]) == 1
    )
    assert (await desk.run("list", "--kind", "none.such")).stdout == "no jobs\n"


async def test_a_list_is_followed_until_it_is_interrupted(desk: Desk) -> None:
    _, kind = await desk.worker()
    first = (await desk.json("submit", kind))["id"]
    watching = await desk.start("watch", "--all", "--json")
    assert watching.stdout is not None
    assert json.loads(await watching.stdout.readline())["job"]["id"] == first
    second = (await desk.json("submit", kind))["id"]
    assert json.loads(await watching.stdout.readline())["job"]["id"] == second
    watching.send_signal(signal.SIGINT)
    _, error = await watching.communicate()
    assert watching.returncode == 130
    assert b"Traceback" not in error


async def test_submit_can_watch(desk: Desk) -> None:
    worker, kind = await desk.worker()
    running = await desk.start("submit", kind, "--watch", "--timeout", "60")
    assert running.stdout is not None
    assert kind.encode() in await running.stdout.readline()
    await worker.finish(await worker.claim_one())
    out, _ = await running.communicate()
    assert running.returncode == 0
    assert b"completed after" in out


async def test_the_payload_comes_from_wherever_it_is(desk: Desk) -> None:
    worker, kind = await desk.worker()
    (desk.folder / "payload.json").write_text('{"from": "file"}')
    await desk.json("submit", kind, "@payload.json")
    await desk.json("submit", kind, "-", stdin='{"from": "stdin"}')
    payloads = [lease["payload"]["from"] for lease in await worker.claim(2)]
    assert sorted(payloads) == ["file", "stdin"]


async def test_a_job_that_waits_is_signalled(desk: Desk) -> None:
    worker, kind = await desk.worker()
    job = (await desk.json("submit", kind))["id"]
    lease = await worker.claim_one()
    await worker.finish(lease, "wait", **{"for": "signal", "signal": "approved", "timeout_seconds": 3600})
    assert (await desk.json("signal", job, "approved", '{"by": "Ada"}'))["state"] == "delivered"
    await worker.finish(await worker.claim_one())


REFUSALS: list[tuple[list[Any], int, str]] = [
    (["submit", "none.such_kind"], 1, "HW107"),
    (["submit", "{kind}", "--file", "cv=missing.pdf"], 1, "file_unreadable"),
    (["watch", "{nobody}"], 6, "HW301"),
    (["cancel", "{nobody}"], 6, "HW301"),
    (["result", "{job}", "--timeout", "0.2"], 12, "result_timeout"),
    (["retry", "{job}"], 1, "HW202"),
    (["retry", "{job}", "--cost-budget", "much"], 2, "HW100"),
    (["download", "{job}", "none"], 6, "HW301"),
]


async def test_refusals_have_a_status_and_say_what_to_do(desk: Desk) -> None:
    _, kind = await desk.worker()
    job = (await desk.json("submit", kind))["id"]
    values = {"{kind}": kind, "{job}": job, "{nobody}": str(uuid.uuid4())}

    async def check(arguments: list[str], status: int, code: str) -> None:
        typed = [values.get(argument, argument) for argument in arguments]
        done = await desk.run(*typed, "--json")
        assert done.returncode == status, (typed, done.stderr)
        error = json.loads(done.stderr.splitlines()[-1])["error"]
        assert error["code"] == code, typed
        assert error["hint"] or code == "system", typed
        assert "Traceback" not in done.stderr

    for start in range(0, len(REFUSALS), 4):
        await asyncio.gather(*(check(*each) for each in REFUSALS[start : start + 4]))


class TestWho:
    async def test_nobody_is_told_how_to_sign_in(self, desk: Desk) -> None:
        del desk.environment["HEADWAY_ACCESS_TOKEN"]
        done = await desk.run("list")
        assert done.returncode == 5
        assert "nobody is signed in" in done.stderr
        assert "headway login" in done.stderr

    async def test_a_password_in_the_environment(self, desk: Desk) -> None:
        account = desk.sign_up()
        del desk.environment["HEADWAY_ACCESS_TOKEN"]
        desk.environment |= {"HEADWAY_EMAIL": account["email"], "HEADWAY_PASSWORD": account["password"]}
        assert (await desk.json("whoami"))["user_id"] == account["user_id"]
        desk.environment["HEADWAY_PASSWORD"] = "wrong"
        wrong = await desk.run("whoami")
        assert wrong.returncode == 5
        assert "Traceback" not in wrong.stderr

    async def test_a_session_that_is_kept_and_refreshed(self, desk: Desk) -> None:
        account = desk.sign_up()
        del desk.environment["HEADWAY_ACCESS_TOKEN"]
        signed_in = await desk.json("login", "--email", account["email"], stdin=account["password"] + "\n")
        assert signed_in["user_id"] == account["user_id"]
        (kept,) = (desk.folder / "state" / "sessions").glob("*.json")
        assert kept.stat().st_mode & 0o777 == 0o600
        assert kept.parent.stat().st_mode & 0o777 == 0o700
        assert account["password"] not in kept.read_text()
        assert (await desk.json("whoami"))["user_id"] == account["user_id"]

        # What is past its life is refreshed, by one of several processes at once.
        session = json.loads(kept.read_text())
        header, payload, signature = session["access_token"].split(".")
        import base64

        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        claims |= {"iat": 1, "exp": 2}
        stale = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        kept.write_text(json.dumps(session | {"access_token": f"{header}.{stale}.{signature}"}))
        answers = await asyncio.gather(*(desk.json("list") for _ in range(3)))
        assert all(answer["jobs"] == [] for answer in answers)
        assert json.loads(kept.read_text())["refresh_token"] != session["refresh_token"]

        copied = kept.read_text()
        said = await desk.json("logout")
        assert (said["signed_out"], said["ended_at_server"]) == (True, True)
        assert (await desk.run("list")).returncode == 5
        # Who has copied the file before has nothing of it once its access token has run out.
        session = json.loads(copied)
        kept.write_text(json.dumps(session | {"access_token": f"{header}.{stale}.{signature}"}))
        assert (await desk.run("list")).returncode == 5
        assert (await desk.json("logout"))["ended_at_server"] is False
        assert not kept.exists()

    async def test_somebody_new_without_a_name(self, desk: Desk) -> None:
        del desk.environment["HEADWAY_ACCESS_TOKEN"]
        first = (await desk.json("login", "--anonymous"))["user_id"]
        assert (await desk.json("whoami"))["user_id"] == first

    async def test_an_operator_sees_everybodys_jobs(self, desk: Desk) -> None:
        _, kind = await desk.worker()
        job = (await desk.json("submit", kind))["id"]
        other = desk.sign_up()
        desk.environment["HEADWAY_ACCESS_TOKEN"] = other["access_token"]
        assert (await desk.run("show", job)).returncode == 6
        assert (await desk.json("show", job, "--service"))["id"] == job
        assert (await desk.json("whoami", "--service"))["service"] is True

    async def test_a_wrong_password_at_login(self, desk: Desk) -> None:
        wrong = await desk.run("login", "--email", "nobody@example.com", "--json", stdin="wrong\n")
        assert wrong.returncode == 5
        assert json.loads(wrong.stderr)["error"]["code"] == "not_signed_in"
        assert not (desk.folder / "state" / "sessions").exists() or not list(
            (desk.folder / "state" / "sessions").glob("*.json")
        )


async def test_no_project(desk: Desk) -> None:
    desk.environment |= {"SUPABASE_URL": ""}
    done = await desk.run("list")
    assert done.returncode == 3
    assert "SUPABASE_URL" in done.stderr


async def test_an_unreachable_project(desk: Desk) -> None:
    desk.environment |= {"SUPABASE_URL": "http://127.0.0.1:9"}
    done = await desk.run("list")
    assert done.returncode == 7
    assert "127.0.0.1" in done.stderr
    assert os.environ.get("SUPABASE_URL") is None


class TestDoctor:
    async def test_a_project_that_is_well_but_for_its_workers(self, desk: Desk) -> None:
        # Other tests leave jobs without a worker on this stack; that is for integration/doctor to look at.
        await desk.engine.admin.execute("delete from headway.jobs")
        report = await desk.json("doctor")
        assert report["ok"] is True
        assert {each["check"] for each in report["findings"] if each["verdict"] == "failed"} == set()
        shown = await desk.run("doctor")
        assert shown.returncode == 0
        assert "✓ private_channels" in shown.stdout
        assert shown.stderr == ""

    async def test_a_key_of_the_wrong_role_is_a_failure_with_a_remedy(self, desk: Desk) -> None:
        desk.environment["SUPABASE_SECRET_KEY"] = desk.stack.keys.publishable_key
        done = await desk.run("doctor", "--json")
        assert done.returncode == 1
        report = json.loads(done.stdout)
        (failed,) = [each for each in report["findings"] if each["verdict"] == "failed"]
        assert (failed["check"], report["ok"]) == ("secret_key", False)
        assert failed["remedy"]

    async def test_a_wrong_password_is_a_finding_and_the_rest_is_looked_at(self, desk: Desk) -> None:
        del desk.environment["HEADWAY_ACCESS_TOKEN"]
        desk.environment |= {"HEADWAY_EMAIL": "nobody@example.com", "HEADWAY_PASSWORD": "wrong"}
        done = await desk.run("doctor")
        assert done.returncode == 1
        assert "✗ sign_in" in done.stdout
        assert "✓ exposure" in done.stdout
        assert "→ " in done.stdout

    async def test_nobody_there(self, desk: Desk) -> None:
        desk.environment |= {"SUPABASE_URL": "http://127.0.0.1:9"}
        done = await desk.run("doctor", "--json")
        assert done.returncode == 1
        assert json.loads(done.stdout)["findings"][-1]["verdict"] == "skipped"
