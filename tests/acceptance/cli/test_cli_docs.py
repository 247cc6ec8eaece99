"""The commands of docs/cli.md, typed into one shell beside a real worker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import httpx

from support.documents import examples
from support.stack import TestStack
from support.workers import running_worker

WORKER = """
from headway import Context, Worker

worker = Worker()


@worker.job("demo.count", stages=["read", "count"])
async def count(ctx: Context, payload: dict) -> dict:
    ctx.stage("read")
    text = (await ctx.files.read("text")).decode()
    ctx.stage("count")
    await ctx.emit("beginning", {"text": text[:20]})
    return {"count": len(text.split()) if payload.get("words", True) else len(text)}
"""


async def forget_jobs(stack: TestStack) -> None:
    connection = await stack.database.connect("postgres")
    try:
        await connection.execute("delete from headway.jobs")
    finally:
        await connection.close()


def test_the_commands_run(stack: TestStack, tmp_path: Path) -> None:
    # Other tests leave jobs without a worker on this stack, which the doctor would find.
    stack.run(forget_jobs(stack))
    (tmp_path / "counting.py").write_text(WORKER)
    (tmp_path / "essay.txt").write_text("To be tested.")
    (tmp_path / "password.txt").write_text("correct horse battery\n")
    email = f"docs-{uuid.uuid4().hex}@example.com"
    httpx.post(
        f"{stack.url}/auth/v1/signup",
        headers={"apikey": stack.keys.publishable_key},
        json={"email": email, "password": "correct horse battery"},
    ).raise_for_status()
    blocks = examples("cli.md", "sh")
    assert len(blocks) == 4
    script = "set -e\nset -o pipefail\n" + "\n".join(block.text for block in blocks)
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "headway").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m headway.cli "$@"\n')
    (commands / "headway").chmod(0o755)
    (commands / "python").symlink_to(sys.executable)
    environment = {
        **os.environ,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "SUPABASE_URL": stack.url,
        "SUPABASE_PUBLISHABLE_KEY": stack.keys.publishable_key,
        "SUPABASE_SECRET_KEY": stack.keys.secret_key,
        "HEADWAY_STATE_DIR": str(tmp_path / "state"),
        "COLUMNS": "120",
    }
    bash = shutil.which("bash")
    assert bash is not None
    with running_worker(
        stack, "counting", log=tmp_path / "worker.log", environment={"PYTHONPATH": str(tmp_path)}
    ) as worker:
        done = subprocess.run(
            [bash, "-c", script.replace("ada@example.com", email)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, (done.stdout, done.stderr, worker.output)
    findings = json.loads((tmp_path / "report.json").read_text())["findings"]
    assert {each["check"] for each in findings if each["verdict"] != "ok"} == set()
    assert email not in done.stderr
    assert "completed after" in done.stdout
    assert "beginning: To be tested." in done.stdout
    assert (tmp_path / "copy.txt").read_text() == "To be tested."
    assert json.loads((tmp_path / "result.json").read_text()) == {"count": 3}
    last = next(line for line in reversed(done.stdout.splitlines()) if line.startswith('{"id"'))
    assert json.loads(last)["ended"] is True
